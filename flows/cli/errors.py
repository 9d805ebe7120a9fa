"""From an exception to one line on stderr and an exit code (CONTRACT: 0, 1, 2, 3, 130)."""

from __future__ import annotations

import errno
import os
import sqlite3
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from components.core.errors import TouchstoneError

EXIT_DONE, EXIT_NOT_PASSED, EXIT_USAGE, EXIT_INFRASTRUCTURE, EXIT_INTERRUPTED = 0, 1, 2, 3, 130

# Messages of these name code, paths or sizes. Others (a ValueError, a KeyError) may quote a record, and personal data
# never stands in a log.
_SPEAKING = (OSError, ImportError, AttributeError, TypeError, NameError, RuntimeError, MemoryError, AssertionError)


class NotPassedError(Exception):
    """The thing judged did not pass; what there is to say was printed. Exit code 1."""


def exit_code_of(error: BaseException) -> int:
    """Exit code for what ended a verb."""
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return EXIT_INTERRUPTED
    if isinstance(error, click.ClickException):
        return EXIT_USAGE
    if isinstance(error, NotPassedError):
        return EXIT_NOT_PASSED
    return error.exit_code if isinstance(error, TouchstoneError) else EXIT_INFRASTRUCTURE


def describe(error: BaseException, logs: Path) -> str:
    """What to tell the user; writes the traceback under ``logs`` if the error was not foreseen."""
    if isinstance(error, click.ClickException):
        hint = f"; see {error.ctx.command_path} --help" if isinstance(error, click.UsageError) and error.ctx else ""
        return error.format_message().rstrip(".") + hint
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return "interrupted; finished stages are kept, the same command goes on from there"
    if isinstance(error, TouchstoneError):
        return str(error)
    if (full := _full_disk(error)) is not None:
        return f"{full}the disk is full; free space and run the same command again"
    where = write_traceback(error, logs)
    return f"unexpected {type(error).__name__}{_message(error)} at {_place(error)}; traceback: {where}"


def write_traceback(error: BaseException, logs: Path) -> str:
    """Write frames and exception types to a file only its owner reads; returns its path, or why there is none."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    path = logs / f"error-{stamp}-{os.getpid()}.log"
    lines: list[str] = []
    for link in reversed(list(_chain(error))):
        lines += ["Traceback (most recent call last):\n", *traceback.format_tb(link.__traceback__)]
        lines += [f"{type(link).__module__}.{type(link).__qualname__}{_message(link)}\n\n"]
    try:
        logs.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text("".join(lines), encoding="utf-8")
    except OSError as problem:
        return f"none, {logs} is not writable ({problem.strerror})"
    return str(path)


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _full_disk(error: BaseException) -> str | None:
    """``path: `` if a full disk is behind the error (empty without a path), else None."""
    for link in _chain(error):
        if isinstance(link, OSError) and link.errno in {errno.ENOSPC, errno.EDQUOT}:
            return f"{link.filename}: " if link.filename else ""
        if isinstance(link, sqlite3.OperationalError) and "disk is full" in str(link):
            return "SQLite: "
    return None


def _message(error: BaseException) -> str:
    text = (str(error).splitlines() or [""])[0][:300]
    if not text:
        return ""
    return f": {text}" if isinstance(error, _SPEAKING) else f" (message of {len(str(error))} characters withheld)"


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [
        frame for frame in frames if any(f"/{part}/" in frame.filename for part in ("components", "tasks", "flows"))
    ]
    if not frames:
        return "start"
    last = (ours or list(frames))[-1]
    return f"{Path(last.filename).name}:{last.lineno}"
