"""MLflow's model registry with a guard: ``guarded+sqlite:///FILE?home=HOME``, ``guarded+postgresql://…?home=HOME``.

An MLflow plugin (entry point group ``mlflow.model_registry_store``): the server and the client build this store for
those schemes, so the user interface, REST and the Python client all pass through it. ``home`` is percent-encoded and
falls back on ``TOUCHSTONE_HOME``. Every change is judged by ``tasks.registry_rules`` and written to the audit log;
a refusal is ``PERMISSION_DENIED`` (HTTP 403), since clients repeat other codes for minutes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import PERMISSION_DENIED
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore

from components.core.errors import TouchstoneError
from components.core.hashing import digest_bytes
from tasks import registry
from tasks.audit import one_change, this_user
from tasks.registry_rules import NewVersion, RegistryRules
from tasks.settings import Settings

SCHEME_PREFIX = "guarded+"
_SHOWN_CHARACTERS = 200


class GuardedStore(SqlAlchemyStore):  # type: ignore[misc]  # MLflow carries no types
    """The SQL registry, less what would let a model be served that nobody approved. Reading is untouched."""

    def __init__(self, store_uri: str) -> None:
        """Open the database behind the guard."""
        database_uri, home = split_uri(store_uri)
        super().__init__(database_uri)
        self._rules = RegistryRules(Settings(home=Path(home)) if home else Settings())

    def set_registered_model_alias(self, name: str, alias: str, version: str) -> None:
        """Set an alias; a protected one only where the version's release holds."""
        with self._attempt("set-alias", name, alias=alias, version=str(version)) as attempt, ExitStack() as copies:
            if self._rules.is_protected(name, alias):
                found = self._version(name, version)
                self._rules.check_alias(found, alias, lambda: copies.enter_context(self._copy_of(found)))
            attempt.allow()
            super().set_registered_model_alias(name, alias, version)
            attempt.done()

    def delete_registered_model_alias(self, name: str, alias: str) -> None:
        """Delete an alias that is not protected."""
        with self._attempt("delete-alias", name, alias=alias) as attempt:
            self._rules.check_alias_deletion(name, alias)
            attempt.allow()
            super().delete_registered_model_alias(name, alias)

    def create_model_version(self, name: str, source: str, *args: Any, **kwargs: Any) -> Any:
        """Create a version; under a name of this home only of a release sealed under it."""
        tags = {tag.key: tag.value for tag in kwargs.get("tags") or (args[1] if len(args) > 1 else None) or []}
        wanted = {key: tags.get(tag, "") for tag, key in registry.IDENTITY_TAGS.items() if tags.get(tag)}
        with self._attempt("create-version", name, source=source, **wanted) as attempt:
            self._rules.check_creation(self._new_version(name, source, tags))
            code = self._check_source(name, source, tags[registry.DIGEST_TAG]) if wanted else {}
            attempt.allow()
            made = super().create_model_version(name, source, *args, **kwargs)
            attempt.done(version=str(made.version), **code)
        return made

    def set_model_version_tag(self, name: str, version: str, tag: Any) -> None:
        """Set a tag; one of ours only where the release says the same."""
        with self._attempt("set-tag", name, version=str(version), **_tag_details(tag.key, tag.value)) as attempt:
            self._rules.check_tag(self._version(name, version), tag.key, tag.value)
            attempt.allow()
            super().set_model_version_tag(name, version, tag)

    def delete_model_version_tag(self, name: str, version: str, key: str) -> None:
        """Delete a tag that is not ours."""
        with self._attempt("delete-tag", name, version=str(version), key=key) as attempt:
            self._rules.check_tag_deletion(self._version(name, version), key)
            attempt.allow()
            super().delete_model_version_tag(name, version, key)

    def transition_model_version_stage(
        self, name: str, version: str, stage: str, archive_existing_versions: bool
    ) -> Any:
        """Move a version that is not ours to a stage that is not Production."""
        with self._attempt("set-stage", name, version=str(version), stage=stage) as attempt:
            self._rules.check_stage(self._version(name, version), stage)
            attempt.allow()
            return super().transition_model_version_stage(name, version, stage, archive_existing_versions)

    def delete_model_version(self, name: str, version: str) -> None:
        """Delete a version that is not sealed."""
        with self._attempt("delete-version", name, version=str(version)) as attempt:
            self._rules.check_removal(name, [self._version(name, version)], "deleted")
            attempt.allow()
            super().delete_model_version(name, version)

    def update_model_version(self, name: str, version: str, description: str | None = None) -> Any:
        """Describe a version: free text, recorded."""
        with self._attempt("describe-version", name, version=str(version)) as attempt:
            attempt.allow()
            return super().update_model_version(name, version, description)

    def create_registered_model(self, name: str, tags: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Make a registered model."""
        with self._attempt("create-model", name) as attempt:
            for tag in tags or []:
                self._rules.check_model_tag(name, tag.key)
            attempt.allow()
            return super().create_registered_model(name, tags, *args, **kwargs)

    def update_registered_model(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Describe a registered model: free text, recorded."""
        with self._attempt("describe-model", name) as attempt:
            attempt.allow()
            return super().update_registered_model(name, *args, **kwargs)

    def rename_registered_model(self, name: str, new_name: str) -> Any:
        """Rename a model that holds nothing sealed, to a name that is not this home's."""
        with self._attempt("rename-model", name, new_name=new_name) as attempt:
            self._rules.check_removal(name, self._versions(name), "renamed")
            self._rules.check_new_name(new_name)
            attempt.allow()
            return super().rename_registered_model(name, new_name)

    def delete_registered_model(self, name: str) -> None:
        """Delete a model that holds nothing sealed."""
        with self._attempt("delete-model", name) as attempt:
            self._rules.check_removal(name, self._versions(name), "deleted")
            attempt.allow()
            super().delete_registered_model(name)

    def set_registered_model_tag(self, name: str, tag: Any) -> None:
        """Set a model's tag that is not ours."""
        with self._attempt("set-model-tag", name, **_tag_details(tag.key, tag.value)) as attempt:
            self._rules.check_model_tag(name, tag.key)
            attempt.allow()
            super().set_registered_model_tag(name, tag)

    def delete_registered_model_tag(self, name: str, key: str) -> None:
        """Delete a model's tag."""
        with self._attempt("delete-model-tag", name, key=key) as attempt:
            attempt.allow()
            super().delete_registered_model_tag(name, key)

    @contextmanager
    def _attempt(self, operation: str, name: str, **details: str) -> Iterator[_Attempt]:
        """One change, alone, and in the audit log however it ends."""
        attempt = _Attempt(self._rules, operation, str(name)[:_SHOWN_CHARACTERS], details)
        try:
            with one_change(self._rules.settings):
                try:
                    yield attempt
                except TouchstoneError as error:
                    attempt.record("refused", reason=str(error))
                    raise
                except Exception as error:
                    # Ours or the database's: nothing of it is lost, and the client learns what MLflow would tell it.
                    attempt.record("failed", reason=type(error).__name__)
                    raise
        except TouchstoneError as error:
            raise MlflowException(f"touchstone refuses: {error}", error_code=PERMISSION_DENIED) from error

    def _copy_of(self, found: registry.Version) -> AbstractContextManager[Path]:
        return _model_folder(self.get_model_version_download_uri(found.name, found.version))

    def _version(self, name: str, version: str) -> registry.Version:
        found = self.get_model_version(name, version)
        return _as_version(found)

    def _versions(self, name: str) -> list[registry.Version]:
        quoted = str(name).replace("'", "''")
        found, token = [], None
        while True:
            page = self.search_model_versions(f"name = '{quoted}'", page_token=token)
            found += [_as_version(item) for item in page]
            token = page.token
            if not token:
                return found

    def _new_version(self, name: str, source: str, tags: Mapping[str, str]) -> NewVersion:
        """What the registry holds already of the bytes and of the payload."""
        from mlflow.store.model_registry.dbmodels.models import SqlModelVersion, SqlModelVersionTag

        places = {source, self._location(source)}
        digest = tags.get(registry.DIGEST_TAG)
        with self.ManagedSessionMaker() as session:
            sealed = (
                session.query(SqlModelVersion, SqlModelVersionTag.value)
                .join(
                    SqlModelVersionTag,
                    (SqlModelVersionTag.name == SqlModelVersion.name)
                    & (SqlModelVersionTag.version == SqlModelVersion.version),
                )
                .filter(SqlModelVersionTag.key == registry.DIGEST_TAG)
                .all()
            )
            known = [(v.name, v.version, {v.source, v.storage_location}, value) for v, value in sealed]
        return NewVersion(
            name=name,
            tags=tags,
            twins=tuple(f"models:/{n}/{v}" for n, v, where, _ in known if places & (where - {None})),
            same_payload=tuple(f"models:/{n}/{v}" for n, v, _, value in known if n == name and value == digest),
        )

    def _location(self, source: str) -> str:
        """Where a ``models:/`` source leads, as MLflow will store it; anything else as it is."""
        from mlflow.store.artifact.utils.models import _parse_model_uri
        from mlflow.tracking import MlflowClient

        if urlsplit(source).scheme != "models":
            return source
        parsed = _parse_model_uri(source)
        if parsed.model_id is not None:
            return str(MlflowClient().get_logged_model(parsed.model_id).artifact_location)
        return str(self.get_model_version_download_uri(parsed.name, parsed.version))

    def _check_source(self, name: str, source: str, digest: str) -> dict[str, str]:
        """That a source holds the release's payload and our serving code; the digest of that code for the log."""
        with _model_folder(self._location(source)) as folder:
            return {"code": registry.check_source(name, folder, digest)}


class _Attempt:
    """One change on its way through the guard."""

    def __init__(self, rules: RegistryRules, operation: str, name: str, details: Mapping[str, str]) -> None:
        self._rules, self._operation, self._name = rules, operation, name
        self._details = {key: str(value)[:_SHOWN_CHARACTERS] for key, value in details.items()}
        self._actor = _actor()

    def allow(self) -> None:
        """Judged good; written before anything changes."""
        self.record("allowed")

    def done(self, **more: str) -> None:
        """Changed. Recorded where later checks ask for it: aliases and creations."""
        self._details |= more
        self.record("done")

    def record(self, outcome: Any, reason: str = "") -> None:
        self._rules.log.append(
            self._operation, self._name, outcome, actor=self._actor, reason=reason, details=self._details
        )


@contextmanager
def _model_folder(uri: str) -> Iterator[Path]:
    """An MLflow model: in place where it is a local folder, else downloaded for the while."""
    import mlflow

    with tempfile.TemporaryDirectory(prefix="touchstone-") as folder:
        local = urlsplit(uri).scheme in {"", "file"}
        yield Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=None if local else folder))


def split_uri(store_uri: str) -> tuple[str, str]:
    """The database's own URI, and the home (empty if the URI names none)."""
    database, _, query = store_uri.removeprefix(SCHEME_PREFIX).partition("?")
    values = parse_qs(query)
    home = values.pop("home", [""])[0]
    rest = urlencode(values, doseq=True)
    return (f"{database}?{rest}" if rest else database), home


def _as_version(found: Any) -> registry.Version:
    return registry.Version(
        name=found.name,
        version=str(found.version),
        payload_digest=found.tags.get(registry.DIGEST_TAG, ""),
        decision=found.tags.get(registry.DECISION_TAG, ""),
        candidate=found.tags.get(registry.CANDIDATE_TAG, ""),
        run_id=found.run_id or "",
        aliases=tuple(found.aliases),
        release_path=found.tags.get(registry.RELEASE_TAG, ""),
    )


def _tag_details(key: str, value: str) -> dict[str, str]:
    """A tag for the log: the value of ours as it is, of any other one its digest, since it may hold anything."""
    shown = str(value) if str(key).startswith("touchstone.") else digest_bytes(str(value).encode("utf-8"))
    return {"key": str(key), "value": shown}


def _actor() -> str:
    """Who asks: the account that logged in to the server, else the address; the user of a process without server."""
    try:
        from flask import has_request_context, request
    except ImportError:
        return this_user()
    if not has_request_context():
        return this_user()
    account = request.authorization.username if request.authorization else None
    return f"{account or 'nobody logged in'} from {request.remote_addr}"
