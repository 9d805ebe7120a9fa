"""Ctrl-C in the middle of a real run, at one stage after the other; the same command then goes on to the same bytes."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tasks.servers import start_server, stop_server
from tasks.settings import Settings, environment_for

ROOT = Path(__file__).resolve().parents[3]
SMALL = [
    "ingestion.embedded.n_documents=400",
    "ingestion.embedded.n_reviews=400",
    "ingestion.embedded.canary_counts={16: 10}",
    "ingestion.embedded.n_twins=400",
    "ingestion.embedded.n_stereotype_pairs=20",
    "ingestion.embedded.n_counterfactual_pairs=40",
    "pretraining.max_steps=30",
    "finetuning.max_steps=30",
    "evaluation.bootstrap_resamples=200",
]
# The end of one of these is the beginning of the next, so an interrupt there falls into every kind of stage in turn.
EVERY_STAGE = ("ingest-pretraining", "check", "raw split", "raw validate", "ingest-finetuning", "clean scrub",
               "clean clean", "clean drift", "clean balance", "raw train-tokenizer", "raw encode", "clean encode",
               "raw pretrain", "clean train-reference", "raw finetune", "clean finetune", "train-filter",
               "clean package", "raw evaluate", "clean evaluate")  # fmt: skip


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose Prefect server stays up, so that every start is quick."""
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "home"
    settings = Settings(home=folder)
    start_server(folder, "prefect", environment={**os.environ, **environment_for(settings)})
    yield folder
    stop_server(folder, "prefect")


def begin(home: Path) -> subprocess.Popen[str]:
    changes = [word for change in SMALL for word in ("--set", change)]
    return subprocess.Popen(
        [sys.executable, "-m", "flows", "run", "--profile", "demo", "--json", *changes],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TOUCHSTONE_HOME": str(home)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def interrupt_after(stage: str, home: Path) -> bool:
    """Start, wait for the end of a stage, interrupt; False if the run knew the stage already."""
    process = begin(home)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(f"{stage}: "):
            if "reused" in line:
                process.kill()
                process.communicate()
                return False
            break
    family = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.strip().splitlines()[-1] == "interrupted; finished stages are kept, the same command goes on from there"
    assert "Traceback" not in err
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive, "workers outlived the run"
    assert not list(home.glob("artefacts/*/.*")), "a half-written artefact stayed"
    with sqlite3.connect(home / "mlflow" / "mlflow.db") as database:
        running = database.execute("SELECT name FROM runs WHERE status = 'RUNNING'").fetchall()
    assert not running
    return True


def finish(home: Path) -> list[str]:
    process = begin(home)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1, err  # thirty steps of training pass no floor
    return [candidate["payload_digest"] for candidate in json.loads(out)["candidates"]]


@pytest.mark.servers
def test_an_interrupted_run_goes_on(home: Path) -> None:
    assert interrupt_after("raw split", home)
    assert interrupt_after("raw encode", home)  # in pretraining
    assert len(set(finish(home))) == 2


@pytest.mark.soak
@pytest.mark.servers
@pytest.mark.timeout(3000)
def test_interrupts_at_every_stage_change_no_byte(home: Path, tmp_path: Path) -> None:
    assert sum(interrupt_after(stage, home) for stage in EVERY_STAGE) >= 15
    assert finish(home) == finish(tmp_path / "undisturbed")
