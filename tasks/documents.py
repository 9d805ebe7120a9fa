"""Where a candidate's data documents lie: MLflow names their artefact, the store holds it."""

from __future__ import annotations

from pathlib import Path

from components.core.artefacts import DataDocuments
from components.core.errors import ConfigError
from components.core.jsonfiles import read_json
from components.core.payload import read_manifest
from components.core.store import MANIFEST
from tasks.history import CandidateRun, find_candidate
from tasks.registry import payload_folder, resolve_model
from tasks.settings import Settings
from tasks.stages import open_store


def find_documents(model: str, purpose: str, settings: Settings) -> Path:
    """The documents of the data behind a model.

    Args:
        model: A candidate's name, MLflow run id or payload digest, or a model in any form of the contract.
        purpose: ``pretraining`` or ``finetuning``.
        settings: Where MLflow and the store are.

    Raises: ConfigError if there is no such model or it has no such data; IntegrityError if the documents are gone.
    """
    candidate = _candidate(model, settings)
    location = candidate.data.get(purpose)
    if location is None:
        known = ", ".join(sorted(candidate.data)) or "none was recorded"
        raise ConfigError(f"--data {purpose}: candidate {candidate.candidate} has no such data; it has: {known}")
    manifest = settings.home / location / MANIFEST
    if not manifest.exists():
        raise ConfigError(f"{manifest.parent}: the documents are gone from this home; run the pipeline again")
    return open_store().path(DataDocuments.model_validate(read_json(manifest)))


def _candidate(model: str, settings: Settings) -> CandidateRun:
    if model.startswith(("models:/", "runs:/")) or Path(model).expanduser().is_dir():
        model = read_manifest(payload_folder(resolve_model(model, settings))).digest()
    return find_candidate(model, settings)
