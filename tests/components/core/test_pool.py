"""The pool: order does not matter, errors arrive, a killed worker is told, nobody is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from components.core.errors import ContractError, InfrastructureError
from components.core.pool import PerProcess, map_as_finished, map_in_order, written_whole


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
    assert dict(map_as_finished(double, range(7), workers=workers)) == {n: 2 * n for n in range(7)}


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_job_is_the_callers(workers: int) -> None:
    for run in (map_as_finished, map_in_order):
        with pytest.raises(ContractError, match="shard 3 is bad"):
            list(run(refuse, range(7), workers=workers))


def test_a_killed_worker_is_an_error_with_a_next_step() -> None:
    for run in (map_as_finished, map_in_order):
        with pytest.raises(InfrastructureError, match="fewer workers"):
            list(run(die, range(20), workers=2))


@pytest.mark.parametrize("workers", [1, 2])
def test_order_is_kept_and_jobs_are_taken_as_needed(workers: int) -> None:
    taken: list[int] = []

    def jobs() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    results = map_in_order(double, jobs(), workers=workers)
    assert next(results) == 0
    assert len(taken) <= 6  # four in flight, and one for each result given
    assert list(results) == [2 * n for n in range(1, 50)]


def start_counting() -> Callable[[int], tuple[int, int]]:
    jobs = 0

    def count(number: int) -> tuple[int, int]:
        nonlocal jobs
        jobs += 1
        return os.getpid(), jobs

    return count


def test_costly_work_is_made_once_a_process() -> None:
    done = list(map_in_order(PerProcess(start_counting), range(12), workers=2))
    per_process: dict[int, list[int]] = {}
    for process, number in done:
        per_process.setdefault(process, []).append(number)
    assert os.getpid() not in per_process
    assert all(sorted(numbers) == list(range(1, len(numbers) + 1)) for numbers in per_process.values())


def start_badly() -> Callable[[int], int]:
    raise ContractError("the settings are wrong")


def test_work_that_cannot_start_says_why() -> None:
    with pytest.raises(ContractError, match="settings are wrong"):
        list(map_in_order(PerProcess(start_badly), range(4), workers=2))


def test_a_folder_is_there_when_it_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "made" / "unit"
    with pytest.raises(ContractError), written_whole(folder) as unfinished:
        (unfinished / "a").touch()
        assert not folder.exists()
        raise ContractError("stop")
    assert not list(folder.parent.iterdir())
    with written_whole(folder) as unfinished:
        (unfinished / "b").touch()
    assert [path.name for path in folder.parent.rglob("*")] == ["unit", "b"]


SLEEPER = """
    import sys, time
    from components.core.pool import map_as_finished

    def sleep(number):
        time.sleep(600)

    if __name__ == "__main__":
        print("up", flush=True)
        list(map_as_finished(sleep, range(4), workers=2))
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
