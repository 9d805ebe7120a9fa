"""A corpus to a ValidationReport; two corpora to a DriftReport."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from components.core.artefacts import Artefact, DriftReport, RawCorpus, Splits, ValidationReport
from components.core.store import StageReport
from components.scrubbing.config import ScrubbingConfig
from components.validation.config import DriftConfig, ValidationConfig
from tasks.stages import STAGE_OPTIONS, produce


@task(name="check", **STAGE_OPTIONS)
def check(corpus: RawCorpus, config: ValidationConfig) -> ValidationReport:
    """Refuse what nothing can fix: no text, wrong schema."""

    def build(inputs: dict[str, Path], out: Path, work: Path) -> StageReport:
        from components.validation.schema import check_schema

        return check_schema(inputs["corpus"], config, out_dir=out, work_dir=work)

    return produce(
        ValidationReport,
        stage="check",
        candidate="",
        rooms=("validation",),
        inputs={"corpus": corpus},
        config=config,
        build=build,
    )


@task(name="validate", task_run_name="validate-{candidate}", **STAGE_OPTIONS)
def validate(splits: Splits, config: ValidationConfig, scrubbing: ScrubbingConfig, candidate: str) -> ValidationReport:
    """Run the quality suite over the training text."""

    def build(inputs: dict[str, Path], out: Path, work: Path) -> StageReport:
        from components.validation.suite import validate_corpus

        train = inputs["splits"] / "train"
        return validate_corpus(train, config, personal_data=scrubbing, out_dir=out, work_dir=work)

    return produce(
        ValidationReport,
        stage="validate",
        candidate=candidate,
        rooms=("validation", "scrubbing"),
        inputs={"splits": splits},
        config=config,
        outside={"scrubbing": scrubbing.digest()},
        build=build,
    )


@task(name="drift", task_run_name="drift-{candidate}", **STAGE_OPTIONS)
def drift(current: Artefact, reference: Artefact, config: DriftConfig, candidate: str) -> DriftReport:
    """Compare a corpus with the one it is measured against."""

    def build(inputs: dict[str, Path], out: Path, _: Path) -> StageReport:
        from components.validation.drift import measure_drift

        return measure_drift(inputs["current"], inputs["reference"], config, out_dir=out)

    return produce(
        DriftReport,
        stage="drift",
        candidate=candidate,
        rooms=("validation",),
        inputs={"current": current, "reference": reference},
        config=config,
        build=build,
    )
