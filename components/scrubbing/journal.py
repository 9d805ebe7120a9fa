"""Output that grows block by block and survives a kill: what is written is in a journal, and is not made again.

``.<name>.partial`` grows beside the output; ``.<name>.progress.json`` says how many blocks are in it, how long it was
after them, and what they counted. Started again with the same input, settings and key, a run cuts the partial files to
those lengths and goes on with the next block. The files are renamed into place when the last block is written.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from pydantic import BaseModel, Field, ValidationError

from components.core.errors import ConfigError
from components.core.jsonfiles import read_json, write_json
from components.scrubbing.blocks import BlockResult
from components.scrubbing.shards import ShardCounts


class Progress(BaseModel):
    """How far a run has come. ``sizes`` are the bytes of each partial file."""

    signature: str
    blocks: int = 0
    sizes: list[int] = []
    counts: ShardCounts = Field(default_factory=ShardCounts)
    unreadable: dict[str, int] = {}

    def take(self, result: BlockResult) -> None:
        """Count one block."""
        self.blocks += 1
        self.counts.merge(result.counts)
        for reason, count in result.unreadable.items():
            self.unreadable[reason] = self.unreadable.get(reason, 0) + count


class ResumableOutput:
    """One or two files under way."""

    def __init__(self, paths: Sequence[Path], handles: Sequence[IO[bytes]], progress: Progress) -> None:
        """``paths`` are the final names; ``handles`` the partial files, open at their ends."""
        self._paths, self._handles, self.progress = paths, handles, progress

    def append(self, result: BlockResult) -> None:
        """Write a block's bytes, then the journal."""
        for handle, data in zip(self._handles, (result.output, result.spans), strict=False):
            handle.write(data)
            handle.flush()
        self.progress.take(result)
        self.progress.sizes = [handle.tell() for handle in self._handles]
        write_json(self.progress, _journal(self._paths[0]))

    def finish(self) -> None:
        """Rename the files into place and forget the journal."""
        for path in self._paths:
            _partial(path).replace(path)
        _journal(self._paths[0]).unlink(missing_ok=True)


@contextmanager
def resumable(paths: Sequence[Path], signature: str) -> Iterator[ResumableOutput]:
    """Open the partial files, cut to what the journal of the same signature vouches for.

    They are removed where the block ends with an error, kept where it is interrupted or killed.
    Raises: ConfigError if another process is writing the same output.
    """
    with ExitStack() as stack:
        handles = [stack.enter_context(_partial(path).open("ab")) for path in paths]
        try:
            fcntl.flock(handles[0], fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(f"{paths[0]}: another run is writing it; wait for that or name another file") from error
        progress = _found(paths, signature) or Progress(signature=signature, sizes=[0] * len(paths))
        for handle, size in zip(handles, progress.sizes, strict=True):
            os.truncate(handle.fileno(), size)
            handle.seek(size)
        try:
            yield ResumableOutput(paths, handles, progress)
        except Exception:
            for path in (*map(_partial, paths), _journal(paths[0])):
                path.unlink(missing_ok=True)
            raise


def _found(paths: Sequence[Path], signature: str) -> Progress | None:
    try:
        progress = Progress.model_validate(read_json(_journal(paths[0])))
    except (OSError, ValidationError, ValueError):
        return None
    long_enough = len(progress.sizes) == len(paths) and all(
        _partial(path).stat().st_size >= size for path, size in zip(paths, progress.sizes, strict=True)
    )
    return progress if progress.signature == signature and long_enough else None


def _partial(path: Path) -> Path:
    return path.with_name(f".{path.name}.partial")


def _journal(path: Path) -> Path:
    return path.with_name(f".{path.name}.progress.json")
