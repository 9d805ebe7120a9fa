"""Workers are real processes here; what is asked of them stands in the standard library."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from components.core.errors import ContractError, InfrastructureError
from tasks import workers
from tasks.side_by_side import side_by_side

ROOT = Path(__file__).parents[2]
HELPERS = "testkit.jobs"


def test_a_job_runs_in_another_process_and_returns() -> None:
    assert workers.run_job("os:getpid") != os.getpid()
    assert workers.run_job("os.path:join", "a", "b") == "a/b"


def test_callbacks_are_calls_in_the_waiting_thread() -> None:
    heard: list[tuple[int, int]] = []

    def listen(number: int) -> None:
        heard.append((number, threading.get_ident()))

    assert workers.run_job(f"{HELPERS}:count", 3, callbacks={"on_number": listen}) == 3
    assert heard == [(number, threading.get_ident()) for number in range(3)]


def test_an_error_keeps_its_type_and_its_words() -> None:
    with pytest.raises(ContractError, match="row 7"):
        workers.run_job(f"{HELPERS}:refuse", "row 7")
    with pytest.raises(RuntimeError, match="UnsendableError: a socket"):
        workers.run_job(f"{HELPERS}:fail_unsendably")


def test_a_killed_worker_is_one_line() -> None:
    with pytest.raises(InfrastructureError, match="killed"):
        workers.run_job(f"{HELPERS}:kill_yourself")


def test_stop_leaves_a_waiting_thread_by_an_interrupt() -> None:
    started = threading.Event()
    timer = threading.Thread(target=lambda: (started.wait(30), workers.stop()))
    before = time.monotonic()
    with workers.sharing(1):
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            workers.run_job(f"{HELPERS}:sleep", 60.0, callbacks={"on_start": started.set})
        timer.join()
        assert time.monotonic() - before < 45
        with pytest.raises(KeyboardInterrupt):  # and nothing new begins
            workers.run_job("os:getpid")
    assert workers.run_job("os:getpid")  # until the run has ended


def test_workers_share_the_cores() -> None:
    with workers.sharing(os.cpu_count() or 1):
        assert workers.run_job("torch:get_num_threads") == 1


def test_a_script_without_a_guard_runs_once(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("from tasks.workers import run_job\nprint('once')\nprint(run_job('os.path:basename', 'a/b'))\n")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, script]
    ended = subprocess.run(command, check=False, env=environment, text=True, capture_output=True, timeout=120)
    assert ended.stdout.split() == ["once", "b"], ended.stderr


def test_a_worker_ends_with_a_killed_parent(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"from tasks.workers import run_job\nrun_job('{HELPERS}:note_and_sleep', {str(note)!r})"
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "support")])
    parent = subprocess.Popen([sys.executable, "-c", script], env={**os.environ, "PYTHONPATH": path})
    deadline = time.monotonic() + 90
    while not note.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    worker = psutil.Process(int(note.read_text()))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs([worker], timeout=20)
    assert not alive


def test_side_by_side_keeps_the_order_and_overlaps() -> None:
    both = threading.Barrier(2, timeout=20)

    def work(number: int) -> int:
        both.wait()
        return number * 10

    assert side_by_side(work, [1, 2], at_once=2) == [10, 20]


def test_the_first_failure_ends_the_others() -> None:
    ended: list[str] = []
    computing = threading.Event()

    def work(kind: str) -> None:
        if kind == "fails":
            computing.wait(20)
            raise ContractError("no text")
        try:
            with workers.interruptible():
                computing.set()
                while True:
                    time.sleep(0.01)
        finally:
            ended.append(kind)

    with pytest.raises(ContractError, match="no text"):
        side_by_side(work, ["computes", "fails"], at_once=2)
    assert ended == ["computes"]


def test_nobody_is_torn_out_of_what_others_wait_for() -> None:
    seen: list[str] = []
    writing = threading.Event()

    def work(kind: str) -> None:
        if kind == "fails":
            writing.wait(20)
            raise ContractError("no text")
        writing.set()
        time.sleep(0.5)  # a transaction, say
        seen.append("written")
        with workers.interruptible():
            seen.append("went on")

    with pytest.raises(ContractError, match="no text"):
        side_by_side(work, ["writes", "fails"], at_once=2)
    assert seen == ["written"]


def test_who_conducts_imports_no_network_library() -> None:
    conducts = "flows.pipeline, tasks.training, components.modeling.plots, components.modeling.pretraining_metrics"
    script = f"import sys, {conducts}\nprint({{'torch', 'lightning', 'transformers'}} & set(sys.modules))"
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", script], env={**os.environ, "PYTHONPATH": str(ROOT)},
                           check=True, text=True, capture_output=True)  # fmt: skip
    assert ended.stdout.strip() == "set()"
