"""Licence policy: what a record's key ``license`` must say for the record to stay.

Names are compared as SPDX writes them, whatever their case and separators: ``CC BY 4.0``, ``cc_by_4.0`` and
``cc-by-4.0`` are one. Patterns may hold ``*`` and ``?``. A denied licence goes even if it is allowed too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate
from typing import Any, Literal

from components.cleaning.config import LicenseConfig

Judgement = Literal["allowed", "refused", "missing"]

_SEPARATORS = re.compile(r"[\s_\-]+")


def normalise_license(name: str) -> str:
    """Lower case, with single hyphens between the parts."""
    return _SEPARATORS.sub("-", name.strip().casefold())


def license_judge(config: LicenseConfig) -> Callable[[Any], Judgement]:
    """A function from what a record says to what becomes of it; anything but a text counts as missing."""
    allow, deny = (_pattern(names) for names in (config.allow, config.deny))

    def judge(value: Any) -> Judgement:
        name = normalise_license(value) if isinstance(value, str) else ""
        if not name:
            return "allowed" if config.missing == "keep" else "missing"
        if allow is None or allow.fullmatch(name) is None or (deny is not None and deny.fullmatch(name) is not None):
            return "refused"
        return "allowed"

    return judge


def _pattern(names: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(translate(normalise_license(name)) for name in names)) if names else None
