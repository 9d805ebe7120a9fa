"""Runs in a real MLflow database."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks import history, tracker, tracking
from tasks.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    return Settings(home=tmp_path / "home")


def _run_in_mlflow(ref: tracking.RunRef):
    from mlflow.tracking import MlflowClient

    return MlflowClient(ref.tracking_uri).get_run(ref.run_id)


def test_runs_nest_and_hold_what_was_logged(settings: Settings, tmp_path: Path) -> None:
    journal = tmp_path / "metrics.jsonl"
    rows = [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}, {"step": 2, "loss": 1.5}, {"step": 3, "loss": None}]
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
    with (
        tracking.run_scope("pipeline", "demo", pipeline="demo", settings=settings, params={"a": {"b": 1}}) as parent,
        tracking.run_scope("candidate", "raw", pipeline="demo", settings=settings, parent=parent) as child,
    ):
        tracking.log_metrics_journal(child, journal, prefix="train/")
        tracking.log_metrics_journal(child, journal, prefix="train/")
        tracking.log_metrics(child, {"f1": 0.5, "bad": float("inf"), "none": None})
        tracking.log_tags(child, {"touchstone.decision": "refused"})
        tracking.log_text(child, "# card", "card.md")
        tracking.log_path(child, journal, "evidence")
        tracking.log_datasets(
            child, [tracking.DatasetRef(name="train", digest="sha256:" + "a" * 64, rows=9, context="training")]
        )
    run = _run_in_mlflow(child)
    assert run.data.metrics == {"train/loss": 1.5, "f1": 0.5}
    assert run.data.tags["mlflow.parentRunId"] == parent.run_id
    assert run.data.tags["touchstone.decision"] == "refused"
    assert run.info.status == "FINISHED"
    from mlflow.tracking import MlflowClient

    client = MlflowClient(child.tracking_uri)
    history = sorted((point.step, point.value) for point in client.get_metric_history(child.run_id, "train/loss"))
    assert history == [(1, 3.0), (2, 1.5)]
    assert [item.path for item in client.list_artifacts(child.run_id)] == ["card.md", "evidence"]
    dataset = run.inputs.dataset_inputs[0].dataset
    assert (dataset.digest, json.loads(dataset.source)["digest"]) == ("a" * 36, "sha256:" + "a" * 64)
    assert _run_in_mlflow(parent).data.params == {"a.b": "1"}


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_block_that_breaks_ends_its_run(settings: Settings, error: type[BaseException], status: str) -> None:
    with (
        pytest.raises(error),
        tracking.run_scope("pipeline", "demo", pipeline="demo", settings=settings) as ref,
    ):
        raise error
    assert _run_in_mlflow(ref).info.status == status


def test_an_absent_tracker_warns_once_and_stops_nothing(
    settings: Settings, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = settings.model_copy(update={"mlflow_tracking_uri": "http://127.0.0.1:9"})
    with tracking.run_scope("pipeline", "demo", pipeline="demo", settings=away) as parent:
        tracking.log_metrics(parent, {"loss": 1.0})
        with tracking.run_scope("stage", "pretrain", pipeline="demo", settings=away, parent=parent) as child:
            assert not child
    assert not parent
    warnings = [record for record in caplog.records if record.name == "tasks.tracker"]
    assert len(warnings) == 1


_CHILD = """
import os, signal, sys
from pathlib import Path
from tasks import history, tracking
from tasks.settings import Settings, prepare_environment
settings = prepare_environment(Settings(home=Path(sys.argv[1])))
ref = tracking.open_run("pipeline", "doomed", pipeline="demo", settings=settings)
print(ref.run_id, flush=True)
os.kill(os.getpid(), getattr(signal, sys.argv[2])) if sys.argv[2] != "none" else None
"""


def _doomed(home: Path, how: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, str(home), how],
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.stdout.strip()


def test_a_killed_process_leaves_a_running_run_that_the_next_start_ends(settings: Settings) -> None:
    with tracking.run_scope("pipeline", "alive", pipeline="demo", settings=settings) as alive:
        doomed = _doomed(settings.home, "SIGKILL")
        client = tracker.client_for(settings.tracking_uri())
        assert client.get_run(doomed).info.status == "RUNNING"
        assert history.stale_runs(settings) == [doomed]
        assert tracking.reconcile_stale_runs(settings) == [doomed]
        assert client.get_run(doomed).info.status == "KILLED"
        assert client.get_run(alive.run_id).info.status == "RUNNING"
        assert tracking.reconcile_stale_runs(settings) == []


def test_a_run_left_open_at_exit_is_killed(settings: Settings) -> None:
    forgotten = _doomed(settings.home, "none")
    assert tracker.client_for(settings.tracking_uri()).get_run(forgotten).info.status == "KILLED"


def test_two_first_uses_at_once_make_one_database(settings: Settings) -> None:
    command = [sys.executable, "-c", _CHILD, str(settings.home), "none"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    both = [subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    ids = {process.communicate(timeout=120)[0].strip() for process in both}
    assert len(ids - {""}) == 2


def test_reading_stale_runs_makes_no_database(settings: Settings) -> None:
    assert tracking.reconcile_stale_runs(settings) == []
    assert not settings.home.exists()
