"""What comes in, held against what was trained on; drift can start a new pipeline run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.states import Completed

from components.core.artefacts import DriftReport
from components.ingestion.config import IngestionConfig
from flows.config import PipelineConfig, load_config
from flows.pipeline import run_pipeline
from tasks.ingest import ingest
from tasks.validate import drift


@flow(name="monitor", validate_parameters=False, persist_result=False)
def monitor(current: str, profile: str | None = None, config_dir: str | None = None, retrain: bool = False) -> Any:
    """Compare documents (any input form of the contract) with the pipeline's task data.

    Ends in a state named Drifted where they differ by more than ``drift.yaml`` allows; with ``retrain`` the pipeline
    then runs, and its candidates end refused or pending as ever. Where it cannot be judged the state is NotJudged, and
    nothing is retrained. Returns the drift report.
    """
    config = load_config(profile, Path(config_dir) if config_dir else None)
    report = _compare(current, config)
    if report.summary["state"] == "no_drift":
        return report
    if report.summary["state"] == "error":
        return Completed(name="NotJudged", message="too few documents to tell drift from chance", data=report)
    if retrain:
        run_pipeline(config)
    return Completed(name="Drifted", message="the documents differ from the training data", data=report)


def _compare(current: str, config: PipelineConfig) -> DriftReport:
    reference = config.ingestion_of("finetuning")
    values = reference.model_dump() | {"sources": (current,), "columns": {}}
    arrived = IngestionConfig.model_validate(values)
    return drift(ingest(arrived), ingest(reference), config.drift, "monitor")
