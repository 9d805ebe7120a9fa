"""What MLflow remembers: pipeline runs with their candidates, and the evidence of a candidate.

Reads through ``tasks.tracking``'s client, and raises InfrastructureError where MLflow is away: unlike training,
``status`` and ``diff`` are nothing without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from components.core.errors import ConfigError, InfrastructureError
from tasks.settings import Settings
from tasks.tracker import client_for, first_line, has_database, mlflow_errors
from tasks.tracking import KIND_TAG, PARENT_TAG, find_stale_runs

_MAX_RUNS = 1000
_DATA_TAG = "touchstone.data."


class _Frozen(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)


class CandidateRun(_Frozen):
    """One candidate of a pipeline run."""

    run_id: str
    parent_id: str
    candidate: str
    status: str
    decision: str
    payload_digest: str
    refused_by: tuple[str, ...]
    data: dict[str, str] = {}
    """Purpose to location of the data documents in the store."""


class PipelineRun(_Frozen):
    """One pipeline run."""

    run_id: str
    name: str
    pipeline: str
    status: str
    started: datetime
    seconds: float | None
    candidates: tuple[CandidateRun, ...]


def list_pipeline_runs(settings: Settings, *, limit: int = 20) -> list[PipelineRun]:
    """The newest pipeline runs of every pipeline, with their candidates."""
    if not has_database(settings):
        return []
    with _reading(settings) as client:
        names = {item.experiment_id: item.name for item in client.search_experiments()}
        parents = _search(client, list(names), "pipeline", limit)
        children = _search(client, list(names), "candidate", _MAX_RUNS) if parents else []
    candidates = [_candidate(run) for run in reversed(children)]
    return [
        _pipeline_run(run, names[run.info.experiment_id], [c for c in candidates if c.parent_id == run.info.run_id])
        for run in parents
    ]


def find_candidate(text: str, settings: Settings) -> CandidateRun:
    """The newest candidate that ``text`` means: a run id, a payload digest (or its start), or a candidate's name.

    Raises: ConfigError if there is none, with the names there are.
    """
    candidates = [candidate for run in list_pipeline_runs(settings, limit=200) for candidate in run.candidates]
    digest = text.removeprefix("sha256:")
    for candidate in candidates:
        if text in {candidate.run_id, candidate.candidate}:
            return candidate
        if len(digest) >= 8 and candidate.payload_digest.removeprefix("sha256:").startswith(digest):
            return candidate
    known = (
        ", ".join(sorted({candidate.candidate for candidate in candidates})) or "none yet, start with touchstone demo"
    )
    raise ConfigError(f"{text}: no such candidate, MLflow run or payload digest; candidates: {known}")


def evidence_folder(candidate: CandidateRun, settings: Settings) -> Path:
    """``evidence.json`` and ``items/`` of a candidate; in place where MLflow's store is a local folder."""
    with _reading(settings) as client:
        if not client.list_artifacts(candidate.run_id, "evidence"):
            raise ConfigError(f"{candidate.candidate}: run {candidate.run_id} holds no evidence; it ended before that")
        return Path(client.download_artifacts(candidate.run_id, "evidence"))


def data_locations(run_id: str, settings: Settings) -> dict[str, str]:
    """Purpose to the place of the data's documents in the home, as a candidate's run names them."""
    prefix = "touchstone.data."
    with _reading(settings) as client:
        tags = client.get_run(run_id).data.tags
    return {key.removeprefix(prefix): value for key, value in sorted(tags.items()) if key.startswith(prefix)}


def stale_runs(settings: Settings) -> list[str]:
    """Ids of runs that ``reconcile_stale_runs`` would end."""
    if not has_database(settings):
        return []
    with _reading(settings) as client:
        return [run.info.run_id for run in find_stale_runs(client)]


def _search(client: Any, experiments: list[str], kind: str, limit: int) -> list[Any]:
    if not experiments:
        return []
    return list(
        client.search_runs(
            experiments, f"tags.`{KIND_TAG}` = '{kind}'", order_by=["attributes.start_time DESC"], max_results=limit
        )
    )


def _candidate(run: Any) -> CandidateRun:
    tags = run.data.tags
    return CandidateRun(
        run_id=run.info.run_id,
        parent_id=tags.get(PARENT_TAG, ""),
        candidate=tags.get("touchstone.candidate", run.info.run_name),
        status=run.info.status,
        decision=tags.get("touchstone.decision", ""),
        payload_digest=tags.get("touchstone.payload_digest", ""),
        refused_by=tuple(name for name in tags.get("touchstone.refused_by", "").split(",") if name),
        data={key.removeprefix(_DATA_TAG): value for key, value in tags.items() if key.startswith(_DATA_TAG)},
    )


def _pipeline_run(run: Any, pipeline: str, candidates: list[CandidateRun]) -> PipelineRun:
    ended = run.info.end_time
    return PipelineRun(
        run_id=run.info.run_id,
        name=run.info.run_name,
        pipeline=pipeline,
        status=run.info.status,
        started=datetime.fromtimestamp(run.info.start_time / 1000, UTC),
        seconds=(ended - run.info.start_time) / 1000 if ended else None,
        candidates=tuple(candidates),
    )


@contextmanager
def _reading(settings: Settings) -> Iterator[Any]:
    uri = settings.tracking_uri()
    try:
        yield client_for(uri)
    except mlflow_errors() as error:
        raise InfrastructureError(f"MLflow at {uri}: {first_line(error)}; see `touchstone doctor`") from error
