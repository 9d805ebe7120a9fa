"""Log of the filter's decisions: hashes, categories, scores and latency, never text.

One JSON line a decision::

    {"time": ISO 8601 UTC, "text_hash": hex, "characters": int, "action", "categories": {...}, "rules": [...],
     "latency_ms": float, "label": str | null, "score": float | null}

The hash is an HMAC-SHA-256 with a salt of this log, kept beside it and readable by its owner alone: equal texts are
seen to be equal, and nobody without the salt can test a guess. Names of rules are cut to their category, since a
rule's phrase is part of the text it found.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from components.safety.filter import FilterDecision

_SALT_BYTES = 32


class DecisionLog:
    """Appends decisions to a file; safe to share between threads."""

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """``path`` and its salt ``<path>.salt`` are made on first use."""
        self.path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._salt: bytes | None = None

    def write(
        self, text: str, decision: FilterDecision, *, label: str | None = None, score: float | None = None
    ) -> None:
        """Append one decision. Raises OSError if the log cannot be written."""
        row = {
            "time": self._clock().astimezone(UTC).isoformat(),
            "text_hash": self.hash(text),
            "characters": len(text),
            "action": decision.action,
            "categories": decision.categories,
            "rules": sorted({"/".join(reason.rule.split("/")[:2]) for reason in decision.reasons}),
            "latency_ms": decision.latency_ms,
            "label": label,
            "score": score,
        }
        line = (json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n").encode("utf-8")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._lock:
            # One write in append mode, so that lines of several processes do not mix.
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, line)
            finally:
                os.close(descriptor)

    def hash(self, text: str) -> str:
        """Salted hash of a text, hex."""
        return hmac.new(self._load_salt(), text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def _load_salt(self) -> bytes:
        with self._lock:
            if self._salt is None:
                path = self.path.with_name(self.path.name + ".salt")
                path.parent.mkdir(parents=True, exist_ok=True)
                try:
                    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                    with os.fdopen(descriptor, "wb") as file:
                        file.write(secrets.token_bytes(_SALT_BYTES))
                except FileExistsError:
                    pass
                self._salt = path.read_bytes()
            return self._salt
