"""Approving, promoting, loading and rolling back releases: the release room's rules over this home's keys and registry.

The policy is the one pinned for the model's name (``components.release.policy``). A home that pinned none yet takes the
one sealed with the release and pins it; nobody can bring another one on the command line.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from components.core.artefacts import DataDocuments
from components.core.errors import ConfigError, IntegrityError
from components.core.hashing import digest_file
from components.core.jsonfiles import read_json
from components.core.store import MANIFEST, ArtefactStore
from components.release.approvals import approve, reject, waive
from components.release.config import PROTECTED_ALIASES, ReleaseConfig
from components.release.keys import KeyRing, SigningKey
from components.release.policy import PolicyPins
from components.release.release import ENVELOPE_DIR, STATEMENT_FILE
from components.release.release import release_folder as sealed_folder
from components.release.verify import VerificationTree, promotable, read_seal, servable, verify_release
from tasks import registry
from tasks.audit import open_audit, this_user
from tasks.history import data_locations
from tasks.settings import Settings
from tasks.tracking import RunRef, log_path

POLICY_KEY = "release_policy"


def now() -> datetime:
    """The present, UTC."""
    return datetime.now(UTC)


def open_keyring(settings: Settings) -> KeyRing:
    """The keys of this home."""
    return KeyRing(settings.keys_folder)


def open_policies(settings: Settings) -> PolicyPins:
    """The approval policies pinned in this home."""
    return PolicyPins(settings.keys_folder)


def protected_aliases(name: str, settings: Settings) -> frozenset[str]:
    """Aliases of a model that only a verified release may bear, in small letters."""
    try:
        pinned = open_policies(settings).read(name)
    except ConfigError:  # a name that no release can have
        pinned = None
    return frozenset(alias.casefold() for alias in (*PROTECTED_ALIASES, *(pinned.protected_aliases if pinned else ())))


def find_policy(release: Path, *, settings: Settings, given: ReleaseConfig | None = None) -> ReleaseConfig:
    """The approval policy of a release's model name: the pinned one, else the sealed one, which is pinned by this.

    Raises ConfigError if ``given`` says something else, or there is none at all.
    """
    pins = open_policies(settings)
    try:
        name = read_seal(release, open_keyring(settings)).predicate.name
    except IntegrityError:  # verification will say what is wrong; nothing is pinned for a release like this
        name = release.absolute().parent.name
        standing = _read_pin(pins, name) or given or _sealed_policy(release)
    else:
        standing = pins.read(name) or pins.pin(name, _sealed_policy(release, given))
    return pins.require_same(name, given, standing) if given is not None else standing


def _read_pin(pins: PolicyPins, name: str) -> ReleaseConfig | None:
    try:
        return pins.read(name)
    except ConfigError:
        return None


def _sealed_policy(release: Path, otherwise: ReleaseConfig | None = None) -> ReleaseConfig:
    path = release / "envelope" / "provenance.json"
    try:
        found = read_json(path).get(POLICY_KEY)
        if found is None and otherwise is not None:
            return otherwise
        return ReleaseConfig.model_validate(found)
    except (OSError, ValueError, AttributeError, ValidationError) as error:
        raise ConfigError(f"{path}: holds no {POLICY_KEY}; name the policy with --profile or --config") from error


def check_is_release(folder: Path) -> Path:
    """The folder, if it is a sealed release. Raises IntegrityError otherwise."""
    if not (folder / "envelope" / "statement.json").exists():
        raise IntegrityError(f"{folder}: not a sealed release (no envelope/statement.json); name one that a run made")
    return folder


def sign_decision(
    kind: Literal["approve", "reject"],
    release: Path,
    reason: str,
    *,
    settings: Settings,
    key_file: Path | None = None,
    key_name: str = "",
    policy: ReleaseConfig | None = None,
    actor: str | None = None,
) -> tuple[Path, SigningKey]:
    """Sign an approval or a rejection; returns the file and the key that signed.

    ``key_name`` is the registered name of a key that lies in this home; with neither name nor file, the development key
    signs. ``actor`` is who asked, for the audit log, where that is not this process's user alone.
    """
    rules = find_policy(check_is_release(release), settings=settings, given=policy)
    key = _signer(settings, key_file, key_name, rules.required_approvals[0].role)
    moment = now()
    if kind == "reject":
        path = reject(release, key, reason=reason, now=moment)
    else:
        expires = moment + timedelta(days=rules.approval_valid_days)
        path = approve(release, key, reason=reason, expires=expires, now=moment)
    _record_decision(kind, release, path, key, settings, actor=actor)
    return path, key


def sign_waiver(
    release: Path,
    gate: str,
    reason: str,
    until: str,
    *,
    settings: Settings,
    key_file: Path | None = None,
    key_name: str = "",
    policy: ReleaseConfig | None = None,
    actor: str | None = None,
) -> tuple[Path, SigningKey]:
    """Sign a waiver of one gate until the end of a day (YYYY-MM-DD, UTC). Keys and actor as in ``sign_decision``."""
    rules = find_policy(check_is_release(release), settings=settings, given=policy)
    if not rules.waiver_roles:
        raise ConfigError("release.waiver_roles is empty: this policy lets nobody waive a gate")
    try:
        end = datetime.combine(date.fromisoformat(until), time.max, UTC)
    except ValueError as error:
        raise ConfigError(f"--until {until}: not a date; write YYYY-MM-DD") from error
    key = _signer(settings, key_file, key_name, rules.waiver_roles[0])
    path = waive(release, key, gate=gate, reason=reason, until=end, now=now())
    _record_decision("waive", release, path, key, settings, actor=actor)
    return path, key


def _record_decision(
    kind: str, release: Path, file: Path, key: SigningKey, settings: Settings, *, actor: str | None
) -> None:
    """Note a signed file in the audit log, so that taking it away shows."""
    details = {"file": file.name, "key": key.record.name, "statement": _statement_digest(release)}
    name = read_seal(release, open_keyring(settings)).predicate.name
    open_audit(settings).append(kind, name, "done", actor=actor or this_user(), details=details)


def _recorded_decisions(release: Path, settings: Settings) -> frozenset[str]:
    """Files of ``approvals/`` that were signed here for the release as it is sealed now.

    Raises IntegrityError if the log does not hold.
    """
    statement = _statement_digest(release)
    return frozenset(
        record.details["file"]
        for record in open_audit(settings).trusted_records()
        if record.operation in {"approve", "reject", "waive"} and record.details.get("statement") == statement
    )


def _statement_digest(release: Path) -> str:
    return digest_file(release / ENVELOPE_DIR / STATEMENT_FILE)


def inspect_release(
    release: Path, *, settings: Settings, policy: ReleaseConfig | None = None, serving: bool = False
) -> VerificationTree:
    """Every check over a release, as a tree."""
    rules = find_policy(check_is_release(release), settings=settings, given=policy)
    purpose: Literal["promote", "serve"] = "serve" if serving else "promote"
    return verify_release(
        release,
        open_keyring(settings),
        rules,
        now=now(),
        purpose=purpose,
        recorded=_recorded_decisions(release, settings),
    )


def check_servable(release: Path, *, settings: Settings, policy: ReleaseConfig | None = None) -> str:
    """The payload digest of a release whose chain holds. Raises IntegrityError with every reason otherwise."""
    rules = find_policy(check_is_release(release), settings=settings, given=policy)
    recorded = _recorded_decisions(release, settings)
    return servable(release, open_keyring(settings), rules, now=now(), recorded=recorded)


def promote_version(
    name: str,
    version: str,
    *,
    settings: Settings,
    alias: str = registry.PRODUCTION,
    policy: ReleaseConfig | None = None,
    expected: str | None = None,
) -> registry.Promotion:
    """Set an alias to a version whose release may be promoted. Raises IntegrityError with every reason otherwise.

    ``expected`` is the version that the alias is believed to stand at (empty for none): if it does not, somebody else
    was faster and nothing is changed. By default it is what the alias stood at when this began.
    """

    def verify(found: registry.Version) -> str:
        return check_promotable(found, settings=settings, policy=policy)

    done = registry.set_alias_after_verification(
        name, version, alias, verify=verify, settings=settings, expected=expected
    )
    publish_approvals(name, done.version, settings=settings)
    write_documents(done, settings=settings)
    return done


def write_documents(done: registry.Promotion, *, settings: Settings) -> Path:
    """Write the documents of a promoted version into this home and log them to its run; returns the folder."""
    from components.dossier.facts import Promoted, collect_facts
    from components.dossier.write import write_dossier

    found = registry.get_version(done.name, done.version, settings=settings)
    release = release_of(found, settings)
    facts = collect_facts(
        release,
        Promoted(done.name, done.version, done.alias, done.previous, now()),
        inspect_release(release, settings=settings),
        keyring=open_keyring(settings),
        policy=find_policy(release, settings=settings),
        data=_documented_data(found.run_id, settings),
        software=registry.serving_software(found, settings=settings),
        recorded=_recorded_decisions(release, settings),
    )
    folder = write_dossier(facts, settings.documents_folder / done.name / f"v{done.version}")
    log_path(RunRef(run_id=found.run_id, tracking_uri=settings.tracking_uri()), folder, "documents")
    return folder


def _documented_data(run_id: str, settings: Settings) -> dict[str, Path]:
    """Purpose to the documents of a version's data, where this home still holds them."""
    store, found = ArtefactStore(settings.home), data_locations(run_id, settings)
    manifests = {purpose: settings.home / location / MANIFEST for purpose, location in found.items()}
    return {
        purpose: store.path(DataDocuments.model_validate(read_json(path)))
        for purpose, path in manifests.items()
        if path.exists()
    }


def publish_approvals(name: str, version: str, *, settings: Settings) -> None:
    """Write who approved, and the decision that follows from it, on the version's page in the registry."""
    found = registry.get_version(name, version, settings=settings)
    tree = inspect_release(release_of(found, settings), settings=settings)
    tags = {registry.APPROVALS_TAG: registry.approvals_text(tree)}
    if found.decision != registry.PROMOTED and tree.state is not None and (tree.ok or tree.state != "approved"):
        tags[registry.DECISION_TAG] = str(tree.state)
    registry.tag_version(name, found.version, tags, settings=settings)


def roll_back(
    name: str, *, settings: Settings, alias: str = registry.PRODUCTION, policy: ReleaseConfig | None = None
) -> registry.Promotion:
    """Set an alias to the last good version before; expired approvals do not stop a way back, a revoked key does."""

    def verify(found: registry.Version) -> str:
        return check_version(found, settings=settings, policy=policy)

    return registry.rollback(name, verify=verify, settings=settings, alias=alias)


def check_promotable(found: registry.Version, *, settings: Settings, policy: ReleaseConfig | None = None) -> str:
    """The payload digest of a version whose release may be promoted. Raises IntegrityError otherwise."""
    release = release_of(found, settings)
    rules = find_policy(release, settings=settings, given=policy)
    recorded = _recorded_decisions(release, settings)
    return promotable(release, open_keyring(settings), rules, now=now(), recorded=recorded)


def check_version(found: registry.Version, *, settings: Settings, policy: ReleaseConfig | None = None) -> str:
    """The payload digest of a version whose release may be served. Raises IntegrityError otherwise."""
    return check_servable(release_of(found, settings), settings=settings, policy=policy)


def check_loadable(model: str, folder: Path, *, settings: Settings, policy: ReleaseConfig | None = None) -> str:
    """The payload digest of a model that may be served: its release holds, and so does what the registry says of it.

    ``model`` is what the user wrote and ``folder`` what it was resolved to. A registry address must agree with the
    audit log too, so that an alias or a tag edited in the database is found. Raises IntegrityError otherwise.
    """
    parsed = registry.parse_model_uri(model)
    if parsed is None:
        return check_servable(folder, settings=settings, policy=policy)
    found = registry.get_version(*parsed, settings=settings)
    check_standing(found, parsed[1], settings=settings)
    digest = check_version(found, settings=settings, policy=policy)
    registry.same_digest(found, digest, str(folder))
    return digest


def check_standing(found: registry.Version, address: str, *, settings: Settings) -> None:
    """That the audit log knows the version, and the alias it was addressed by, as the registry tells them.

    Raises IntegrityError if the registry was edited behind the guard.
    """
    log = open_audit(settings)
    registry.check_against_log(found, log)
    if not address.isdigit() and address.casefold() in protected_aliases(found.name, settings):
        trail = log.trail(found.name, address)
        if not trail.allows(found.version):
            known = f"v{trail.current}" if trail.current else "never set"
            raise IntegrityError(
                f"models:/{found.name}@{address}: stands at v{found.version} in the database, by the audit log it is "
                f"{known}; promote or roll back with touchstone, and look who edited it: touchstone audit"
            )


def load_production(name: str, *, settings: Settings, alias: str = registry.PRODUCTION) -> Any:
    """The pyfunc model behind an alias, if everything about it holds; ``predict(["text", …])`` gives a mapping a text.

    Raises IntegrityError if the release, the registry's word on it or MLflow's copy of it does not hold.
    """
    found = registry.get_version(name, alias, settings=settings)
    check_standing(found, alias, settings=settings)
    return registry.load_verified(found, check_version(found, settings=settings), settings=settings)


def release_of(found: registry.Version, settings: Settings) -> Path:
    """The folder that a version's release must lie in, sealed under the version's own name."""
    folder = registry.release_folder(found, settings)
    if folder != sealed_folder(settings.releases_folder, found.name, found.payload_digest):
        raise IntegrityError(
            f"models:/{found.name}/{found.version}: its tags name {folder}, which is not where the release of "
            f"{found.payload_digest[:19]} lies; distrust the tags"
        )
    sealed = read_seal(check_is_release(folder), open_keyring(settings)).predicate.name
    if sealed != found.name:
        raise IntegrityError(f"{folder}: was sealed as {sealed!r}, not as {found.name!r}; seal it under its own name")
    return folder


def _signer(settings: Settings, key_file: Path | None, key_name: str, role: str) -> SigningKey:
    keyring = open_keyring(settings)
    if key_file is not None:
        return keyring.signer_from_file(key_file)
    return keyring.signer(key_name) if key_name else keyring.development_key(role, now=now())
