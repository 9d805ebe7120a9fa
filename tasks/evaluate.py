"""Payload to Evidence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from prefect import task

from components.core.artefacts import (
    BalancedCorpus,
    EvidenceArtefact,
    Payload,
    RawCorpus,
    ReferenceModel,
    Splits,
    ValidationReport,
)
from components.core.errors import ConfigError
from components.core.hashing import digest_file, digest_files, digest_value
from components.core.store import StageReport
from components.evaluation.config import EvaluationConfig
from components.scrubbing.config import ScrubbingConfig
from tasks.progress import ProgressEvent, report
from tasks.stages import STAGE_OPTIONS, produce
from tasks.workers import run_stage

Purpose = Literal["pretraining", "finetuning"]


@task(name="evaluate", task_run_name="evaluate-{candidate}", **STAGE_OPTIONS)
def evaluate(
    payload: Payload,
    config: EvaluationConfig,
    *,
    training: Mapping[Purpose, Splits | BalancedCorpus],
    raw: Mapping[Purpose, RawCorpus],
    quality: Mapping[Purpose, ValidationReport],
    reference: ReferenceModel | None,
    scrubbing: ScrubbingConfig,
    candidate: str,
) -> EvidenceArtefact:
    """Run every suite of the config over the payload."""
    groups = {"training": training, "raw": raw, "quality": quality}
    inputs = {f"{name}-{purpose}": item for name, items in groups.items() for purpose, item in items.items()}
    extra = {"reference": reference} if reference else {}

    def build(folders: dict[str, Path], out: Path, _: Path) -> StageReport:
        def progress(suite: str, done: int, total: int) -> None:
            report(ProgressEvent("evaluate", candidate, done, total, "suites", suite))

        return run_stage(
            "tasks.jobs:evaluate",
            folders["payload"],
            config,
            {
                "pretraining_splits": folders.get("training-pretraining"),
                "finetuning_splits": folders.get("training-finetuning"),
                "raw_corpora": tuple(folders[f"raw-{purpose}"] for purpose in raw),
                "validation_reports": tuple(folders[f"quality-{purpose}"] for purpose in quality),
                "reference_model": folders.get("reference"),
            },
            scrubbing,
            out_dir=out,
            callbacks={"on_progress": progress},
        )

    return produce(
        EvidenceArtefact,
        stage="evaluate",
        candidate=candidate,
        rooms=("evaluation", "modeling", "scrubbing"),
        inputs={"payload": payload, **inputs, **extra},
        config=config,
        outside=_suite_files(config) | {"scrubbing": scrubbing.digest()},
        build=build,
    )


def _suite_files(config: EvaluationConfig) -> dict[str, str]:
    """Digest of every data file that a suite names. Raises ConfigError for one that is not there."""
    digests = {}
    for suite, settings in config.suites.items():
        for name in settings.data:
            path = Path(name)
            if not path.exists():
                raise ConfigError(f"evaluation.yaml: suites.{suite}.data: {name}: no such file")
            digests[f"{suite}:{name}"] = digest_file(path) if path.is_file() else digest_value(digest_files(path))
    return digests
