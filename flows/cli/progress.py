"""How far a run is: bars with rate and time left on a terminal, plain lines elsewhere, always on stderr."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_SECONDS_BETWEEN_LINES = 10.0
_SECONDS_UNREMARKED = 2.0


class Event(Protocol):
    """What a stage reports (``tasks.progress.ProgressEvent``)."""

    @property
    def stage(self) -> str: ...  # noqa: D102
    @property
    def candidate(self) -> str: ...  # noqa: D102
    @property
    def done(self) -> int: ...  # noqa: D102
    @property
    def total(self) -> int: ...  # noqa: D102
    @property
    def unit(self) -> str: ...  # noqa: D102
    @property
    def detail(self) -> str: ...  # noqa: D102
    @property
    def note(self) -> str: ...  # noqa: D102


@contextlib.contextmanager
def shown() -> Iterator[Callable[[Event], None]]:
    """A listener that draws while the block runs."""
    if not sys.stderr.isatty():
        yield Lines(sys.stderr.write)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from flows.cli.session import notes

    columns = (
        *(TextColumn("{task.description}"), BarColumn(bar_width=24), MofNCompleteColumn()),
        *(TextColumn("{task.fields[rate]}"), TimeElapsedColumn(), TimeRemainingColumn()),
    )
    with Progress(*columns, console=notes(), transient=True) as progress:
        yield Bars(progress)


class Lines:
    """One line when a stage ends, and one every ten seconds while it works."""

    def __init__(self, write: Callable[[str], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._write, self._clock = write, clock
        self._started: dict[tuple[str, str], float] = {}
        self._spoken: dict[tuple[str, str], float] = {}

    def __call__(self, event: Event) -> None:
        """Take one event."""
        key, now = (event.candidate, event.stage), self._clock()
        started = self._started.setdefault(key, now)
        if event.note:
            took = now - started
            self._write(f"{_name(event)}: {event.note}{f' in {took:.1f} s' if event.note != 'reused' else ''}\n")
            self._started.pop(key, None)
        elif event.total and now - self._spoken.get(key, started) >= _SECONDS_BETWEEN_LINES:
            self._spoken[key] = now
            self._write(f"{_name(event)}: {event.done}/{event.total}{_rate(event, now - started)}\n")


class Bars:
    """A bar a working stage; ended stages become lines above it."""

    def __init__(self, progress: Progress, clock: Callable[[], float] = time.monotonic) -> None:
        self._progress, self._clock = progress, clock
        self._tasks: dict[tuple[str, str], tuple[TaskID, float]] = {}

    def __call__(self, event: Event) -> None:
        """Take one event."""
        key, now = (event.candidate, event.stage), self._clock()
        if key not in self._tasks:
            task = self._progress.add_task(_name(event), total=event.total or None, rate="")
            self._tasks[key] = (task, now)
        task, started = self._tasks[key]
        if event.note:
            self._progress.remove_task(task)
            del self._tasks[key]
            took = "" if event.note == "reused" else f" in {now - started:.1f} s"
            self._progress.console.print(f"{_name(event)}: {event.note}{took}", markup=False)
            return
        self._progress.update(
            task, completed=event.done, total=event.total or None, rate=_rate(event, now - started).strip(", ")
        )


def counted(
    items: Any, stage: str, *, total: int = 0, unit: str = "documents", size: Callable[[Any], int] | None = None
) -> Iterator[Any]:
    """Pass items through and show how many went by, from the third second on; ``size`` says what an item counts."""
    from tasks.progress import ProgressEvent

    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        listener: Callable[[Event], None] | None = None
        done = 0
        for number, item in enumerate(items, start=1):
            done += 1 if size is None else size(item)
            if listener is None and time.monotonic() - started > _SECONDS_UNREMARKED:
                listener = stack.enter_context(shown())
            if listener is not None and (size is not None or number % 100 == 0):
                listener(ProgressEvent(stage, "", done, total, unit))
            yield item
        if listener is not None:
            listener(ProgressEvent(stage, "", done, done, unit, note=f"{done} {unit}"))


@contextlib.contextmanager
def phases(count: int) -> Iterator[Callable[[str], None]]:
    """For work whose phases cannot be counted: a function that says which of ``count`` phases begins."""
    from tasks.progress import ProgressEvent

    with shown() as listener:
        current, done = "", -1

        def end() -> None:
            if current:
                listener(ProgressEvent(current, "", count, count, note="done"))

        def enter(name: str) -> None:
            nonlocal current, done
            end()
            current, done = name, done + 1
            listener(ProgressEvent(current, "", done, count, "phases"))

        yield enter
        end()


def _name(event: Event) -> str:
    return f"{event.candidate} {event.stage}".strip()


def _rate(event: Event, elapsed: float) -> str:
    """The stage's own words where it has some, else how much a second."""
    if elapsed < 1.0 or event.done == 0:
        return ""
    return f", {event.detail}" if event.detail else f", {event.done / elapsed:,.0f} {event.unit or 'items'}/s"
