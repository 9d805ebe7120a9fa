"""The same work for several items at once, ended as one by the first failure or by Ctrl-C."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from tasks import workers

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(work: Callable[[T], R], items: Sequence[T], *, at_once: int) -> list[R]:
    """``work`` of every item, in the items' order, on threads that see the caller's context (Prefect's flow run).

    The first failure, or an interrupt of this thread, ends the others: their workers are killed, their threads left by
    KeyboardInterrupt at the next stage at the latest, and what they had finished stays for the next run.
    """
    at_once = min(at_once, len(items))
    with workers.sharing(at_once):
        if at_once == 1:  # in this thread, which an interrupt reaches by itself
            return [work(item) for item in items]
        return _on_threads(work, items, at_once)


def _on_threads(work: Callable[[T], R], items: Sequence[T], at_once: int) -> list[R]:
    with ThreadPoolExecutor(at_once, thread_name_prefix="candidate") as pool:
        futures = [pool.submit(contextvars.copy_context().run, work, item) for item in items]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            return [future.result() for future in _failed_first(futures)]
        except BaseException:
            for future in futures:
                future.cancel()
            workers.stop()
            raise


def _failed_first(futures: list[Future[R]]) -> list[Future[R]]:
    """The ended ones that failed, if any; else all, in order."""
    failed = [future for future in futures if future.done() and future.exception() is not None]
    return failed or futures
