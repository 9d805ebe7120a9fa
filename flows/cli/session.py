"""What every verb shares: consoles, the JSON promise, the environment of the process, Prefect's server for one run.

stdout carries results alone. With ``--json`` it carries exactly one document: whatever else writes to stdout while
the verb works, libraries and child processes included, is sent to stderr.
"""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from pydantic import BaseModel

if TYPE_CHECKING:
    from rich.console import Console

    from tasks.settings import Settings


class Options:
    """Options that stand before the verb."""

    verbose = False


def screen() -> Console:
    """Console for results."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False, width=None if sys.stdout.isatty() else _plain_width())


def notes() -> Console:
    """Console for everything that is not the result."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, width=None if sys.stderr.isatty() else _plain_width())


def _plain_width() -> int:
    """Columns where the output is no terminal: ``COLUMNS`` if set, else wide enough for the gate table."""
    return int(os.environ["COLUMNS"]) if os.environ.get("COLUMNS", "").isdigit() else 110


def say(text: str) -> None:
    """One line of progress or advice on stderr."""
    notes().print(text, markup=False, soft_wrap=True)


def prepare(*, needs_write: bool = False) -> Settings:
    """Settings of this process, with the environment set for the libraries that the verb will import."""
    from tasks.settings import Settings, prepare_environment

    settings = prepare_environment(Settings(), quiet=not Options.verbose)
    level = logging.INFO if Options.verbose else logging.WARNING
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    if not Options.verbose:
        warnings.simplefilter("ignore")
    if needs_write:
        ensure_writable(settings.home)
    return settings


def ensure_writable(home: Path) -> None:
    """Raises InfrastructureError if the home folder cannot be made or written."""
    from components.core.errors import InfrastructureError

    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{home}: {error.strerror}; set TOUCHSTONE_HOME to a folder that can be written"
        raise InfrastructureError(message) from error
    if not os.access(home, os.W_OK | os.X_OK):
        raise InfrastructureError(f"{home}: not writable; set TOUCHSTONE_HOME to a folder that is")


@contextlib.contextmanager
def result_on_stdout(as_json: bool) -> Iterator[list[Any]]:
    """Collect the verb's result in the yielded list; with ``--json`` it alone reaches stdout."""
    results: list[Any] = []
    if not as_json:
        yield results
        return
    with _stdout_to_stderr() as stdout:
        try:
            yield results
        finally:  # a verb that ends with exit code 1 has a result too
            for result in results[-1:]:
                stdout.write(to_json(result) + "\n")
                stdout.flush()


def to_json(value: Any) -> str:
    """A result as JSON; NaN and infinity become null."""
    data = value.model_dump(mode="json", by_alias=True) if isinstance(value, BaseModel) else value
    try:
        return json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False, default=_plain)
    except ValueError:
        return json.dumps(_finite(data), ensure_ascii=False, indent=2, default=_plain)


def to_json_line(value: Any) -> str:
    """A line of JSON Lines."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@contextlib.contextmanager
def _stdout_to_stderr() -> Iterator[Any]:
    """The real stdout, while file descriptor 1 and ``sys.stdout`` go to stderr."""
    stdout = sys.stdout
    if stdout is not sys.__stdout__ or not _has_descriptor(stdout):
        with contextlib.redirect_stdout(sys.stderr):  # a test's stand-in
            yield stdout
        return
    stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with os.fdopen(os.dup(kept), "w", encoding="utf-8") as real, contextlib.redirect_stdout(sys.stderr):
            yield real
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _has_descriptor(stream: Any) -> bool:
    try:
        return bool(stream.fileno() == 1)
    except (OSError, ValueError, AttributeError):
        return False


@contextlib.contextmanager
def prefect_for_one_run(settings: Settings) -> Iterator[None]:
    """Let Prefect find a server: this home's, or a temporary one that starts while the block goes on importing.

    Call it before prefect is imported, and ``wait_for_prefect`` before the first flow.
    """
    from tasks.servers import reap_temporary_servers, starting_prefect_server
    from tasks.settings import environment_for

    if settings.api_url():
        yield
        return
    reap_temporary_servers(settings.home)
    with starting_prefect_server(settings.home, environment=environment_for(settings)) as server:
        os.environ["PREFECT_API_URL"] = server.api_url
        _Waiting.server = server
        try:
            yield
        finally:
            _Waiting.server = None
            os.environ.pop("PREFECT_API_URL", None)


class _Waiting:
    server: Any = None


def wait_for_prefect() -> None:
    """Return when the temporary server answers. Raises InfrastructureError if it does not."""
    if _Waiting.server is not None:
        _Waiting.server.wait()


def interrupt_on_termination() -> None:
    """Treat SIGTERM like Ctrl-C, so that runs end as KILLED and no half-written artefact stays."""

    def stop(_: int, __: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    # A job that a shell put into the background inherits an ignored SIGINT; whoever sends one still means it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
