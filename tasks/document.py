"""A prepared corpus to its documentation: data card, Croissant document, data files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from prefect import task

from components.core.artefacts import (
    Artefact,
    CleanCorpus,
    DataDocuments,
    DriftReport,
    RawCorpus,
    ScrubbedCorpus,
    Splits,
    ValidationReport,
)
from components.core.store import StageReport
from components.documentation.config import StageConfigs
from tasks.stages import STAGE_OPTIONS, produce

_ROLES: dict[type[Artefact], str] = {
    RawCorpus: "raw",
    ScrubbedCorpus: "scrubbed",
    CleanCorpus: "cleaned",
    Splits: "splits",
    ValidationReport: "quality",
    DriftReport: "drift",
}


@task(name="document", task_run_name="document-{candidate}", **STAGE_OPTIONS)
def document(made: Sequence[Artefact], configs: StageConfigs, candidate: str) -> DataDocuments:
    """Document a corpus from the artefacts on its way; a skipped stage has handed on the artefact before it."""
    chain = {_ROLES[type(artefact)]: artefact for artefact in made}

    def build(folders: dict[str, Path], out: Path, _: Path) -> StageReport:
        from components.documentation.document import document_corpus

        return document_corpus(folders, chain, configs, out_dir=out)

    return produce(
        DataDocuments,
        stage="document",
        candidate=candidate,
        rooms=("documentation", "validation"),
        inputs=chain,
        config=configs.documentation,
        # What the card says beside the artefacts' bytes: where the sources lie, and the settings of the stages.
        outside={"raw_key": chain["raw"].key, "scrubbing": configs.scrubbing.digest()},
        build=build,
        restricted=chain["splits"].restricted,
    )
