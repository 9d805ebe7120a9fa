"""SHA-256 digests of bytes, files, folders and JSON-able values, all written ``sha256:<hex>``."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

_CHUNK_BYTES = 1 << 20
_WORTH_THREADS_BYTES = 1 << 23


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
    hasher, buffer = hashlib.sha256(), memoryview(bytearray(min(_CHUNK_BYTES, path.stat().st_size) or 1))
    with path.open("rb", buffering=0) as handle:
        while count := handle.readinto(buffer):
            hasher.update(buffer[:count])
    return "sha256:" + hasher.hexdigest()


def digest_each(paths: Sequence[Path]) -> list[str]:
    """Digests of files in their order; large ones on a thread a core, since hashing holds no lock of Python's."""
    sizes = [path.stat().st_size for path in paths]
    if len(paths) < 2 or sum(sizes) < _WORTH_THREADS_BYTES:
        return [digest_file(path) for path in paths]
    largest_first = sorted(range(len(paths)), key=lambda index: -sizes[index])  # else one thread ends long after
    with ThreadPoolExecutor(usable_cores()) as pool:
        found = pool.map(lambda index: (index, digest_file(paths[index])), largest_first)
        return [digest for _, digest in sorted(found)]


def usable_cores() -> int:
    """How many cores this process may use, at least one."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
