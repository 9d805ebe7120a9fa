"""Checkpoints of a training: written whole or not at all, named by their bytes, the last few kept.

``step-<step>-<first 16 hex digits of the SHA-256>.ckpt``; a file whose bytes do not fit its name is passed over for
the one before. Loading uses ``weights_only``: no code is run from a checkpoint.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from components.core.errors import ConfigError, InfrastructureError

logger = logging.getLogger(__name__)

_NAME = re.compile(r"step-(\d{9})-([0-9a-f]{16})\.ckpt")
_TEMPORARY = "checkpoint.tmp"


class Checkpoints:
    """The checkpoints of one work folder.

    ``fingerprint`` says what is trained, in plain values; a checkpoint of something else is never continued.
    """

    def __init__(self, folder: Path, *, fingerprint: Mapping[str, Any], keep: int) -> None:
        self.fingerprint = fingerprint
        self._folder, self._keep = folder, keep

    def save(self, step: int, write: Callable[[Path], None]) -> None:
        """Keep what ``write(path)`` writes as the checkpoint of a step.

        Raises:
            InfrastructureError: The disk does not take it; the checkpoints before are untouched.
        """
        temporary = self._folder / _TEMPORARY
        try:
            write(temporary)
            with temporary.open("rb+") as handle:
                os.fsync(handle.fileno())
            temporary.replace(self._folder / f"step-{step:09d}-{_digest(temporary)}.ckpt")
        except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
            temporary.unlink(missing_ok=True)
            raise InfrastructureError(
                f"{self._folder}: the checkpoint of step {step} could not be written ({type(error).__name__}: "
                f"{str(error).splitlines()[0]}); make room and start again, the checkpoints before it are intact"
            ) from error
        for path in self._paths()[self._keep :]:
            path.unlink()

    @property
    def temporary(self) -> Path:
        """Where a checkpoint is written before it gets its name."""
        return self._folder / _TEMPORARY

    def latest(self) -> Path | None:
        """The last whole checkpoint of this training; says in the log which damaged ones it passed over.

        Raises:
            ConfigError: The last whole one belongs to another training; it names what differs, and nothing is removed.
        """
        for path in self._paths():
            if not path.name.endswith(f"-{_digest(path)}.ckpt"):
                logger.warning("checkpoint %s is damaged; the one before it is taken", path.name)
            elif differs := self._differences(path):
                raise ConfigError(
                    f"{path}: checkpoint of another training: {'; '.join(differs)}; set these back, or give another "
                    "work folder to start over"
                )
            else:
                return path
        return None

    def discard(self) -> None:
        """Remove all of them."""
        for path in [*self._paths(), self._folder / _TEMPORARY]:
            path.unlink(missing_ok=True)

    def _paths(self) -> list[Path]:
        """Newest first."""
        return sorted((path for path in self._folder.iterdir() if _NAME.fullmatch(path.name)), reverse=True)

    def _differences(self, path: Path) -> list[str]:
        """Each value that is not the one of this training, named."""
        import torch

        found = torch.load(path, map_location="cpu", weights_only=True, mmap=True).get("fingerprint")
        there, here = _flat(found if isinstance(found, Mapping) else {}), _flat(self.fingerprint)
        return [
            f"{key} is {there.get(key, 'absent')} there and {here.get(key, 'absent')} here"
            for key in sorted(there.keys() | here.keys())
            if there.get(key) != here.get(key)
        ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted name."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        out.update(_flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value})
    return out


def _digest(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:16]
