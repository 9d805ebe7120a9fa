"""Run a verb in this process with a home of its own, or in a fresh one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str


Cli = Callable[..., Ended]


@pytest.fixture
def clean_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No server addresses from outside, and what a verb sets is undone."""
    before = dict(os.environ)
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PREFECT_API_URL", "PREFECT_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOUCHSTONE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def cli(clean_environment: None, capsys: pytest.CaptureFixture[str]) -> Cli:
    """A verb in this process."""
    import signal
    import warnings

    from flows.__main__ import run

    def call(*arguments: str) -> Ended:
        handler = signal.getsignal(signal.SIGTERM)
        try:
            with warnings.catch_warnings():
                code = run(list(arguments))
        finally:
            signal.signal(signal.SIGTERM, handler)
        shown = capsys.readouterr()
        return Ended(code, shown.out, shown.err)

    return call


@pytest.fixture
def cli_process(clean_environment: None) -> Cli:
    """A verb in a fresh process."""

    def call(*arguments: str, stdin: str | None = None) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "flows", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    return call
