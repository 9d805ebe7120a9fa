"""Models and filter to Payload."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from components.core.artefacts import FineTunedModel, Payload, PretrainedModel, SafetyFilter
from components.core.store import StageReport
from components.ingestion.embedded import write_filter_lines
from components.packaging.config import PackagingConfig
from components.packaging.payload import build_payload
from components.safety.config import SafetyConfig
from tasks.stages import STAGE_OPTIONS, produce
from tasks.workers import run_stage

_FILTER_LINES = 1600


@task(name="train-filter", **STAGE_OPTIONS)
def train_filter(config: SafetyConfig) -> SafetyFilter:
    """Fit the filter's classifier on the embedded harmful and harmless lines; shared by all candidates."""

    def build(_: dict[str, Path], out: Path, work: Path) -> StageReport:
        lines = work / "harmful.jsonl"
        write_filter_lines(lines, seed=config.seed, count=_FILTER_LINES)
        return run_stage("components.safety.training:train_filter", lines, config, out_dir=out)

    return produce(
        SafetyFilter,
        stage="train-filter",
        candidate="",
        rooms=("safety", "ingestion"),
        inputs={},
        config=config,
        build=build,
    )


@task(name="package", task_run_name="package-{candidate}", **STAGE_OPTIONS)
def package(
    model: FineTunedModel,
    language_model: PretrainedModel | None,
    safety_filter: SafetyFilter,
    config: PackagingConfig,
    candidate: str,
) -> Payload:
    """Put everything that is served into one folder with one digest."""
    inputs = {"model": model, "filter": safety_filter} | ({"language_model": language_model} if language_model else {})
    return produce(
        Payload,
        stage="package",
        candidate=candidate,
        rooms=("packaging", "safety", "scrubbing", "modeling"),
        inputs=inputs,
        config=config,
        build=lambda folders, out, _: build_payload(
            folders["model"], folders.get("language_model"), folders["filter"], config, out_dir=out
        ),
    )
