"""One function over many jobs on several processes of this machine, and work that outlives a kill.

Work, jobs and results must pickle; a function must be a module's own. Workers are spawned, so the calling program's
main module needs the usual ``if __name__ == "__main__"``; no lock, thread or database handle of it comes along. A
worker ends with its parent, even one that was killed: else it would wait for work for ever.

At most twice as many jobs as workers are under way, so memory does not grow with their number. Nothing of a result
may depend on who made it or when: then neither does it on the number of workers.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Generic, TypeVar

from components.core.errors import InfrastructureError

Job = TypeVar("Job")
Result = TypeVar("Result")


class PerProcess(Generic[Job, Result]):
    """Work that ``start`` makes once in every process, at its first job: what is costly to make, or does not pickle."""

    def __init__(self, start: Callable[[], Callable[[Job], Result]]) -> None:
        self._start = start
        self._work: Callable[[Job], Result] | None = None

    def __call__(self, job: Job) -> Result:
        """Do one job."""
        if self._work is None:
            self._work = self._start()
        return self._work(job)

    def __reduce__(self) -> tuple[type[PerProcess[Job, Result]], tuple[Callable[[], Callable[[Job], Result]]]]:
        """Only ``start`` travels."""
        return type(self), (self._start,)


def map_in_order(work: Callable[[Job], Result], jobs: Iterable[Job], *, workers: int) -> Iterator[Result]:
    """The result of each job, in the order of the jobs; with one worker, right here.

    ``jobs`` may be endless: it is read no further than memory's bound. The first error ends the run once the jobs
    under way are done. Raises: InfrastructureError if a worker process was killed.
    """
    if workers == 1:
        yield from map(work, jobs)
        return
    source = iter(jobs)
    with _pool(work, workers) as submit:
        waiting: deque[Future[Result]] = deque(submit(job) for job in islice(source, 2 * workers))
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(submit(job) for job in islice(source, 1))
            yield result


def map_as_finished(
    work: Callable[[Job], Result], jobs: Sequence[Job], *, workers: int
) -> Iterator[tuple[int, Result]]:
    """(position of the job, its result), in the order in which they finish: a long job holds up no other.

    With one worker, or one job, right here. Errors as ``map_in_order``.
    """
    if workers == 1 or len(jobs) < 2:
        yield from ((position, work(job)) for position, job in enumerate(jobs))
        return
    source = iter(enumerate(jobs))
    with _pool(work, min(workers, len(jobs))) as submit:
        waiting: dict[Future[Result], int] = {submit(job): number for number, job in islice(source, 2 * workers)}
        while waiting:
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                result = future.result()
                position = waiting.pop(future)
                waiting.update({submit(job): number for number, job in islice(source, 1)})
                yield position, result


@contextmanager
def written_whole(folder: Path) -> Iterator[Path]:
    """A folder to write in that takes the name of ``folder`` when the block ends well: if that is there, it is whole.

    What a killed process of the same number left behind is removed first.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _pool(work: Callable[[Job], Result], workers: int) -> Iterator[Callable[[Job], Future[Result]]]:
    """A way to hand in jobs. Raises: InfrastructureError if a worker died, however that came to light."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_settle_worker, initargs=(work,))
    try:
        yield lambda job: pool.submit(_do, job)
    except BrokenProcessPool as error:
        raise InfrastructureError(
            "a worker process was killed, most likely for want of memory; run the same command again with fewer "
            "workers: what is finished is kept"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_work: Callable[[Any], Any] | None = None


def _settle_worker(work: Callable[[Any], Any]) -> None:
    """Know the work, leave interrupts to the parent, and follow it when it dies."""
    global _work  # noqa: PLW0603 - a worker process serves one pool
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()


def _do(job: Any) -> Any:
    if _work is None:
        raise RuntimeError("this worker was not started by a pool")
    return _work(job)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
