"""The pool: order does not matter, errors arrive, a killed worker is told, nobody is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from components.core.errors import ContractError, InfrastructureError
from components.core.shard_pool import run_shards


def double(number: int) -> int:
    return 2 * number


def refuse(number: int) -> int:
    if number == 3:
        raise ContractError("shard 3 is bad")
    return number


def die(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_every_job_has_its_result(workers: int) -> None:
    assert dict(run_shards(double, range(7), workers=workers)) == {n: 2 * n for n in range(7)}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_job_is_the_callers(workers: int) -> None:
    with pytest.raises(ContractError, match="shard 3 is bad"):
        list(run_shards(refuse, range(7), workers=workers))


def test_a_killed_worker_is_an_error_with_a_next_step() -> None:
    with pytest.raises(InfrastructureError, match="fewer workers"):
        list(run_shards(die, range(4), workers=2))


SLEEPER = """
    import sys, time
    from components.core.shard_pool import run_shards

    def sleep(number):
        time.sleep(600)

    if __name__ == "__main__":
        print("up", flush=True)
        list(run_shards(sleep, range(4), workers=2))
"""


def test_workers_end_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "sleeper.py"
    script.write_text(textwrap.dedent(SLEEPER), encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    with subprocess.Popen([sys.executable, str(script)], env=environment, stdout=subprocess.PIPE) as process:
        parent = psutil.Process(process.pid)
        deadline = time.monotonic() + 60
        while len(parent.children(recursive=True)) < 3 and time.monotonic() < deadline:  # two and a resource tracker
            time.sleep(0.05)
        children = parent.children(recursive=True)
        assert len(children) >= 3
        time.sleep(1.0)
        process.kill()
        _, alive = psutil.wait_procs(children, timeout=30)
    assert not alive
