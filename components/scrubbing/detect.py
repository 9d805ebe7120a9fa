"""Personal data in one text: what a served model's filter needs, and nothing of the stage around it."""

from __future__ import annotations

from collections.abc import Sequence

from components.scrubbing.config import ScrubbingConfig
from components.scrubbing.detectors import Detector
from components.scrubbing.engine import Engine
from components.scrubbing.spans import Span


def detect_personal_data(
    text: str, lang: str | None, config: ScrubbingConfig, *, detectors: Sequence[Detector] = ()
) -> list[Span]:
    """Spans of personal data in ``text``: sorted, not overlapping. ``lang`` None: guessed from the script."""
    return engine_of(config, tuple(detectors)).detect(text, lang)


_last: tuple[ScrubbingConfig, tuple[Detector, ...], Engine] | None = None


def engine_of(config: ScrubbingConfig, detectors: tuple[Detector, ...] = ()) -> Engine:
    """The engine of this very config object, made once: a stream asks for it once a record."""
    global _last  # noqa: PLW0603 - one entry, identity-keyed: a cache keyed by value would hash the config per record
    if _last is None or _last[0] is not config or _last[1] != detectors:
        _last = (config, detectors, Engine(config, detectors))
    return _last[2]
