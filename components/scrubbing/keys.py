"""The secret of the hash and pseudonymize policies: one a home, made on first use, never in an artefact or a log."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path

KEY_FILE = "scrub-hash.key"
_KEY_BYTES = 32


def load_or_make_key(folder: Path) -> bytes:
    """The folder's secret: equal values get equal hashes and surrogates from run to run.

    Whoever has it can test a guess against a hash, so the file is the owner's alone. Without it nobody can tell a
    surrogate, and a scrubbed corpus scrubbed again under another key gets other surrogates.
    """
    path = folder / KEY_FILE
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(secrets.token_bytes(_KEY_BYTES))
    return path.read_bytes()


def fingerprint(key: bytes | None) -> str:
    """What may be written down of a key: enough to see that another one was used, useless for finding it."""
    return hmac.new(key, b"touchstone scrub key", hashlib.sha256).hexdigest()[:16] if key else ""
