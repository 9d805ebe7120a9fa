"""SHA-256 digests of bytes, files, folders and JSON-able values, all written ``sha256:<hex>``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_CHUNK_BYTES = 1 << 20


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces, so that equal values have equal text. NaN is refused."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest_bytes(data: bytes) -> str:
    """Digest of bytes."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def digest_value(value: Any) -> str:
    """Digest of a JSON-able value through its canonical text."""
    return digest_bytes(canonical_json(value).encode("utf-8"))


def digest_file(path: Path) -> str:
    """Digest of one file, read in chunks."""
    hasher = hashlib.sha256()
    with path.open("rb") as handle:
        while chunk := handle.read(_CHUNK_BYTES):
            hasher.update(chunk)
    return "sha256:" + hasher.hexdigest()


def list_files(folder: Path, *, exclude: Iterable[str] = ()) -> list[str]:
    """Relative POSIX paths of all files under a folder, sorted; symbolic links are followed to files only."""
    skipped = set(exclude)
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in paths if path not in skipped)


def digest_files(folder: Path, *, exclude: Iterable[str] = ()) -> dict[str, str]:
    """Digest of every file under a folder, keyed by relative POSIX path."""
    return {name: digest_file(folder / name) for name in list_files(folder, exclude=exclude)}


def digest_source(*packages: Path) -> str:
    """Code version of one or more packages: a digest of their Python, YAML and JSON files.

    A stage's key holds the code version of its room, so editing the room makes its stages run again.
    """
    files: dict[str, str] = {}
    for package in packages:
        for path in sorted(package.rglob("*")):
            if path.suffix in {".py", ".yaml", ".json", ".txt"} and "__pycache__" not in path.parts:
                files[f"{package.name}/{path.relative_to(package).as_posix()}"] = digest_file(path)
    return digest_value(files)
