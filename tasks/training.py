"""What pretraining and fine-tuning share: a nested run with live metrics, and progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
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
        report(ProgressEvent(stage, candidate, done, total, unit, _detail(extra)))

    return on_progress


def _detail(figures: Mapping[str, Any]) -> str:
    """Loss, real tokens a second, share of the device's arithmetic that is useful, and the time left."""
    words = []
    if (loss := figures.get("loss")) is not None:
        words.append(f"loss {loss:.3f}")
    if rate := figures.get("tokens_per_second"):
        words.append(f"{rate:,.0f} tokens/s")
    if utilisation := figures.get("model_flop_utilisation"):
        words.append(f"MFU {utilisation:.0%}")
    if (seconds := figures.get("seconds_left")) is not None:
        words.append(f"{timedelta(seconds=round(seconds))} left")
    return ", ".join(words)


def record_quality(run: tracking.RunRef, model: Artefact) -> None:
    """Log a pretrained model's dev figures by language as ``dev/<language>/<figure>``, and the page of them."""
    from components.modeling.journals import QUALITY_FILE
    from components.modeling.pretraining_metrics import PretrainingReport

    folder: Path = open_store().path(model)
    report = PretrainingReport.model_validate_json((folder / "report.json").read_text(encoding="utf-8"))
    figures = {
        f"dev/{language}/{name}": value["value"] if isinstance(value, dict) else value
        for language, metrics in report.metrics.items()
        for name, value in metrics.model_dump(exclude={"pair_accuracy_ci"}).items()
    }
    tracking.log_metrics(run, figures)
    tracking.log_path(run, folder / QUALITY_FILE)


def record_work(run: tracking.RunRef, work: Path) -> None:
    """Log what a training leaves in its work folder and not in the model: rates, system metrics, and plots of all."""
    from components.modeling.journals import PERFORMANCE_FILE
    from components.modeling.plots import write_plots

    if (work / PERFORMANCE_FILE).is_file():
        tracking.log_metrics_journal(run, work / PERFORMANCE_FILE)
    if write_plots(work, work / "plots"):
        tracking.log_path(run, work / "plots", "plots")


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
    tracking.ask_again(run)  # what the tracker missed while it was away is in the journal
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
