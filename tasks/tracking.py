"""Runs in MLflow: one a pipeline run, nested ones a candidate and a training stage.

Writing fails open (``tasks.tracker``). Reading (``status``, ``diff``) raises InfrastructureError instead.

A run carries the tag ``touchstone.owner`` (host, boot, process). ``reconcile_stale_runs`` ends as KILLED the runs
whose process is gone, because nothing else can after ``kill -9``.
"""

from __future__ import annotations

import atexit
import functools
import json
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Concatenate, Literal, ParamSpec

from pydantic import BaseModel, ConfigDict

from components.core.jsonfiles import read_jsonl
from tasks.servers import owner_lives, process_identity
from tasks.settings import Settings
from tasks.tracker import client_for, give_up, has_database, is_absent, mlflow_errors, take_back

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

logger = logging.getLogger(__name__)

RunKind = Literal["pipeline", "candidate", "stage"]
P = ParamSpec("P")

OWNER_TAG = "touchstone.owner"
KIND_TAG = "touchstone.kind"
PARENT_TAG = "mlflow.parentRunId"
_METRICS_A_CALL, _PARAMS_A_CALL, _TAGS_A_CALL = 1000, 100, 100  # MLflow's limits of one batch
_PARAM_CHARACTERS, _TAG_CHARACTERS, _DIGEST_CHARACTERS = 6000, 5000, 36  # and of one value


class RunStatus(StrEnum):
    """How a run ended, in MLflow's words."""

    FINISHED = "FINISHED"
    FAILED = "FAILED"
    KILLED = "KILLED"


class RunRef(BaseModel):
    """A run, as tasks hand it to each other. Empty (and false) where there is no tracker."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    run_id: str = ""
    experiment_id: str = ""
    name: str = ""
    tracking_uri: str = ""

    def __bool__(self) -> bool:
        """Whether anything can be logged to it."""
        return bool(self.run_id)


class DatasetRef(BaseModel):
    """A data set that a run read: its name, full digest and what it was for (``training``, ``evaluation`` …)."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    name: str
    digest: str
    rows: int
    context: str
    source: str = ""


_open: dict[str, RunRef] = {}  # runs of this process that have not ended


def open_run(
    kind: RunKind,
    name: str,
    *,
    pipeline: str,
    settings: Settings,
    parent: RunRef | None = None,
    tags: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
) -> RunRef:
    """Start a run in the experiment named after the pipeline, under ``parent`` if there is one."""
    if parent is not None and not parent:
        return RunRef()
    uri = parent.tracking_uri if parent else settings.tracking_uri()
    if is_absent(uri):
        return RunRef()
    try:
        client = client_for(uri)
        experiment = parent.experiment_id if parent else _experiment(client, pipeline, settings)
        identity = {KIND_TAG: kind, OWNER_TAG: json.dumps(process_identity())}
        nesting = {PARENT_TAG: parent.run_id} if parent else {}
        run = client.create_run(experiment, run_name=name, tags={**_short_tags(tags or {}), **identity, **nesting})
    except mlflow_errors() as error:
        give_up(uri, error)
        return RunRef()
    ref = RunRef(run_id=run.info.run_id, experiment_id=experiment, name=name, tracking_uri=uri)
    _remember(ref)
    log_params(ref, params or {})
    return ref


def close_run(ref: RunRef, status: RunStatus = RunStatus.FINISHED) -> None:
    """End a run. Ending it twice keeps the first ending."""
    if _open.pop(ref.run_id, None) is None:
        return
    try:
        client_for(ref.tracking_uri).set_terminated(ref.run_id, status=status.value)
    except mlflow_errors() as error:
        give_up(ref.tracking_uri, error)


@contextmanager
def run_scope(
    kind: RunKind,
    name: str,
    *,
    pipeline: str,
    settings: Settings,
    parent: RunRef | None = None,
    tags: Mapping[str, str] | None = None,
    params: Mapping[str, Any] | None = None,
) -> Iterator[RunRef]:
    """A run that ends with its block: FINISHED, FAILED on an exception, KILLED on Ctrl-C or a termination signal."""
    ref = open_run(kind, name, pipeline=pipeline, settings=settings, parent=parent, tags=tags, params=params)
    status = RunStatus.KILLED  # what stands if the block is left by something that is no Exception
    try:
        yield ref
        status = RunStatus.FINISHED
    except Exception:
        status = RunStatus.FAILED
        raise
    finally:
        close_run(ref, status)


def _fails_open(function: Callable[Concatenate[RunRef, P], None]) -> Callable[Concatenate[RunRef, P], None]:
    """Skip a null run and an absent tracker; turn a failure into one warning."""

    @functools.wraps(function)
    def guarded(ref: RunRef, /, *args: P.args, **kwargs: P.kwargs) -> None:
        if not ref or is_absent(ref.tracking_uri):
            return
        try:
            function(ref, *args, **kwargs)
        except mlflow_errors() as error:
            give_up(ref.tracking_uri, error)

    return guarded


def ask_again(ref: RunRef) -> None:
    """Give an absent tracker another chance: at the end of a training it may be back."""
    if ref:
        take_back(ref.tracking_uri)


@_fails_open
def log_params(ref: RunRef, params: Mapping[str, Any]) -> None:
    """Log parameters; nested mappings become dotted names. A name may be given once a run (MLflow's rule)."""
    from mlflow.entities import Param

    client = client_for(ref.tracking_uri)
    entries = [Param(key, str(value)[:_PARAM_CHARACTERS]) for key, value in _flatten(params)]
    for start in range(0, len(entries), _PARAMS_A_CALL):
        client.log_batch(ref.run_id, params=entries[start : start + _PARAMS_A_CALL])


@_fails_open
def log_tags(ref: RunRef, tags: Mapping[str, str]) -> None:
    """Set tags; ``touchstone.*`` for digests, decision, candidate and stage."""
    from mlflow.entities import RunTag

    client = client_for(ref.tracking_uri)
    entries = [RunTag(key, value) for key, value in _short_tags(tags).items()]
    for start in range(0, len(entries), _TAGS_A_CALL):
        client.log_batch(ref.run_id, tags=entries[start : start + _TAGS_A_CALL])


@_fails_open
def log_metrics(ref: RunRef, metrics: Mapping[str, float | None], *, step: int = 0) -> None:
    """Log values of one step. Missing and non-finite values are left out: MLflow stores infinity as 1.8e308."""
    _log_points(ref, {(key, step): value for key, value in metrics.items() if value is not None})


@_fails_open
def log_metrics_journal(ref: RunRef, path: Path, *, prefix: str = "") -> None:
    """Log a training stage's ``metrics.jsonl`` (``{"step": …, name: value, …}`` a line).

    A resumed training repeats steps: the last line of a (name, step) counts, and points that the run already has are
    not sent again.
    """
    points: dict[tuple[str, int], float] = {}
    for row in read_jsonl(path):
        step = int(row.get("step", 0))
        for key, value in row.items():
            if key != "step" and isinstance(value, int | float) and not isinstance(value, bool):
                points[f"{prefix}{key}", step] = float(value)
    client = client_for(ref.tracking_uri)
    known = set(client.get_run(ref.run_id).data.metrics) & {key for key, _ in points}
    seen = {(key, point.step) for key in known for point in client.get_metric_history(ref.run_id, key)}
    _log_points(ref, {place: value for place, value in points.items() if place not in seen})


@_fails_open
def log_path(ref: RunRef, path: Path, folder: str | None = None) -> None:
    """Copy a file, or all files of a folder, to the run's artefacts. Never give it text of records."""
    client = client_for(ref.tracking_uri)
    if path.is_dir():
        client.log_artifacts(ref.run_id, str(path), folder)
    else:
        client.log_artifact(ref.run_id, str(path), folder)


@_fails_open
def log_text(ref: RunRef, text: str, name: str) -> None:
    """Write text as the run artefact ``name``."""
    client_for(ref.tracking_uri).log_text(ref.run_id, text, name)


@_fails_open
def log_datasets(ref: RunRef, datasets: Sequence[DatasetRef]) -> None:
    """Log data-set inputs; MLflow keeps 36 characters of a digest, the whole one stands in the source."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = [
        DatasetInput(
            Dataset(
                name=item.name,
                digest=item.digest.removeprefix("sha256:")[:_DIGEST_CHARACTERS],
                source_type="local",
                source=json.dumps({"digest": item.digest, "location": item.source}),
                profile=json.dumps({"rows": item.rows}),
            ),
            tags=[InputTag("mlflow.data.context", item.context)],
        )
        for item in datasets
    ]
    client_for(ref.tracking_uri).log_inputs(ref.run_id, datasets=inputs)


def reconcile_stale_runs(settings: Settings) -> list[str]:
    """End as KILLED every RUNNING run whose process is gone; returns their ids. Fails open."""
    uri = settings.tracking_uri()
    if is_absent(uri) or not has_database(settings):
        return []
    try:
        client = client_for(uri)
        return [run.info.run_id for run in find_stale_runs(client) if _kill(client, run)]
    except mlflow_errors() as error:
        give_up(uri, error)
        return []


def run_link(ref: RunRef) -> str:
    """Where the MLflow user interface shows a run; empty without a server."""
    if not ref or not ref.tracking_uri.startswith("http"):
        return ""
    return f"{ref.tracking_uri.rstrip('/')}/#/experiments/{ref.experiment_id}/runs/{ref.run_id}"


def find_stale_runs(client: MlflowClient) -> list[Any]:
    """RUNNING runs of processes that are gone."""
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    running = client.search_runs(experiments, "attributes.status = 'RUNNING'", max_results=1000) if experiments else []
    return [run for run in running if OWNER_TAG in run.data.tags and not _owner_lives(run.data.tags[OWNER_TAG])]


def _owner_lives(text: str) -> bool:
    try:
        return owner_lives(json.loads(text))
    except (ValueError, KeyError, TypeError):
        return True  # somebody else's tag: leave the run alone


def _kill(client: MlflowClient, run: Any) -> bool:
    client.set_tag(run.info.run_id, "touchstone.ended", "its process is gone")
    client.set_terminated(run.info.run_id, status=RunStatus.KILLED.value)
    return True


def _experiment(client: MlflowClient, name: str, settings: Settings) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        root = f"{settings.artifact_root}/{name}" if settings.tracks_locally() else None
        try:
            return str(client.create_experiment(name, artifact_location=root))
        except MlflowException as error:
            found = client.get_experiment_by_name(name)  # another process was first
            if found is None:
                raise error
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _log_points(ref: RunRef, points: Mapping[tuple[str, int], float]) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    finite = [Metric(key, value, now, step) for (key, step), value in points.items() if math.isfinite(value)]
    if len(finite) < len(points):
        logger.warning("%s: %d non-finite metric values were not logged", ref.name, len(points) - len(finite))
    client = client_for(ref.tracking_uri)
    for start in range(0, len(finite), _METRICS_A_CALL):
        client.log_batch(ref.run_id, metrics=finite[start : start + _METRICS_A_CALL])


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _short_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: str(value)[:_TAG_CHARACTERS] for key, value in tags.items()}


@functools.cache
def _watch_exit() -> None:
    atexit.register(_close_leftovers)


def _remember(ref: RunRef) -> None:
    _watch_exit()
    _open[ref.run_id] = ref


def _close_leftovers() -> None:
    """Whatever is still open when the interpreter leaves was cut off."""
    for ref in list(_open.values()):
        close_run(ref, RunStatus.KILLED)
