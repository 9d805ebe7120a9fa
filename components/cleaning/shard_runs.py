"""Work on the shards of a corpus one by one, in as many processes as there are cores, to be continued after a kill.

A shard's results stand in a folder of its own, ``shard-00012``, which is written under another name and renamed when
it is whole. A second run over the same work folder finds the finished ones and does the rest; what each shard gives
does not depend on the others, so the number of processes changes nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

from components.core.errors import TransientError
from components.core.hashing import digest_value
from components.core.jsonfiles import read_json, write_json

_PLAN = "plan.json"

# Works on one shard: reads the shard, writes under the folder.
Worker = Callable[[Path, Path], None]


def run_shards(
    start: Callable[[], Worker], shards: Sequence[Path], work_dir: Path, *, workers: int | None
) -> list[Path]:
    """Work on every shard that is not finished yet; returns all result folders in the order of the shards.

    ``start`` makes a process's worker; where there are several processes it is pickled to them, never to disk.
    Raises: TransientError if a process was killed; finished shards stay finished.
    """
    folders = [work_dir / f"shard-{index:05d}" for index in range(len(shards))]
    pending = [(shard, folder) for shard, folder in zip(shards, folders, strict=True) if not folder.exists()]
    processes = min(workers or _cores(), len(pending))
    if not pending:
        return folders
    if processes < 2:
        worker = start()
        for shard, folder in pending:
            _finish(worker, shard, folder)
    else:
        _run_pool(start, pending, processes)
    return folders


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


def _run_pool(start: Callable[[], Worker], pending: list[tuple[Path, Path]], processes: int) -> None:
    # A forked child of a program with threads (Prefect's has many) may wait for ever on a lock nobody holds.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_start_process, initargs=(start,))
    try:
        for future in as_completed([pool.submit(_finish_in_process, shard, folder) for shard, folder in pending]):
            future.result()
    except BrokenProcessPool as error:
        raise TransientError(
            f"{pending[0][1].parent}: a worker process was killed, perhaps for memory; run the same command again, it "
            "goes on with the shards that are not finished"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


_worker: Worker | None = None


def _start_process(start: Callable[[], Worker]) -> None:
    global _worker  # noqa: PLW0603 - a process's one worker, made once
    _worker = start()


def _finish_in_process(shard: Path, folder: Path) -> None:
    if _worker is None:
        raise RuntimeError("the process was not started")
    _finish(_worker, shard, folder)


def _finish(worker: Worker, shard: Path, folder: Path) -> None:
    unfinished = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    worker(shard, unfinished)
    unfinished.rename(folder)
