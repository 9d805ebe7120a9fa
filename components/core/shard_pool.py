"""One function over many shards on several processes of this machine.

Jobs and results must pickle; the function must be a module's own. Workers are spawned, so the calling program's main
module needs the usual ``if __name__ == "__main__"``. A worker ends with its parent, even one that was killed: else it
would wait for work for ever.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from components.core.errors import InfrastructureError

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_shards(work: Callable[[Job], Result], jobs: Sequence[Job], *, workers: int) -> Iterator[tuple[int, Result]]:
    """(position of the job, its result), in the order in which they finish; with one worker, in order, right here.

    Twice as many jobs as workers are under way at most, so memory does not grow with the number of shards. The first
    error ends the run once the jobs under way are done. Raises: InfrastructureError if a worker process was killed.
    """
    if workers == 1 or len(jobs) < 2:
        yield from ((position, work(job)) for position, job in enumerate(jobs))
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=_settle_worker)
    waiting: dict[Future[Result], int] = {}
    queue = iter(enumerate(jobs))
    try:
        while True:
            while len(waiting) < 2 * workers and (following := next(queue, None)) is not None:
                waiting[pool.submit(work, following[1])] = following[0]
            if not waiting:
                return
            for future in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting.pop(future), future.result()
    except BrokenProcessPool as error:
        raise InfrastructureError(
            "a worker process was killed, most likely for want of memory; run the same command again with fewer "
            "workers: finished shards are kept"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _settle_worker() -> None:
    """Leave interrupts to the parent, and follow it when it dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, name="end-with-parent", daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
