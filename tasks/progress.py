"""Progress of long work: stages report, whoever shows it subscribes. Without a subscriber nothing happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class ProgressEvent:
    """How far a stage is. ``total`` 0 means unknown; ``detail`` goes with the progress; ``note`` ends the stage."""

    stage: str
    candidate: str
    done: int
    total: int
    unit: str = ""
    detail: str = ""
    note: str = ""


Listener = Callable[[ProgressEvent], None]
_listeners: list[Listener] = []


def report(event: ProgressEvent) -> None:
    """Tell every subscriber."""
    for listener in _listeners:
        listener(event)


@contextmanager
def subscribed(listener: Listener) -> Iterator[None]:
    """Hear of progress inside the block."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
