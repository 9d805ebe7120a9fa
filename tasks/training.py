"""What pretraining and fine-tuning share: a nested run with live metrics, and progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.core.artefacts import Artefact
from components.core.config import StageConfig
from tasks import tracking
from tasks.progress import ProgressEvent, report
from tasks.settings import Settings
from tasks.stages import open_store

OnMetrics = Callable[[int, dict[str, float]], None]
OnProgress = Callable[[int, int, str, Mapping[str, Any]], None]


def show_progress(stage: str, candidate: str) -> OnProgress:
    """A callback that reports a training loop's progress."""

    def on_progress(done: int, total: int, unit: str, extra: Mapping[str, Any]) -> None:
        loss = extra.get("loss")
        report(ProgressEvent(stage, candidate, done, total, unit, f"loss {loss:.3f}" if loss is not None else ""))

    return on_progress


@contextmanager
def training_run(
    stage: str, candidate: str, config: StageConfig, parent: tracking.RunRef
) -> Iterator[tuple[tracking.RunRef, OnMetrics]]:
    """A nested MLflow run for one training stage, and the callback that logs to it as training goes."""
    tags = {"touchstone.stage": stage, "touchstone.candidate": candidate, "touchstone.config_digest": config.digest()}
    with tracking.run_scope(
        "stage",
        f"{candidate} {stage}",
        pipeline="",
        settings=Settings(),
        parent=parent,
        tags=tags,
        params=config.model_dump(mode="json", exclude={"sources"}),
    ) as run:
        yield run, lambda step, values: tracking.log_metrics(run, values, step=step)


def record_model(run: tracking.RunRef, model: Artefact, inputs: Mapping[str, Artefact]) -> None:
    """Log a trained model's journal, report, digests and data sets; also when the model was reused."""
    folder: Path = open_store().path(model)
    tracking.log_metrics_journal(run, folder / "metrics.jsonl")
    tracking.log_path(run, folder / "report.json")
    tracking.log_tags(run, {"touchstone.digest": model.digest, "touchstone.kind": model.kind})
    tracking.log_datasets(
        run,
        [
            tracking.DatasetRef(name=role, digest=item.digest, rows=item.rows, context="training", source=item.location)
            for role, item in inputs.items()
        ],
    )
