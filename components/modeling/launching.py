"""Pretraining as a group of processes on this machine, started and watched by torchrun's own agent.

The ranks run ``pretraining_job.py``, never the program that called, so that a flow runs once. A rank that dies takes
the others with it. What the first rank reports crosses as lines of ``events.jsonl``; what ranks print lands in files
of the job's folder, under the work folder::

    job/job.json          what is trained, which torchrun on other machines reads too
    job/events.jsonl      {"metrics": [step, {…}]}, {"progress": [done, total, unit, {…}]}, {"report": {…}}
    job/error-<rank>.json the error of a rank that ended by itself
    job/ranks/            <rank>.log, standard output and error of each rank
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.core import errors
from components.core.errors import InfrastructureError
from components.core.jsonfiles import read_json, write_json
from components.core.store import StageReport
from components.modeling.config import PretrainingConfig
from components.modeling.loop_callbacks import MetricsCallback, ProgressCallback
from components.modeling.pretraining import distribution_of, pretrain
from components.modeling.pretraining_job import PretrainingJob, error_file, events_file
from components.privacy.ledger import LedgerPlace

_ENTRY = "components.modeling.pretraining_job"
_SECONDS_TO_STOP = 30  # from asking the other ranks to end to killing them
_SECONDS_TO_MEET = 900  # for the machines of a training to find one another
_POLL_SECONDS = 0.2


def run_pretraining(
    encoded: Path,
    tokenizer: Path,
    config: PretrainingConfig,
    *,
    out_dir: Path,
    work_dir: Path,
    train_split: str = "train",
    on_metrics: MetricsCallback | None = None,
    on_progress: ProgressCallback | None = None,
    ledger: LedgerPlace | None = None,
) -> StageReport:
    """``pretrain`` in this process, or in the processes that the config asks for.

    With several machines this starts the first one's processes and waits for the others, each of which runs
    ``torchrun --nnodes N --node-rank K --nproc-per-node D --master-addr HOST --master-port PORT -m
    components.modeling.pretraining_job WORK/job/job.json``.

    Raises:
        ConfigError: Hardware that is not there.
        ContractError: What ``pretrain`` refuses, in the words of the rank that refused it.
        InfrastructureError: A rank died; the message names it and how it ended.
    """
    job = PretrainingJob(
        encoded=encoded.absolute(),
        tokenizer=tokenizer.absolute(),
        config=config,
        out_dir=out_dir.absolute(),
        work_dir=work_dir.absolute(),
        train_split=train_split,
    )
    if config.devices * config.num_nodes == 1 and not config.loader_workers:
        return pretrain(
            job.encoded,
            job.tokenizer,
            config,
            out_dir=job.out_dir,
            work_dir=job.work_dir,
            train_split=train_split,
            on_metrics=on_metrics,
            on_progress=on_progress,
            ledger=ledger,
        )
    distribution_of(config).check_machine()
    folder = _fresh_folder(job)
    report: list[StageReport] = []
    listeners: dict[str, Callable[..., Any]] = {
        "metrics": on_metrics or _ignore,
        "progress": on_progress or _ignore,
        "report": lambda values: report.append(StageReport.model_validate(values)),
    }
    with _followed(events_file(folder), listeners):
        _launch(folder, config)
    if not report:
        raise InfrastructureError(f"{folder}: the ranks ended without a report; look at {folder / 'ranks'}")
    return report[0]


def _fresh_folder(job: PretrainingJob) -> Path:
    folder = job.work_dir / "job"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "ranks").mkdir(parents=True)
    events_file(folder).touch()
    write_json(job, folder / "job.json")
    return folder


def _launch(folder: Path, config: PretrainingConfig) -> None:
    """Start the ranks of this machine and wait for them."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException, Std
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    alone = config.num_nodes == 1
    launch = LaunchConfig(
        min_nodes=config.num_nodes,
        max_nodes=config.num_nodes,
        nproc_per_node=config.devices,
        run_id="pretraining",
        rdzv_backend="c10d" if alone else "static",
        rdzv_endpoint="127.0.0.1:0" if alone else str(config.rendezvous),
        rdzv_configs={"timeout": _SECONDS_TO_MEET, **({} if alone else {"rank": 0})},
        local_addr="127.0.0.1" if alone else None,
        max_restarts=0,
        # The ranks redirect themselves: files that the agent opens for one that is killed stay open.
        logs_specs=DefaultLogsSpecs(log_dir=str(folder / "ranks"), redirects=Std.NONE),
        shutdown_timeout=_SECONDS_TO_STOP,
    )
    try:
        with _quiet_agent():
            elastic_launch(launch, sys.executable)("-m", _ENTRY, str(folder / "job.json"))
    except ChildFailedError as error:
        raise _failure(folder, error.failures) from error
    except SignalException as error:  # the agent has passed the signal on and waited for the ranks
        signal.signal(error.sigval, signal.SIG_DFL)
        os.kill(os.getpid(), error.sigval)
        raise


def _failure(folder: Path, failures: dict[int, Any]) -> Exception:
    """The error of the group: a rank's own words, or which rank was killed by what."""
    killed = {rank: failure for rank, failure in failures.items() if failure.exitcode < 0}
    if not killed:
        for rank in sorted(failures):
            if error_file(folder, rank).is_file():
                said = read_json(error_file(folder, rank))
                kind = getattr(errors, said["type"], None)
                return (kind or InfrastructureError)(said["message"] if kind else f"rank {rank}: {said['message']}")
    # The agent ends the others with SIGTERM, and notices deaths in any order.
    first = {rank: failure for rank, failure in killed.items() if failure.exitcode != -signal.SIGTERM}
    rank = min(first or killed or failures)
    code = failures[rank].exitcode
    how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    return InfrastructureError(
        f"pretraining rank {rank} of the processes on this machine was {how} (exit code {code}) and the others were "
        f"stopped; free memory if it was SIGKILL, look at {folder / 'ranks'}, then run the same command again: it goes "
        "on from the last checkpoint"
    )


@contextmanager
def _followed(path: Path, listeners: dict[str, Callable[..., Any]]) -> Iterator[None]:
    """Call the listeners with each line of a growing file, on a thread; what is left is read when the block ends."""
    ended = threading.Event()

    def follow() -> None:
        with path.open(encoding="utf-8") as handle:
            rest = ""
            while True:
                last = ended.is_set()
                *lines, rest = (rest + handle.read()).split("\n")
                for line in lines:
                    for name, values in json.loads(line).items():
                        listeners[name](*values) if isinstance(values, list) else listeners[name](values)
                if last:
                    return
                ended.wait(_POLL_SECONDS)

    thread = threading.Thread(target=follow, name="pretraining-events", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def _quiet_agent() -> Iterator[None]:
    """The agent tells at length on standard error what the one-line error says."""
    agent = logging.getLogger("torch.distributed")
    level = agent.level
    agent.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        agent.setLevel(level)


def _ignore(*_: Any) -> None:
    """Nobody listens."""
