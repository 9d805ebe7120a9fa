"""Where a verb writes: a local file, or a local one that becomes an S3 object when the verb has ended well."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def local_target(output: str, home: Path) -> Iterator[Path]:
    """The file to write for an output: the output itself, or for ``s3://bucket/name`` one under ``home`` to upload.

    What is half written stays there after an interrupt, so the same command may go on from it.
    """
    from components.core.hashing import digest_value
    from components.core.remote import is_remote, write_remote

    if not is_remote(output):
        yield Path(output)
        return
    folder = home / "work" / f"upload-{digest_value(output).removeprefix('sha256:')[:32]}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    target = folder / output.rstrip("/").rsplit("/", 1)[-1]
    yield target
    with target.open("rb") as source, write_remote(output) as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
    shutil.rmtree(folder)
