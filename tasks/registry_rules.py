"""What the guarded registry lets happen: the rules, over this home's releases, keys, policies and audit log.

Each ``check_…`` returns nothing and raises IntegrityError or ConfigError with one line that says why not and what to
do. Nothing here believes a tag: tags name a release, and the release and the log are asked.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.core.errors import ConfigError, IntegrityError
from components.core.jsonfiles import read_json
from components.release.approvals import ApprovalState
from components.release.verify import read_seal
from tasks import registry
from tasks.audit import open_audit
from tasks.release_control import (
    check_promotable,
    check_version,
    inspect_release,
    open_keyring,
    open_policies,
    protected_aliases,
    release_of,
)
from tasks.settings import Settings

TAG_PREFIX = "touchstone."
_PROMPT_TAG = "mlflow.prompt.is_prompt"
_PROMOTE = "touchstone why tells what is open, touchstone promote moves the alias"


@dataclass(frozen=True)
class NewVersion:
    """A version that somebody wants to create. ``twins``: sealed versions with the same source, as ``name/version``."""

    name: str
    tags: Mapping[str, str]
    twins: tuple[str, ...]
    same_payload: tuple[str, ...]


class RegistryRules:
    """The rules of one home."""

    def __init__(self, settings: Settings) -> None:
        """Everything is read anew at every check."""
        self.settings = settings
        self.log = open_audit(settings)

    def is_governed(self, name: str) -> bool:
        """Whether a name belongs to this home's releases: its policy is pinned, or something was sealed under it."""
        try:
            pinned = open_policies(self.settings).path(name).exists()
        except ConfigError:
            return False
        return pinned or (self.settings.releases_folder / name).is_dir()

    def is_protected(self, name: str, alias: str) -> bool:
        """Whether only a verified release may bear an alias, however it is spelt."""
        return unicodedata.normalize("NFKC", alias).strip().casefold() in protected_aliases(name, self.settings)

    def check_alias(self, found: registry.Version, alias: str, model_folder: Callable[[], Path]) -> None:
        """A protected alias may move to a version whose release holds, and back to one that bore it and still holds."""
        where = f"models:/{found.name}/{found.version}"
        if not found.payload_digest or not found.release_path:
            raise IntegrityError(f"@{alias} is protected and {where} holds no sealed release; {_PROMOTE}")
        registry.check_against_log(found, self.log)
        try:
            digest = check_promotable(found, settings=self.settings)
        except IntegrityError as error:
            if found.version not in self.log.trail(found.name, alias).versions:
                raise IntegrityError(f"@{alias} is protected: {error}; {_PROMOTE}") from error
            digest = check_version(found, settings=self.settings)
        registry.same_digest(found, digest, f"the release of {where}")
        registry.check_model_copy(found, model_folder(), self.log)

    def check_alias_deletion(self, name: str, alias: str) -> None:
        """A protected alias is moved, never removed."""
        if self.is_protected(name, alias):
            raise IntegrityError(f"@{alias} of {name} is protected and cannot be deleted; touchstone rollback {name}")

    def check_creation(self, new: NewVersion) -> None:
        """A version of one of our names is a sealed release of that name, and the only one of its payload."""
        ours = {key: value for key, value in new.tags.items() if _is_ours(key)}
        if new.twins:
            raise IntegrityError(f"these bytes are {new.twins[0]}, a sealed release; it cannot be registered again")
        if not ours and not self.is_governed(new.name):
            return
        if unknown := sorted(set(ours) - {*registry.IDENTITY_TAGS, registry.DECISION_TAG, registry.CANDIDATE_TAG}):
            raise IntegrityError(f"tag {unknown[0]} is not set at creation; register releases with touchstone run")
        if not set(registry.IDENTITY_TAGS) <= set(ours):
            raise IntegrityError(f"{new.name} holds sealed releases only; register one with touchstone run")
        if new.same_payload:
            raise IntegrityError(f"this payload is {new.same_payload[0]} already; promote that one")
        candidate = registry.Version(
            name=new.name,
            version="new",
            payload_digest=ours[registry.DIGEST_TAG],
            decision="",
            candidate="",
            run_id="",
            release_path=ours[registry.RELEASE_TAG],
        )
        folder = release_of(candidate, self.settings)
        sealed = "sha256:" + read_seal(folder, open_keyring(self.settings)).subject[0].digest.sha256
        registry.same_digest(candidate, sealed, str(folder))
        for key in (registry.DECISION_TAG, registry.CANDIDATE_TAG):
            if key in ours:
                self.check_tag(candidate, key, ours[key])

    def check_tag(self, found: registry.Version, key: str, value: str) -> None:
        """A tag of ours says what the release says; nobody else's version may bear one."""
        if not _is_ours(key):
            return
        where = f"models:/{found.name}/{found.version}"
        if not found.payload_digest or not found.release_path:
            raise IntegrityError(f"{key} is kept for sealed releases, which {where} is not; use another tag")
        if key in registry.IDENTITY_TAGS:
            if value != getattr(found, registry.IDENTITY_TAGS[key]):
                raise IntegrityError(
                    f"{key} of {where} cannot change; register the other release as a version of its own"
                )
        elif key == registry.DECISION_TAG:
            self._check_decision(found, value)
        elif key == registry.CANDIDATE_TAG:
            sealed = read_json(release_of(found, self.settings) / "envelope" / "provenance.json").get(
                "candidate", value
            )
            if value != sealed:
                raise IntegrityError(f"{key} of {where}: the release was sealed for candidate {sealed!r}")
        elif key == registry.APPROVALS_TAG:
            if value != self.approvals_text(found):
                raise IntegrityError(f"{key} of {where}: the release says {self.approvals_text(found)!r}")
        elif key.startswith(registry.PREVIOUS_TAG):
            before = self.log.trail(found.name, key.removeprefix(registry.PREVIOUS_TAG)).before(found.version)
            if value not in before[:1]:
                raise IntegrityError(f"{key} of {where}: the audit log knows {before[0] if before else 'none'}")
        else:
            raise IntegrityError(f"{key} is no tag that touchstone sets; use one of your own")

    def approvals_text(self, found: registry.Version) -> str:
        """State of a version's approvals and who signed which decision, for the version page."""
        return registry.approvals_text(inspect_release(release_of(found, self.settings), settings=self.settings))

    def _check_decision(self, found: registry.Version, value: str) -> None:
        where = f"models:/{found.name}/{found.version}"
        if value == registry.PROMOTED:
            aliases = protected_aliases(found.name, self.settings)
            if not any(self._stood_at(found, alias) for alias in aliases):
                raise IntegrityError(f"{where} was never promoted, so it cannot be tagged so; {_PROMOTE}")
            return
        tree = inspect_release(release_of(found, self.settings), settings=self.settings)
        states = {"refused"} if not tree.ok else set()
        states |= {str(tree.state)} if tree.state is not None else set()
        states |= {"pending"} if tree.state is not ApprovalState.REJECTED else set()
        if value == "approved" and not tree.ok:
            states.discard("approved")
        if value not in states:
            raise IntegrityError(
                f"{where}: its release is {tree.state or 'broken'}, not {value!r}; see touchstone verify"
            )

    def _stood_at(self, found: registry.Version, alias: str) -> bool:
        trail = self.log.trail(found.name, alias)
        return found.version in trail.versions or found.version in trail.open

    def check_tag_deletion(self, found: registry.Version, key: str) -> None:
        """A tag of ours stays."""
        if _is_ours(key):
            raise IntegrityError(f"{key} of models:/{found.name}/{found.version} cannot be deleted")

    def check_model_tag(self, name: str, key: str) -> None:
        """No tag of a registered model may speak for a release, or hide our models among the prompts."""
        if _is_ours(key) or (key == _PROMPT_TAG and self.is_governed(name)):
            raise IntegrityError(f"{key} cannot be set on the model {name}; touchstone tags versions alone")

    def check_stage(self, found: registry.Version, stage: str) -> None:
        """Stages know nothing of releases, so ours have none and nobody's becomes Production by one."""
        if (
            found.payload_digest
            or found.release_path
            or self.is_governed(found.name)
            or stage.casefold() == "production"
        ):
            raise IntegrityError(f"stages are not used here; {_PROMOTE}")

    def check_removal(self, name: str, versions: list[registry.Version], what: str) -> None:
        """What is sealed stays where it is, under the name it has."""
        for found in versions:
            if found.payload_digest or found.release_path:
                raise IntegrityError(
                    f"{name} holds the sealed release v{found.version} and cannot be {what}; "
                    "reject it with touchstone reject, it stays as evidence"
                )

    def check_new_name(self, name: str) -> None:
        """A model cannot be renamed to a name of this home's releases."""
        if self.is_governed(name):
            raise IntegrityError(f"{name} is a name of this home's releases; no other model can take it")


def _is_ours(key: str) -> bool:
    return unicodedata.normalize("NFKC", key).strip().casefold().startswith(TAG_PREFIX)
