"""Edit a text by its spans. Pure: same text, spans, policy and key, same result."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence

from components.core.errors import ConfigError
from components.scrubbing.spans import Span

HASH_CHARACTERS = 16
MASK_CHARACTER = "*"

# What this module writes; detection skips it, which is why scrubbing twice equals scrubbing once.
PLACEHOLDER = re.compile(r"(?:\[[A-Z][A-Z0-9_]{1,40}(?::[0-9a-f]{8,64})?\]|\*|\ufffc)+")


def apply_policy(text: str, spans: Sequence[Span], policy: str, *, key: bytes | None = None) -> str:
    """``text`` with every span replaced. Spans are sorted and do not overlap.

    Raises: ConfigError if the policy is hash and there is no key, or the policy is unknown.
    """
    if policy == "hash" and not key:
        raise ConfigError("scrubbing.policy: hash needs a secret key; run touchstone keys new, or use redact")
    parts: list[str] = []
    position = 0
    for span in spans:
        parts += [text[position : span.start], _replacement(text[span.start : span.end], span.label, policy, key)]
        position = span.end
    return "".join([*parts, text[position:]])


def _replacement(value: str, label: str, policy: str, key: bytes | None) -> str:
    if policy == "redact":
        return f"[{label}]"
    if policy == "mask":
        return MASK_CHARACTER * len(value)
    if policy == "hash":
        # Spelling variants of one value (spaces, case, dashes) share a digest, so that records can still be joined.
        normal = re.sub(r"[\s().\-]", "", value).casefold()
        digest = hmac.new(key or b"", f"{label}\0{normal}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        return f"[{label}:{digest[:HASH_CHARACTERS]}]"
    raise ConfigError(f"scrubbing.policy: {policy!r} is unknown; use redact, mask or hash")
