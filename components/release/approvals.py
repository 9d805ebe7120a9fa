"""Approvals, rejections and waivers: signed decisions of people, and what they add up to.

A decision names the payload and the verdict it is about, so it counts for no other. It counts with the role its key
is registered under. Of each key the latest approval or rejection counts.

States: ``pending`` until every required role has approved often enough, ``approved`` then, ``expired`` if it would
be approved but for expiry, ``rejected`` as soon as one entitled key's latest word is no.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Literal

from components.core.errors import ConfigError, IntegrityError
from components.core.evidence import GateDecision, GateResult, Verdict
from components.core.hashing import digest_bytes, digest_file
from components.core.payload import json_text, verify_payload
from components.release.config import ReleaseConfig
from components.release.dsse import STATEMENT_TYPE, read_envelope, verify
from components.release.keys import KeyRecord, KeyRing, SigningKey
from components.release.release import APPROVALS_DIR, ENVELOPE_DIR, PAYLOAD_DIR, read_verdict
from components.release.statement import (
    DecisionPredicate,
    DecisionStatement,
    parse_decision_statement,
    payload_subject,
    subject_digest,
)

_CLOCK_SKEW = timedelta(minutes=5)

Kind = Literal["approve", "reject", "waive"]


class ApprovalState(StrEnum):
    """What the decisions on a release add up to."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Decision:
    """One file of ``approvals/``.

    Attributes:
        file: Its name.
        predicate: What it says; None if it cannot be trusted.
        key: Who signed; None if it cannot be trusted.
        problem: Why it does not count, empty if it does.
        tampered: It should not lie here at all: forged, foreign or unreadable.
    """

    file: str
    predicate: DecisionPredicate | None
    key: KeyRecord | None
    problem: str = ""
    tampered: bool = False

    @property
    def counts(self) -> bool:
        """Whether it is to be weighed."""
        return not self.problem


@dataclass(frozen=True)
class Approvals:
    """All decisions on a release and their sum. ``missing`` maps a role to how many approvals it still lacks."""

    state: ApprovalState
    decisions: tuple[Decision, ...]
    missing: dict[str, int]
    waived_gates: frozenset[str]


def approve(release: Path, key: SigningKey, *, reason: str, expires: datetime, now: datetime) -> Path:
    """Sign an approval of a release folder; returns the file written.

    Raises: IntegrityError if the payload does not verify; ConfigError if it would have expired already.
    """
    return _decide(release, key, "approve", reason=reason, expires=expires, now=now)


def reject(release: Path, key: SigningKey, *, reason: str, now: datetime) -> Path:
    """Sign a rejection; it stands until the same key approves."""
    return _decide(release, key, "reject", reason=reason, expires=None, now=now)


def waive(release: Path, key: SigningKey, *, gate: str, reason: str, until: datetime, now: datetime) -> Path:
    """Sign a waiver of one gate that refused. Raises ConfigError naming the gates that could be waived."""
    open_gates = [item.name for item in open_refusals(read_verdict(release / ENVELOPE_DIR))]
    if gate not in open_gates:
        raise ConfigError(f"gate {gate!r} does not refuse this release; to waive: {', '.join(open_gates) or 'none'}")
    return _decide(release, key, "waive", reason=reason, expires=until, now=now, gate=gate)


def read_approvals(
    release: Path,
    keyring: KeyRing,
    policy: ReleaseConfig,
    *,
    now: datetime,
    expiry_counts: bool = True,
    payload_digest: str | None = None,
    recorded: Collection[str] = (),
) -> Approvals:
    """The decisions on a release and what they add up to at a time.

    ``payload_digest`` spares reading the payload again where the caller has just verified it. ``expiry_counts`` is
    False for a service that already runs: expiry bounds promotion, revocation bounds serving. ``recorded`` names the
    files that a log knows to have been written: one that is gone, such as a rejection, counts as tampering.
    """
    payload_digest = payload_digest or verify_payload(release / PAYLOAD_DIR, ignore=())
    verdict_digest = digest_file(release / ENVELOPE_DIR / "verdict.json")
    paths = sorted((release / APPROVALS_DIR).glob("*")) if (release / APPROVALS_DIR).is_dir() else []
    sealer = sealer_keyids(release)
    decisions = tuple(
        _weigh(_read(path, keyring, payload_digest, verdict_digest), policy, sealer, now=now) for path in paths
    )
    gone = sorted(set(recorded) - {path.name for path in paths})
    decisions += tuple(
        Decision(name, None, None, "was signed and is gone; put it back", tampered=True) for name in gone
    )
    latest = _latest_by_key([d for d in decisions if d.counts])
    alive = [d for d in latest if not expiry_counts or not _is_expired(d, policy, now)]
    missing = _missing(alive, policy)
    return Approvals(
        state=_state(latest, missing, policy),
        decisions=decisions,
        missing=missing,
        waived_gates=_waived(decisions, policy, now, expiry_counts=expiry_counts),
    )


def open_refusals(verdict: Verdict) -> list[GateResult]:
    """Blocking gates that stand in the way unless waived by a signature; a verdict cannot waive by itself."""
    waived = [g for g in verdict.gates if g.severity == "block" and g.decision == GateDecision.WAIVED]
    return [*verdict.refusals, *waived]


def sealer_keyids(release: Path) -> frozenset[str]:
    """Ids of the keys under the release's statement; empty if it cannot be read, which verification reports."""
    try:
        envelope = read_envelope(release / ENVELOPE_DIR / "statement.json")
    except IntegrityError:
        return frozenset()
    return frozenset(signature.keyid for signature in envelope.signatures)


def is_expired(predicate: DecisionPredicate, policy: ReleaseConfig, now: datetime) -> bool:
    """Whether a decision's own expiry or the policy's longest validity has passed."""
    days = {"approve": policy.approval_valid_days, "waive": policy.waiver_valid_days}.get(predicate.kind)
    if days is None:
        return False
    if predicate.expires is None:
        return True
    return now >= min(predicate.expires, predicate.created + timedelta(days=days))


def _decide(
    release: Path,
    key: SigningKey,
    kind: Kind,
    *,
    reason: str,
    expires: datetime | None,
    now: datetime,
    gate: str | None = None,
) -> Path:
    if not reason.strip():
        raise ConfigError("the reason is empty; say why with --reason")
    if expires is not None and expires <= now:
        raise ConfigError(f"{expires.isoformat()} is not in the future; choose a later end")
    payload_digest = verify_payload(release / PAYLOAD_DIR, ignore=())
    verdict = read_verdict(release / ENVELOPE_DIR)
    if verdict.payload_digest != payload_digest:
        raise IntegrityError(f"{release}: the verdict is about another payload; distrust this folder")
    statement = DecisionStatement(
        subject=payload_subject(release.parent.name, payload_digest),
        predicate=DecisionPredicate(
            kind=kind,
            role=key.record.role,
            verdict_digest=digest_file(release / ENVELOPE_DIR / "verdict.json"),
            gate=gate,
            reason=reason,
            created=now.astimezone(UTC),
            expires=expires.astimezone(UTC) if expires else None,
            development=key.record.development,
        ),
    )
    text = json_text(key.sign_statement(statement.model_dump(mode="json")).model_dump(mode="json"))
    name = f"{kind}-{key.record.name}-{digest_bytes(text.encode('utf-8'))[7:19]}.json"
    folder = release / APPROVALS_DIR
    folder.mkdir(exist_ok=True)
    temporary = release / f".{name}.tmp"
    temporary.write_text(text, encoding="utf-8")
    return temporary.replace(folder / name)


def _read(path: Path, keyring: KeyRing, payload_digest: str, verdict_digest: str) -> Decision:
    """A decision whose signature holds and that is about this payload and verdict, or why it is not."""
    try:
        envelope = read_envelope(path)
        key = keyring.find(envelope.signatures[0].keyid)
        if key is None:
            return Decision(path.name, None, None, "signed by a key that is not registered", tampered=True)
        body = verify(envelope, key.public(), keyid=key.keyid, payload_type=STATEMENT_TYPE)
        statement = parse_decision_statement(body)
    except IntegrityError as error:
        return Decision(path.name, None, None, str(error), tampered=True)
    predicate = statement.predicate
    if subject_digest(statement) != payload_digest:
        return Decision(path.name, predicate, key, "is about another payload", tampered=True)
    if predicate.verdict_digest != verdict_digest:
        return Decision(path.name, predicate, key, "is about another verdict", tampered=True)
    return Decision(path.name, predicate, key)


def _weigh(decision: Decision, policy: ReleaseConfig, sealer: frozenset[str], *, now: datetime) -> Decision:
    """The decision with the reason why the policy sets it aside, if it does."""
    predicate, key = decision.predicate, decision.key
    if decision.problem or predicate is None or key is None:
        return decision
    roles = policy.waiver_roles if predicate.kind == "waive" else [item.role for item in policy.required_approvals]
    problem = ""
    if key.revoked is not None:
        problem = f"key {key.name} was revoked on {key.revoked.date()}"
    elif key.development and not policy.allow_development_keys:
        problem = f"key {key.name} is a development key, which the policy does not allow"
    elif key.role not in roles:
        problem = f"role {key.role} of key {key.name} is not entitled to {predicate.kind}"
    elif predicate.created > now + _CLOCK_SKEW:
        problem = f"is dated {predicate.created.isoformat()}, in the future"
    elif predicate.kind != "reject" and policy.approver_must_differ_from_trainer and key.keyid in sealer:
        problem = f"key {key.name} sealed this release and may not {predicate.kind} it"
    return Decision(decision.file, predicate, key, problem)


def _latest_by_key(decisions: list[Decision]) -> list[Decision]:
    """The last approval or rejection of each key; at the same instant the rejection."""
    latest: dict[str, Decision] = {}
    ordered = sorted(decisions, key=lambda d: (_predicate(d).created, _predicate(d).kind == "reject"))
    for decision in ordered:
        if _predicate(decision).kind != "waive" and decision.key is not None:
            latest[decision.key.keyid] = decision
    return list(latest.values())


def _missing(alive: list[Decision], policy: ReleaseConfig) -> dict[str, int]:
    counts: dict[str, int] = {}
    for decision in alive:
        if _predicate(decision).kind == "approve" and decision.key is not None:
            counts[decision.key.role] = counts.get(decision.key.role, 0) + 1
    lacking = {item.role: item.count - counts.get(item.role, 0) for item in policy.required_approvals}
    return {role: count for role, count in lacking.items() if count > 0}


def _state(latest: list[Decision], missing: dict[str, int], policy: ReleaseConfig) -> ApprovalState:
    if any(_predicate(decision).kind == "reject" for decision in latest):
        return ApprovalState.REJECTED
    if not missing:
        return ApprovalState.APPROVED
    return ApprovalState.PENDING if _missing(latest, policy) else ApprovalState.EXPIRED


def _waived(
    decisions: tuple[Decision, ...], policy: ReleaseConfig, now: datetime, *, expiry_counts: bool
) -> frozenset[str]:
    return frozenset(
        _predicate(d).gate or ""
        for d in decisions
        if d.counts and _predicate(d).kind == "waive" and not (expiry_counts and _is_expired(d, policy, now))
    )


def _is_expired(decision: Decision, policy: ReleaseConfig, now: datetime) -> bool:
    return is_expired(_predicate(decision), policy, now)


def _predicate(decision: Decision) -> DecisionPredicate:
    assert decision.predicate is not None  # noqa: S101 (a decision that counts has been read)
    return decision.predicate
