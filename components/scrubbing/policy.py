"""Edit a text by its spans. Pure: same text, spans, policy and key, same result."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Sequence

from components.core.errors import ConfigError
from components.scrubbing.spans import Span

HASH_CHARACTERS = 16
MASK_CHARACTER = "*"
KEYED_POLICIES = frozenset({"hash", "pseudonymize"})

# What this module writes; detection skips it, which is why scrubbing twice equals scrubbing once.
PLACEHOLDER = re.compile(r"(?:\[[A-Z][A-Z0-9_]{1,40}(?::[0-9a-f]{8,64})?\]|\*|\ufffc)+")

# A value and its label in, what stands in its place out.
Replace = Callable[[str, str], str]


def make_replacement(policy: str, *, key: bytes | None = None) -> Replace:
    """What a policy puts in a value's place.

    Raises: ConfigError if the policy is hash or pseudonymize and there is no key, or the policy is unknown.
    """
    if policy in KEYED_POLICIES and not key:
        raise ConfigError(f"scrubbing.policy: {policy} needs a secret key; run it through the pipeline or use redact")
    if policy == "redact":
        return _redact
    if policy == "mask":
        return lambda value, _: MASK_CHARACTER * len(value)
    if policy == "hash":
        return lambda value, label: f"[{label}:{_digest(value, label, key or b'')}]"
    if policy == "pseudonymize":
        from components.scrubbing.surrogates import Surrogates

        return Surrogates(key or b"").replace
    raise ConfigError(f"scrubbing.policy: {policy!r} is unknown; use redact, mask, hash or pseudonymize")


def apply_policy(text: str, spans: Sequence[Span], policy: str, *, key: bytes | None = None) -> str:
    """``text`` with every span replaced. Spans are sorted and do not overlap.

    Raises: ConfigError if the policy needs a key and there is none, or is unknown.
    """
    return replace_spans(text, spans, make_replacement(policy, key=key))


def replace_spans(text: str, spans: Sequence[Span], replace: Replace) -> str:
    """``text`` with every span replaced. Spans are sorted and do not overlap."""
    parts: list[str] = []
    position = 0
    for span in spans:
        parts += [text[position : span.start], replace(text[span.start : span.end], span.label)]
        position = span.end
    return "".join([*parts, text[position:]])


def _redact(_: str, label: str) -> str:
    return f"[{label}]"


def _digest(value: str, label: str, key: bytes) -> str:
    # Spelling variants of one value (spaces, case, dashes) share a digest, so that records can still be joined.
    normal = re.sub(r"[\s().\-]", "", value).casefold()
    message = f"{label}\0{normal}".encode("utf-8", "surrogatepass")
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:HASH_CHARACTERS]
