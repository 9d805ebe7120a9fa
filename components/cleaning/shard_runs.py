"""Work on the shards of a corpus one by one, in as many processes as there are cores, to be continued after a kill.

A shard's results stand in a folder of its own, ``shard-00012``, which appears when it is whole. A second run over the
same work folder finds the finished ones and does the rest; what each shard gives does not depend on the others, so the
number of processes changes nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from components.core.hashing import digest_value
from components.core.jsonfiles import read_json, write_json
from components.core.pool import PerProcess, map_as_finished, written_whole

_PLAN = "plan.json"

# Works on one shard: reads the shard, writes under the folder.
Worker = Callable[[Path, Path], None]


def run_shards(
    start: Callable[[], Worker], shards: Sequence[Path], work_dir: Path, *, workers: int | None
) -> list[Path]:
    """Work on every shard that is not finished yet; returns all result folders in the order of the shards.

    ``start`` makes a process's worker; where there are several processes it is pickled to them, never to disk.
    Raises: InfrastructureError if a process was killed; finished shards stay finished.
    """
    folders = [work_dir / f"shard-{index:05d}" for index in range(len(shards))]
    pending = [(shard, folder) for shard, folder in zip(shards, folders, strict=True) if not folder.exists()]
    for _ in map_as_finished(PerProcess(_Start(start)), pending, workers=workers or _cores()):
        pass
    return folders


@dataclass(frozen=True, slots=True)
class _Start:
    """Makes a worker whose results appear when they are whole."""

    start: Callable[[], Worker]

    def __call__(self) -> Callable[[tuple[Path, Path]], None]:
        worker = self.start()

        def finish(job: tuple[Path, Path]) -> None:
            shard, folder = job
            with written_whole(folder) as unfinished:
                worker(shard, unfinished)

        return finish


@contextmanager
def workspace(work_dir: Path, plan: object) -> Iterator[Path]:
    """A folder for results that outlives a kill; emptied first if it holds those of another plan."""
    digest = digest_value(plan)
    path = work_dir / _PLAN
    if not path.exists() or read_json(path) != digest:
        shutil.rmtree(work_dir, ignore_errors=True)
        work_dir.mkdir(parents=True, mode=0o700)  # records may hold personal data
        write_json(digest, path)
    yield work_dir
    shutil.rmtree(work_dir, ignore_errors=True)


def describe_shards(shards: Sequence[Path]) -> list[list[str | int]]:
    """What tells one set of shards from another without reading them: names, sizes, times of change."""
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in shards]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
