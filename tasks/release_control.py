"""Approving, promoting and rolling back releases: the release room's rules over this home's keys and registry.

The policy is the one that was sealed with the release (``release_policy`` in its signed provenance), so whoever
promotes need not know which profile made it; a caller may bring another one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from components.core.errors import ConfigError, IntegrityError
from components.core.jsonfiles import read_json
from components.release.approvals import approve, reject, waive
from components.release.config import ReleaseConfig
from components.release.keys import KeyRing, SigningKey
from components.release.verify import VerificationTree, promotable, servable, verify_release
from tasks import registry
from tasks.settings import Settings

POLICY_KEY = "release_policy"


def now() -> datetime:
    """The present, UTC."""
    return datetime.now(UTC)


def open_keyring(settings: Settings) -> KeyRing:
    """The keys of this home."""
    return KeyRing(settings.keys_folder)


def find_policy(release: Path) -> ReleaseConfig:
    """The approval policy sealed with a release. Raises ConfigError if it holds none."""
    path = release / "envelope" / "provenance.json"
    try:
        return ReleaseConfig.model_validate(read_json(path)[POLICY_KEY])
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
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
    policy: ReleaseConfig | None = None,
) -> tuple[Path, SigningKey]:
    """Sign an approval or a rejection; returns the file and the key that signed."""
    rules = policy or find_policy(check_is_release(release))
    key = _signer(settings, key_file, rules.required_approvals[0].role)
    moment = now()
    if kind == "reject":
        return reject(release, key, reason=reason, now=moment), key
    expires = moment + timedelta(days=rules.approval_valid_days)
    return approve(release, key, reason=reason, expires=expires, now=moment), key


def sign_waiver(
    release: Path,
    gate: str,
    reason: str,
    until: str,
    *,
    settings: Settings,
    key_file: Path | None = None,
    policy: ReleaseConfig | None = None,
) -> tuple[Path, SigningKey]:
    """Sign a waiver of one gate until the end of a day (YYYY-MM-DD, UTC)."""
    rules = policy or find_policy(check_is_release(release))
    if not rules.waiver_roles:
        raise ConfigError("release.waiver_roles is empty: this policy lets nobody waive a gate")
    try:
        end = datetime.combine(date.fromisoformat(until), time.max, UTC)
    except ValueError as error:
        raise ConfigError(f"--until {until}: not a date; write YYYY-MM-DD") from error
    key = _signer(settings, key_file, rules.waiver_roles[0])
    return waive(release, key, gate=gate, reason=reason, until=end, now=now()), key


def inspect_release(
    release: Path, *, settings: Settings, policy: ReleaseConfig | None = None, serving: bool = False
) -> VerificationTree:
    """Every check over a release, as a tree."""
    rules = policy or find_policy(check_is_release(release))
    purpose: Literal["promote", "serve"] = "serve" if serving else "promote"
    return verify_release(release, open_keyring(settings), rules, now=now(), purpose=purpose)


def check_servable(release: Path, *, settings: Settings, policy: ReleaseConfig | None = None) -> str:
    """The payload digest of a release whose chain holds. Raises IntegrityError with every reason otherwise."""
    rules = policy or find_policy(check_is_release(release))
    return servable(release, open_keyring(settings), rules, now=now())


def promote_version(
    name: str,
    version: str,
    *,
    settings: Settings,
    alias: str = registry.PRODUCTION,
    policy: ReleaseConfig | None = None,
) -> registry.Promotion:
    """Set an alias to a version whose release may be promoted. Raises IntegrityError with every reason otherwise."""
    return registry.set_alias_after_verification(
        name, version, alias, verify=_promotable(settings, policy), settings=settings
    )


def roll_back(
    name: str, *, settings: Settings, alias: str = registry.PRODUCTION, policy: ReleaseConfig | None = None
) -> registry.Promotion:
    """Set an alias to the version before; an expired approval does not stop a way back, a revoked key does."""

    def verify(release: Path) -> str:
        return check_servable(release, settings=settings, policy=policy)

    return registry.rollback(name, verify=verify, settings=settings, alias=alias)


def _promotable(settings: Settings, policy: ReleaseConfig | None) -> Callable[[Path], str]:
    def verify(release: Path) -> str:
        rules = policy or find_policy(check_is_release(release))
        return promotable(release, open_keyring(settings), rules, now=now())

    return verify


def _signer(settings: Settings, key_file: Path | None, role: str) -> SigningKey:
    keyring = open_keyring(settings)
    return keyring.signer_from_file(key_file) if key_file else keyring.development_key(role, now=now())
