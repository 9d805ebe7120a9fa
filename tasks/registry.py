"""The model registry: a registered model a pipeline, a version a release, an alias only after verification.

Unlike tracking this does not fail open: what cannot be registered or verified is not released.
Tags of a version: ``touchstone.payload_digest``, ``touchstone.decision``, ``touchstone.candidate``,
``touchstone.release_path`` (relative to the home folder), ``touchstone.previous.<alias>`` and
``touchstone.approvals``, for readers. What counts is the release and the audit log (``tasks.audit``): the guard
(``tasks.guarded_registry``) and the loader believe no tag.
"""

from __future__ import annotations

import importlib.metadata
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import yaml
from pydantic import BaseModel, ConfigDict

from components.core.errors import ConfigError, ContractError, InfrastructureError, IntegrityError
from components.core.hashing import digest_file
from components.core.payload import PAYLOAD_FILE, read_manifest, verify_payload, walk_files
from components.release.audit import AuditLog
from components.release.config import check_name
from components.release.verify import VerificationTree
from tasks.audit import one_promotion, open_audit, this_user
from tasks.settings import Settings
from tasks.tracker import client_for
from tasks.tracking import RunRef, log_tags

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

DIGEST_TAG = "touchstone.payload_digest"
DECISION_TAG = "touchstone.decision"
CANDIDATE_TAG = "touchstone.candidate"
RELEASE_TAG = "touchstone.release_path"
PREVIOUS_TAG = "touchstone.previous."
APPROVALS_TAG = "touchstone.approvals"
IDENTITY_TAGS = {DIGEST_TAG: "payload_digest", RELEASE_TAG: "release_path"}
PRODUCTION = "production"
PROMOTED = "promoted"

_SERVING = Path(__file__).with_name("serving.py")
_PAYLOAD_ARTIFACT = "payload"
# What the payload's code imports when it serves; versions are those of the process that evaluated it.
_SERVING_LIBRARIES = (
    "mlflow", "torch", "transformers", "tokenizers", "safetensors", "numpy", "pydantic", "pyyaml", "phonenumbers",
)  # fmt: skip
# What lies beside the payload in an MLflow model of ours; the last one MLflow adds when it downloads.
_MODEL_FILES = frozenset(
    {"MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt", "serving.py", "registered_model_meta"}
)
_CODE_LOADER = "mlflow.pyfunc.loaders.code_model"
_MODEL_URI = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>[^/@]+)|@(?P<alias>[^/@]+))")


class Version(BaseModel):
    """A version of a registered model."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    name: str
    version: str
    payload_digest: str
    decision: str
    candidate: str
    run_id: str
    aliases: tuple[str, ...] = ()
    release_path: str = ""


Verify = Callable[[Version], str]
"""Checks a version's release and returns its payload digest; raises IntegrityError where it must not be used."""


class Promotion(BaseModel):
    """An alias that was set, and the version it stood at before (empty if none)."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    name: str
    version: str
    alias: str
    previous: str
    payload_digest: str


def register_release(
    name: str, release_folder: Path, *, run: RunRef, settings: Settings, tags: Mapping[str, str] | None = None
) -> str:
    """Log the release's payload as a pyfunc model under ``run`` and register it; returns the version number.

    A payload that the model already has a version of gets no second one; its tags are brought up to date.
    Raises InfrastructureError if MLflow does not do its part.
    """
    if not run:
        raise InfrastructureError(f"{name}: no MLflow run to register under; see `touchstone doctor`, then run again")
    digest = verify_payload(release_folder / "payload")
    check_name(name)
    path = release_folder.absolute()
    location = path.relative_to(settings.home) if path.is_relative_to(settings.home) else path
    wanted = {DIGEST_TAG: digest, RELEASE_TAG: location.as_posix(), **(tags or {})}
    with _registry(settings) as client:
        _ensure_model(client, name)
        for found in client.search_model_versions(f"name = '{name}'"):
            if found.tags.get(DIGEST_TAG) == digest:
                if found.tags.get(DECISION_TAG) == PROMOTED:
                    wanted.pop(DECISION_TAG, None)  # the same bytes again do not undo what was decided about them
                _set_tags(client, name, str(found.version), wanted)
                return str(found.version)
        model = _log_model(client, release_folder / "payload", digest, run, settings.home)
        version = client.create_model_version(
            name, source=model.model_uri, run_id=run.run_id, tags=wanted, model_id=model.model_id
        )
        return str(version.version)


def tag_version(name: str, version: str, tags: Mapping[str, str], *, settings: Settings) -> None:
    """Set tags of a version, for instance its decision."""
    with _registry(settings) as client:
        _set_tags(client, name, version, tags)


def list_versions(settings: Settings, name: str | None = None) -> list[Version]:
    """Versions of one registered model, or of all, newest first."""
    with _registry(settings) as client:
        names = [name] if name else [model.name for model in client.search_registered_models()]
        found = [_version(client, item) for each in names for item in client.search_model_versions(f"name = '{each}'")]
    return sorted(found, key=lambda item: (item.name, -int(item.version)))


def get_version(name: str, version_or_alias: str, *, settings: Settings) -> Version:
    """One version by number or alias. Raises ConfigError if there is none."""
    with _registry(settings) as client:
        return _version(client, _find(client, name, version_or_alias))


def set_alias_after_verification(
    name: str,
    version: str,
    alias: str,
    *,
    verify: Verify,
    settings: Settings,
    expected: str | None = None,
    operation: str = "promote",
) -> Promotion:
    """Set an alias, if ``verify`` says yes to the version's release and MLflow's copy holds the very same bytes.

    One promotion of a model at a time; one that finds the alias moved since it began gives up (``expected``: the
    version it began at). A crash anywhere leaves the old or the new version, and running it again finishes the job.

    Raises: IntegrityError if anything differs (the alias stays where it was); ConfigError if there is no such version.
    """
    log, details = open_audit(settings), {"alias": alias, "version": version}
    with _registry(settings) as client:
        seen = _aliased(client, name, alias) if expected is None else expected
        try:
            with one_promotion(settings, name):
                found = _version(client, _find(client, name, version))
                details = {"alias": alias, "version": found.version, "payload_digest": found.payload_digest}
                check_against_log(found, log)
                digest = verify(found)
                same_digest(found, digest, f"the release of models:/{name}/{version}")
                check_model_copy(found, _model_folder(found), log)
                previous = _move_alias(client, found, alias, seen, operation=operation, log=log, details=details)
        except (IntegrityError, ConfigError) as error:
            log.append(operation, name, "refused", actor=this_user(), reason=str(error), details=details)
            raise
        log_tags(RunRef(run_id=found.run_id, tracking_uri=settings.tracking_uri()), {DECISION_TAG: "promoted"})
    return Promotion(
        name=name, version=found.version, alias=alias, previous=previous, payload_digest=found.payload_digest
    )


def _move_alias(
    client: MlflowClient,
    found: Version,
    alias: str,
    seen: str,
    *,
    operation: str,
    log: AuditLog,
    details: dict[str, str],
) -> str:
    """Move a verified version's alias under the promotion lock; returns the version it stood at."""
    name, actor = found.name, this_user()
    standing = _aliased(client, name, alias)
    if standing != seen:
        raise IntegrityError(
            f"models:/{name}@{alias}: moved from {_shown(seen)} to {_shown(standing)} meanwhile, another promotion was "
            "first; look, then promote again"
        )
    # Before the change, so that after a crash in between the log knows both places where the alias may stand.
    log.append(operation, name, "allowed", actor=actor, details=details | {"previous": standing})
    client.set_registered_model_alias(name, alias, found.version)
    if (now_at := _aliased(client, name, alias)) != found.version:
        raise IntegrityError(f"models:/{name}@{alias}: reads back as {_shown(now_at)}; look, then promote again")
    log.append(operation, name, "done", actor=actor, details=details | {"previous": standing})
    note = {DECISION_TAG: PROMOTED}
    if before := log.trail(name, alias).before(found.version):
        note[f"{PREVIOUS_TAG}{alias}"] = before[0]
    _set_tags(client, name, found.version, note)
    return standing


def rollback(name: str, *, verify: Verify, settings: Settings, alias: str = PRODUCTION) -> Promotion:
    """Set the alias back to the last version it stood at before and that still holds, after the same verification.

    The audit log says where it stood, not a tag. An alias that somebody moved behind the guard goes back to where the
    log left it. Raises ConfigError if there is no version before; IntegrityError if none of them holds.
    """
    current = get_version(name, alias, settings=settings)
    trail = open_audit(settings).trail(name, alias)
    choices = trail.before(current.version)
    if not choices:
        raise ConfigError(f"models:/{name}@{alias}: version {current.version} has no version before it to go back to")
    problems = []
    for choice in choices:
        try:
            verify(get_version(name, choice, settings=settings))
        except IntegrityError as error:
            problems.append(f"v{choice}: {error}")
            continue
        return set_alias_after_verification(
            name, choice, alias, verify=verify, settings=settings, expected=current.version, operation="rollback"
        )
    raise IntegrityError(f"models:/{name}@{alias}: no version before holds: {'; '.join(problems)}")


def load_verified(found: Version, digest: str, *, settings: Settings) -> Any:
    """The pyfunc model of a version whose release was just verified as ``digest``, from MLflow's copy.

    Raises IntegrityError if the copy holds other bytes or other serving code than what was registered.
    """
    import mlflow

    with _registry(settings):
        same_digest(found, digest, f"the release of models:/{found.name}/{found.version}")
        folder = _model_folder(found)
        check_model_copy(found, folder, open_audit(settings))
        # Verified here and now, so the pyfunc need not start the program to have it done.
        return mlflow.pyfunc.load_model(str(folder), model_config={"payload_digest": digest, "verified": True})


def serving_software(found: Version, *, settings: Settings) -> dict[str, str]:
    """Libraries that a version was registered with, to their versions."""
    with _registry(settings):
        path = _model_folder(found) / "requirements.txt"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    pairs = [line.strip().split("==", 1) for line in lines if "==" in line]
    return dict(sorted((name, version) for name, version in pairs))


def check_against_log(found: Version, log: AuditLog) -> None:
    """That the version's tags are those it was created with. Raises IntegrityError if somebody edited them."""
    made = creation_of(found, log)
    if made is None:
        return
    for key, value in (("payload_digest", found.payload_digest), ("release_path", found.release_path)):
        if made[key] != value:
            raise IntegrityError(
                f"models:/{found.name}/{found.version}: its {key} tag is not the one it was created with; somebody "
                "edited the database, look: touchstone audit"
            )


def creation_of(found: Version, log: AuditLog) -> dict[str, str] | None:
    """What the log tells of a version's creation; None for one that no guard saw made.

    Raises IntegrityError if the log does not hold.
    """
    for record in log.trusted_records():
        if (record.operation, record.name, record.outcome) == ("create-version", found.name, "done") and (
            record.details.get("version") == found.version
        ):
            return record.details
    return None


def check_model_copy(found: Version, folder: Path, log: AuditLog) -> None:
    """MLflow's copy of a version: the payload's bytes, and beside them nothing that runs but the serving code.

    Raises IntegrityError if a file was changed, added or taken away.
    """
    where = f"models:/{found.name}/{found.version}"
    same_digest(found, verify_payload(folder / "artifacts" / _PAYLOAD_ARTIFACT), f"MLflow's copy of {where}")
    code = check_model_files(where, folder)
    made = creation_of(found, log)
    if code != ((made or {}).get("code") or digest_file(_SERVING)):
        raise IntegrityError(f"{where}: {_SERVING.name} in MLflow's copy is not the code it was registered with")


def check_source(name: str, folder: Path, digest: str) -> str:
    """What a version is about to be made of: a payload of this digest by its manifest, and the serving code of now.

    Its files are read when an alias is set and at load. Returns the digest of the serving code. Raises IntegrityError.
    """
    code = check_model_files(name, folder)
    if code != digest_file(_SERVING):
        raise IntegrityError(
            f"{name}: {_SERVING.name} in the source is not this program's; register with touchstone run"
        )
    listed = read_manifest(folder / "artifacts" / _PAYLOAD_ARTIFACT).digest()
    if listed != digest:
        raise IntegrityError(f"{name}: the source holds payload {listed[:19]}, the release is of {digest[:19]}")
    return code


def check_model_files(where: str, folder: Path) -> str:
    """The digest of the serving code in an MLflow model folder. Raises IntegrityError if anything else could run."""
    inside = f"artifacts/{_PAYLOAD_ARTIFACT}/"
    names = {name for name in walk_files(folder) if not name.startswith(inside)}
    if extra := sorted(names - _MODEL_FILES):
        raise IntegrityError(f"{where}: {', '.join(extra[:5])} in MLflow's copy; nothing but our files belongs there")
    if not {"MLmodel", _SERVING.name} <= names:
        raise IntegrityError(f"{where}: MLflow's copy lacks MLmodel or {_SERVING.name}; register the release again")
    try:
        model = yaml.safe_load((folder / "MLmodel").read_text(encoding="utf-8"))
        flavor = model["flavors"].pop("python_function")
        runs = (flavor["loader_module"], Path(flavor["model_code_path"]).name, flavor.get("code"), flavor.get("data"))
        parts = {key: entry["path"] for key, entry in flavor["artifacts"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
        raise IntegrityError(f"{where}: MLmodel is not readable as ours; register the release again") from error
    if runs != (_CODE_LOADER, _SERVING.name, None, None) or parts != {_PAYLOAD_ARTIFACT: inside[:-1]} \
            or model["flavors"]:  # fmt: skip
        raise IntegrityError(f"{where}: MLmodel loads something else than our serving code; register it again")
    return digest_file(folder / _SERVING.name)


def resolve_model(model: str, settings: Settings) -> Path:
    """The local folder of a model in any form of the contract.

    A payload or release folder, a Hugging Face folder, ``models:/NAME/VERSION``, ``models:/NAME@ALIAS`` or
    ``runs:/RUN_ID/PATH``. Versions give their release folder while it is here, else the payload that MLflow holds.
    Raises: ConfigError if there is no such model; ContractError if the folder is none of these.
    """
    if (parsed := parse_model_uri(model)) is not None:
        found = get_version(*parsed, settings=settings)
        release = settings.home / found.release_path
        if found.release_path and (release / "payload" / PAYLOAD_FILE).exists():
            return release
        with _registry(settings):
            return _registered_payload(found)
    if model.startswith("runs:/"):
        return _check_folder(_download(model, settings), model)
    folder = Path(model).expanduser()
    if not folder.exists():
        raise ConfigError(f"{model}: no such folder; a model is a folder, models:/NAME/VERSION, models:/NAME@ALIAS "
                          "or runs:/RUN_ID/PATH")  # fmt: skip
    return _check_folder(folder, model)


def approvals_text(tree: VerificationTree) -> str:
    """State of a release's approvals and the decisions that count, for readers of the version page."""
    approvals = next(check for check in tree.checks if check.name == "approvals")
    counted = [check.detail for check in approvals.children if check.status == "ok"]
    return "; ".join([str(tree.state or "not readable"), *counted])


def parse_model_uri(model: str) -> tuple[str, str] | None:
    """Name, and version or alias, of a ``models:/`` address; None for anything else.

    Raises ConfigError if it is malformed.
    """
    if not model.startswith("models:/"):
        return None
    match = _MODEL_URI.fullmatch(model)
    if match is None:
        raise ConfigError(f"{model}: expected models:/NAME/VERSION or models:/NAME@ALIAS")
    return match["name"], match["version"] or match["alias"]


def payload_folder(model: Path) -> Path:
    """The payload inside a payload or release folder. Raises ContractError for a plain checkpoint."""
    for folder in (model / "payload", model):
        if (folder / PAYLOAD_FILE).exists():
            return folder
    raise ContractError(f"{model}: a plain checkpoint; this needs a payload with its filter: run the pipeline on it")


def _check_folder(folder: Path, name: str) -> Path:
    known = (PAYLOAD_FILE, f"payload/{PAYLOAD_FILE}", "config.json")
    for candidate in (folder, folder / "artifacts" / _PAYLOAD_ARTIFACT):  # the second: an MLflow model of ours
        if any((candidate / file).exists() for file in known):
            return candidate
    raise ContractError(f"{name}: neither a payload (payload.json), a release (payload/) nor a Hugging Face folder "
                        "(config.json)")  # fmt: skip


def _log_model(client: MlflowClient, payload: Path, digest: str, run: RunRef, home: Path) -> Any:
    import mlflow
    from mlflow.models import Model

    with warnings.catch_warnings():
        # MLflow's own internals; a warning is no reason to lose a release.
        warnings.simplefilter("ignore")
        # Made here and not by `Model.log`, which would put it into the default experiment and so under ./mlruns.
        logged = client.create_logged_model(
            run.experiment_id, name="model", source_run_id=run.run_id, tags={DIGEST_TAG: digest}
        )
        return Model.log(
            artifact_path=None,
            model_id=logged.model_id,
            flavor=mlflow.pyfunc,
            run_id=run.run_id,
            python_model=str(_SERVING),
            artifacts={_PAYLOAD_ARTIFACT: str(payload)},
            # MLflow lets a loader change these keys alone.
            model_config={
                "payload_digest": digest,
                "release": str(payload.absolute().parent),
                "home": str(home),
                "verified": False,
            },
            pip_requirements=[f"{name}=={importlib.metadata.version(name)}" for name in _SERVING_LIBRARIES],
        )


def _registered_payload(version: Version) -> Path:
    """MLflow's copy of a version's payload."""
    return _model_folder(version) / "artifacts" / _PAYLOAD_ARTIFACT


def _model_folder(version: Version) -> Path:
    """MLflow's copy of a version: in place where its store is a local folder, else downloaded."""
    import mlflow

    return Path(mlflow.artifacts.download_artifacts(f"models:/{version.name}/{version.version}"))


def _download(uri: str, settings: Settings) -> Path:
    import mlflow

    with _registry(settings):
        return Path(mlflow.artifacts.download_artifacts(uri))


def release_folder(version: Version, settings: Settings) -> Path:
    """The release behind a version. Raises IntegrityError if it is gone."""
    folder = settings.home / version.release_path
    if not version.release_path or not folder.is_dir():
        raise IntegrityError(
            f"models:/{version.name}/{version.version}: its release folder {folder} is gone; run the pipeline again"
        )
    return folder


def same_digest(version: Version, digest: str, where: str) -> None:
    """Raises IntegrityError if a digest is not the one that the version was registered with."""
    if digest != version.payload_digest:
        raise IntegrityError(
            f"{where}: payload {digest[:19]} is not {version.payload_digest[:19]}, which version {version.version} of "
            f"{version.name} was registered with"
        )


def _version(client: MlflowClient, found: Any) -> Version:
    tags = found.tags
    return Version(
        name=found.name,
        version=str(found.version),
        payload_digest=tags.get(DIGEST_TAG, ""),
        decision=tags.get(DECISION_TAG, ""),
        candidate=tags.get(CANDIDATE_TAG, ""),
        run_id=found.run_id or "",
        # search_model_versions leaves aliases out
        aliases=tuple(client.get_model_version(found.name, str(found.version)).aliases),
        release_path=tags.get(RELEASE_TAG, ""),
    )


def _find(client: MlflowClient, name: str, version_or_alias: str) -> Any:
    from mlflow.exceptions import MlflowException

    try:
        if version_or_alias.isdigit():
            return client.get_model_version(name, version_or_alias)
        return client.get_model_version_by_alias(name, version_or_alias)
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise
        raise ConfigError(
            f"models:/{name}: no version or alias {version_or_alias!r}; `touchstone status` lists them"
        ) from error


def _shown(version: str) -> str:
    return f"v{version}" if version else "nothing"


def _aliased(client: MlflowClient, name: str, alias: str) -> str:
    """The version an alias stands at; empty if it stands nowhere, or there is no such model."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_registered_model(name).aliases.get(alias, ""))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return ""


def _ensure_model(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _set_tags(client: MlflowClient, name: str, version: str, tags: Mapping[str, str]) -> None:
    for key, value in tags.items():
        client.set_model_version_tag(name, version, key, value)


@contextmanager
def _registry(settings: Settings) -> Iterator[MlflowClient]:
    """A client of the registry; MLflow's own failures leave as InfrastructureError."""
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    tracking, registry = settings.tracking_uri(), settings.registry_uri()
    try:
        client = client_for(tracking)  # sets up a fresh database
        if registry != tracking:
            client = MlflowClient(tracking_uri=tracking, registry_uri=registry)
        # `models:/` addresses are resolved against the process's own.
        mlflow.set_tracking_uri(tracking)
        mlflow.set_registry_uri(registry)
        yield client
    except (MlflowException, RequestException, SQLAlchemyError) as error:
        reason = (str(error).splitlines() or [""])[0]
        if isinstance(error, MlflowException) and error.error_code == "PERMISSION_DENIED":
            raise IntegrityError(reason.removeprefix("PERMISSION_DENIED: ")) from error  # the guard's own words
        raise InfrastructureError(f"MLflow at {registry}: {reason}; see `touchstone doctor`") from error
