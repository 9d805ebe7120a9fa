"""Heavy stages in processes of their own, forked from one that has the heavy libraries loaded already.

A stage that trains or scores runs in a fresh process: candidates work side by side whatever Python's lock says, random
state and thread counts do not leak from one stage into the next, and memory is given back at its end. The process ends
with this one, also where this one is killed. Callbacks come back as calls in the waiting thread.
"""

from __future__ import annotations

import ctypes
import importlib
import logging
import multiprocessing
import multiprocessing.forkserver
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from components.core.errors import InfrastructureError
from components.core.store import StageReport

# Imported once, in the process that the others are forked from.
_PRELOADED = [
    "lightning.pytorch",
    "transformers.models.bert.modeling_bert",
    "sklearn.linear_model",
    "tasks.worker_dictionary",
    "components.modeling.launching",
    "components.modeling.finetuning",
]

_SECONDS_TO_LEAVE = 5.0  # after its result, for what libraries do at exit

_context = multiprocessing.get_context("forkserver")
_lock = threading.Lock()
_alive: set[BaseProcess] = set()
_stopping = threading.Event()
_computing: set[int] = set()  # threads that may be interrupted wherever they are
_share = 1  # workers that are meant to run at the same time


class _RemoteTracebackError(Exception):
    """The worker's traceback as text: a traceback itself cannot cross processes."""


def preload() -> None:
    """Start loading the heavy libraries now, in the background."""
    multiprocessing.forkserver.set_forkserver_preload(_PRELOADED)
    with _without_main():
        multiprocessing.forkserver.ensure_running()


@contextmanager
def _without_main() -> Iterator[None]:
    """Hide the program's main module: a worker would run it once more, and without a guard start over."""
    with _lock:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


@contextmanager
def sharing(side_by_side: int) -> Iterator[None]:
    """That many workers share the processor's cores; ``stop`` holds until the end of this."""
    global _share  # noqa: PLW0603 - one run a process
    _share = max(1, side_by_side)
    try:
        yield
    finally:
        _share = 1
        _stopping.clear()


def stop() -> None:
    """End every worker at once and let none begin.

    Threads that wait for a worker or compute in ``interruptible`` are left by KeyboardInterrupt now, others when they
    come to either: one that is torn out of a tracker's transaction would leave the database locked.
    """
    _stopping.set()
    with _lock:
        for process in _alive:
            process.kill()
        for thread in _computing:  # nothing else ends a thread (PyThreadState_SetAsyncExc in Python's C API)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(KeyboardInterrupt))


@contextmanager
def interruptible() -> Iterator[None]:
    """A computation in this thread that ``stop`` may end wherever it is: it holds nothing that others wait for."""
    thread = threading.get_ident()
    with _lock:
        if _stopping.is_set():
            raise KeyboardInterrupt
        _computing.add(thread)
    try:
        yield
    finally:
        with _lock:  # after which no interrupt is on its way
            _computing.discard(thread)


@contextmanager
def _not_interruptible() -> Iterator[None]:
    """Within ``interruptible``: wait for a worker, whose end leaves this thread in order."""
    thread = threading.get_ident()
    with _lock:
        inside = thread in _computing
        _computing.discard(thread)
    try:
        yield
    finally:
        if inside:
            with _lock:
                _computing.add(thread)


def run_job(
    target: str, /, *args: Any, callbacks: Mapping[str, Callable[..., None]] | None = None, **kwargs: Any
) -> Any:
    """Call ``module:function`` in a worker and return what it returns.

    Args:
        target: Where the function is. It, its arguments and its result cross processes, so they hold plain data.
        args: Positional arguments.
        callbacks: Keyword arguments that are functions; each call is made here, in this thread, and returns nothing.
        kwargs: Keyword arguments.

    Raises:
        InfrastructureError: The worker was killed, by a lack of memory for instance.
        Exception: Whatever the function raised.
    """
    with _not_interruptible():
        return _run_job(target, args, kwargs, callbacks or {})


def _run_job(
    target: str, args: tuple[Any, ...], kwargs: dict[str, Any], callbacks: Mapping[str, Callable[..., None]]
) -> Any:
    if _stopping.is_set():
        raise KeyboardInterrupt
    multiprocessing.forkserver.set_forkserver_preload(_PRELOADED)
    ours, theirs = _context.Pipe()
    threads = max(1, (os.cpu_count() or 1) // _share) if _share > 1 else None
    work = (target, args, kwargs, tuple(callbacks), threads, logging.getLogger().level)
    # Not a daemon, which may have no processes of its own: data stages have. It ends with this one all the same.
    process = _context.Process(target=_work, args=(theirs, work), name=target, daemon=False)
    with _without_main():
        process.start()
    theirs.close()
    with _lock:
        _alive.add(process)
    ended = False
    try:
        if _stopping.is_set():  # between the check above and now
            raise KeyboardInterrupt
        result = _listen(ours, callbacks, target)
        ended = True
        return result
    finally:
        with _lock:
            _alive.discard(process)
        process.join(_SECONDS_TO_LEAVE if ended else 0)
        process.kill()
        process.join()
        process.close()
        ours.close()


def run_stage(target: str, /, *args: Any, **kwargs: Any) -> StageReport:
    """``run_job`` for a component's stage function."""
    return StageReport.model_validate(run_job(target, *args, **kwargs))


def _listen(connection: Connection, callbacks: Mapping[str, Callable[..., None]], target: str) -> Any:
    """Serve the worker's calls until its result or its error comes."""
    while True:
        try:
            kind, value = connection.recv()
        except (EOFError, ConnectionResetError):
            if _stopping.is_set():
                raise KeyboardInterrupt from None
            name = target.partition(":")[2]
            raise InfrastructureError(
                f"{name}: its process was killed, perhaps for want of memory; free some, or lower the batch size, then "
                "run the same command again: it goes on from the last checkpoint"
            ) from None
        if kind == "call":
            name, arguments = value
            callbacks[name](*arguments)
        elif kind == "error":
            error, text = value
            raise error from _RemoteTracebackError(f"\n{text}")
        else:
            return value


def _work(connection: Connection, work: tuple[Any, ...]) -> None:
    """What the worker does."""
    target, args, kwargs, callbacks, threads, level = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    threading.Thread(target=_end_with_parent, daemon=True).start()
    logging.basicConfig(level=level, format="%(levelname)s %(name)s: %(message)s")
    if level >= logging.WARNING:
        warnings.simplefilter("ignore")
    if threads is not None:
        _limit_threads(threads)
    try:
        module, _, name = target.partition(":")
        calls = {callback: _call(connection, callback) for callback in callbacks}
        result = getattr(importlib.import_module(module), name)(*args, **kwargs, **calls)
        connection.send(("result", result))
    except Exception as error:
        connection.send(("error", (_portable(error), traceback.format_exc())))


def _limit_threads(threads: int) -> None:
    """Torch's, and those of the linear algebra under numpy and scikit-learn."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    threadpool_limits(threads)


def _call(connection: Connection, name: str) -> Callable[..., None]:
    return lambda *arguments: connection.send(("call", (name, arguments)))


def _portable(error: Exception) -> Exception:
    """The error itself where it survives the journey, else its words."""
    from multiprocessing.reduction import ForkingPickler

    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
