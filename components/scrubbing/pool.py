"""A process pool whose results come in the order of the jobs, with a bounded number of jobs in flight."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing.connection import wait
from typing import TypeVar

from components.core.errors import InfrastructureError

J = TypeVar("J")
R = TypeVar("R")


def map_in_order(function: Callable[[J], R], jobs: Iterable[J], *, workers: int) -> Iterator[R]:
    """``function`` of each job, in order; with one worker in this process.

    At most ``2 * workers`` jobs are taken from ``jobs`` ahead of the result that is waited for, so memory is bounded by
    them. Workers start fresh (``spawn``): no lock, thread or database handle of this process comes along.
    Raises: InfrastructureError if a worker dies (out of memory, killed).
    """
    if workers == 1:
        yield from map(function, jobs)
        return
    context = multiprocessing.get_context("spawn")
    source = iter(jobs)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_die_with_parent) as pool:
        waiting: deque[Future[R]] = deque(pool.submit(function, job) for job in islice(source, 2 * workers))
        try:
            while waiting:
                result = waiting.popleft().result()
                waiting.extend(pool.submit(function, job) for job in islice(source, 1))
                yield result
        except BrokenProcessPool as error:
            raise InfrastructureError(
                "a worker process was killed, most likely for memory; run again with fewer workers: "
                "what is finished is kept"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _die_with_parent() -> None:
    """End this worker when its parent is gone: one that was killed cannot tell it to stop."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent-watch").start()
