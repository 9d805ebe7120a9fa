"""Verification of a release: the whole chain, as a tree of checks.

    payload     every file recomputed, none missing, none extra
    layout      nothing else lies in the release
    statement   signed by a registered, unrevoked key; about this payload
    envelope    every file beside the payload has the digest that the statement names
    evidence    about this payload
    verdict     about this payload; passes, or every refusal is waived by a signature
    approvals   complete, unexpired, about this payload and this verdict

Nothing here raises for a release that does not hold: the tree says what failed. ``promotable`` and ``servable``
raise. Expiry bounds promotion; revocation bounds serving.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from components.core.errors import IntegrityError
from components.core.hashing import digest_file
from components.core.payload import read_manifest, verify_payload, walk_files
from components.release.approvals import (
    Approvals,
    ApprovalState,
    Decision,
    is_expired,
    open_refusals,
    read_approvals,
)
from components.release.config import ReleaseConfig
from components.release.dsse import STATEMENT_TYPE, read_envelope, verify
from components.release.keys import KeyRecord, KeyRing
from components.release.release import (
    APPROVALS_DIR,
    ENVELOPE_DIR,
    ENVELOPE_FILES,
    PAYLOAD_DIR,
    STATEMENT_FILE,
    read_evidence,
    read_verdict,
)
from components.release.statement import VerdictStatement, parse_verdict_statement, subject_digest

Purpose = Literal["promote", "serve"]


class Check(BaseModel):
    """One check. ``ignored`` marks something that was set aside and neither helps nor hurts."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: str
    status: Literal["ok", "failed", "ignored"]
    detail: str = ""
    children: tuple[Check, ...] = ()

    def failures(self, prefix: str = "") -> Iterator[str]:
        """The failed checks without failed children, as ``path: detail``."""
        path = f"{prefix}{self.name}"
        if self.status != "failed":
            return
        below = [line for child in self.children for line in child.failures(f"{path}/")]
        yield from below or [f"{path}: {self.detail}"]


class VerificationTree(BaseModel):
    """All checks of one release."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    ok: bool
    purpose: Purpose
    payload_digest: str | None
    state: ApprovalState | None
    development: bool
    checks: tuple[Check, ...]

    def failures(self) -> list[str]:
        """Every reason why the release does not hold."""
        return [line for check in self.checks for line in check.failures()]

    def lines(self) -> list[str]:
        """The tree for people, indented."""
        return [line for check in self.checks for line in _lines(check, 0)]


def verify_release(
    folder: Path,
    keyring: KeyRing,
    policy: ReleaseConfig,
    *,
    now: datetime,
    purpose: Purpose = "promote",
    recorded: Collection[str] = (),
) -> VerificationTree:
    """Check everything about a release folder. ``recorded``: files of ``approvals/`` that a log knows were written."""
    statement: list[VerdictStatement] = []
    approvals: list[Approvals] = []
    digest: list[str] = []
    checks = [
        _checked("payload", lambda: _check_payload(folder, digest)),
        _checked("layout", lambda: _check_layout(folder)),
        _checked("statement", lambda: _check_statement(folder, keyring, policy, digest, statement)),
        _checked("envelope", lambda: _check_envelope(folder, statement)),
        _checked("evidence", lambda: _check_evidence(folder, digest)),
    ]
    approval_check = _checked(
        "approvals",
        lambda: _check_approvals(
            folder, keyring, policy, digest, approvals, now=now, purpose=purpose, recorded=recorded
        ),
    )
    checks += [_checked("verdict", lambda: _check_verdict(folder, digest, approvals)), approval_check]
    return VerificationTree(
        ok=all(check.status == "ok" for check in checks),
        purpose=purpose,
        payload_digest=digest[0] if digest else None,
        state=approvals[0].state if approvals else None,
        development=_any_development(statement, approvals),
        checks=tuple(checks),
    )


def promotable(
    folder: Path, keyring: KeyRing, policy: ReleaseConfig, *, now: datetime, recorded: Collection[str] = ()
) -> str:
    """The payload digest of a release that may be promoted. Raises IntegrityError with every reason otherwise."""
    return _require(folder, verify_release(folder, keyring, policy, now=now, purpose="promote", recorded=recorded))


def servable(
    folder: Path, keyring: KeyRing, policy: ReleaseConfig, *, now: datetime, recorded: Collection[str] = ()
) -> str:
    """The payload digest of a release that may be loaded; expired approvals do not stop a service."""
    return _require(folder, verify_release(folder, keyring, policy, now=now, purpose="serve", recorded=recorded))


def read_seal(folder: Path, keyring: KeyRing) -> VerdictStatement:
    """The signed statement of a release, without reading the payload's files.

    Raises IntegrityError if no registered key signed it or the payload's manifest is another one.
    """
    statement, _ = _trusted_statement(folder, keyring)
    if subject_digest(statement) != read_manifest(folder / PAYLOAD_DIR).digest():
        raise IntegrityError(f"{folder}: the signed statement is about another payload; distrust it")
    return statement


def _require(folder: Path, tree: VerificationTree) -> str:
    if not tree.ok or tree.payload_digest is None:
        raise IntegrityError(f"{folder}: {'; '.join(tree.failures())}; see touchstone verify")
    return tree.payload_digest


def _checked(name: str, check: Callable[[], Check]) -> Check:
    """The check, or its failure with the reason."""
    try:
        return check()
    except IntegrityError as error:
        return Check(name=name, status="failed", detail=str(error))
    except OSError as error:
        return Check(name=name, status="failed", detail=f"{error.filename}: {error.strerror}")


def _check_payload(folder: Path, digest: list[str]) -> Check:
    digest.append(verify_payload(folder / PAYLOAD_DIR, ignore=()))
    count = len(read_manifest(folder / PAYLOAD_DIR).files)
    return Check(name="payload", status="ok", detail=f"{count} files, {digest[0]}")


def _check_layout(folder: Path) -> Check:
    expected = {f"{ENVELOPE_DIR}/{name}" for name in (*ENVELOPE_FILES, STATEMENT_FILE)}
    extra = [
        name
        for name in walk_files(folder)
        if name not in expected and name.split("/")[0] not in {PAYLOAD_DIR, APPROVALS_DIR}
    ]
    if extra:
        raise IntegrityError(f"extra: {', '.join(extra[:5])}; nothing else belongs in a release")
    return Check(name="layout", status="ok", detail="nothing else in the folder")


def _check_statement(
    folder: Path, keyring: KeyRing, policy: ReleaseConfig, digest: list[str], found: list[VerdictStatement]
) -> Check:
    statement, key = _trusted_statement(folder, keyring)
    found.append(statement)
    if key.revoked is not None:
        raise IntegrityError(f"key {key.name} was revoked on {key.revoked.date()}; seal again with another key")
    if key.development and not policy.allow_development_keys:
        raise IntegrityError(f"key {key.name} is a development key, which the policy does not allow; seal with another")
    if digest and subject_digest(statement) != digest[0]:
        raise IntegrityError(f"is about payload {subject_digest(statement)[:19]}, not this one; distrust it")
    mark = ", development" if key.development else ""
    return Check(name="statement", status="ok", detail=f"signed by {key.name} ({key.role}{mark})")


def _trusted_statement(folder: Path, keyring: KeyRing) -> tuple[VerdictStatement, KeyRecord]:
    """The statement and the registered key that signed it, revoked or not."""
    envelope = read_envelope(folder / ENVELOPE_DIR / STATEMENT_FILE)
    key = keyring.find(envelope.signatures[0].keyid)
    if len(envelope.signatures) != 1 or key is None:
        raise IntegrityError(f"{STATEMENT_FILE}: not signed by one registered key; distrust it")
    return parse_verdict_statement(verify(envelope, key.public(), keyid=key.keyid, payload_type=STATEMENT_TYPE)), key


def _check_envelope(folder: Path, statement: list[VerdictStatement]) -> Check:
    if not statement:
        raise IntegrityError("no trusted statement says what belongs in the envelope")
    listed = statement[0].predicate.envelope
    present = set(walk_files(folder / ENVELOPE_DIR)) - {STATEMENT_FILE}
    children = []
    for name in sorted(set(listed) | present | set(ENVELOPE_FILES)):
        if name not in listed:
            children.append(Check(name=name, status="failed", detail="extra: the statement does not name it"))
        elif name not in present:
            children.append(Check(name=name, status="failed", detail="missing"))
        elif digest_file(folder / ENVELOPE_DIR / name) != listed[name]:
            children.append(Check(name=name, status="failed", detail="changed since it was signed"))
        else:
            children.append(Check(name=name, status="ok"))
    return _parent("envelope", children, "as signed")


def _check_evidence(folder: Path, digest: list[str]) -> Check:
    evidence = read_evidence(folder / ENVELOPE_DIR)
    if not digest or evidence.payload_digest != digest[0]:
        raise IntegrityError("the evidence is about another payload; evaluate this one")
    return Check(name="evidence", status="ok", detail=f"{len(evidence.suites)} suites")


def _check_verdict(folder: Path, digest: list[str], approvals: list[Approvals]) -> Check:
    verdict = read_verdict(folder / ENVELOPE_DIR)
    if not digest or verdict.payload_digest != digest[0]:
        raise IntegrityError("the verdict is about another payload; judge this one's evidence")
    if not any(gate.severity == "block" and gate.decision == "pass" for gate in verdict.gates):
        raise IntegrityError("no blocking gate passed, so nothing was shown to be good; add gates and judge again")
    if (verdict.decision == "pass") != (not verdict.refusals):
        raise IntegrityError(f"the decision {verdict.decision} contradicts its gates; judge again")
    waived = approvals[0].waived_gates if approvals else frozenset()
    children = [
        Check(name=gate.name, status="ok", detail="waived")
        if gate.name in waived
        else Check(name=gate.name, status="failed", detail=f"{gate.decision}: {gate.reason}")
        for gate in open_refusals(verdict)
    ]
    return _parent("verdict", children, f"{len(verdict.gates)} gates")


def _check_approvals(
    folder: Path,
    keyring: KeyRing,
    policy: ReleaseConfig,
    digest: list[str],
    found: list[Approvals],
    *,
    now: datetime,
    purpose: Purpose,
    recorded: Collection[str],
) -> Check:
    if not digest:
        raise IntegrityError("the payload does not verify, so nothing can be approved; see payload")
    approvals = read_approvals(
        folder,
        keyring,
        policy,
        now=now,
        expiry_counts=purpose == "promote",
        payload_digest=digest[0],
        recorded=recorded,
    )
    found.append(approvals)
    children = [_decision_check(decision, policy, now) for decision in approvals.decisions]
    if approvals.state is not ApprovalState.APPROVED:
        lacking = ", ".join(f"{count} more of role {role}" for role, count in approvals.missing.items())
        detail = f"{approvals.state}; needs {lacking}" if lacking else str(approvals.state)
        # Last, so that the reasons of single decisions are read first.
        children.append(Check(name="state", status="failed", detail=detail))
    return _parent("approvals", children, str(approvals.state))


def _decision_check(decision: Decision, policy: ReleaseConfig, now: datetime) -> Check:
    if decision.tampered:
        return Check(name=decision.file, status="failed", detail=decision.problem)
    if not decision.counts or decision.predicate is None or decision.key is None:
        return Check(name=decision.file, status="ignored", detail=decision.problem)
    detail = f"{decision.predicate.kind} by {decision.key.name} ({decision.key.role})"
    if is_expired(decision.predicate, policy, now):
        return Check(name=decision.file, status="ignored", detail=f"{detail}, expired")
    return Check(name=decision.file, status="ok", detail=detail)


def _any_development(statement: list[VerdictStatement], approvals: list[Approvals]) -> bool:
    signed = any(item.predicate.development for item in statement)
    return signed or any(d.key is not None and d.key.development for item in approvals for d in item.decisions)


def _parent(name: str, children: list[Check], detail: str) -> Check:
    failed = any(child.status == "failed" for child in children)
    return Check(name=name, status="failed" if failed else "ok", detail=detail, children=tuple(children))


def _lines(check: Check, depth: int) -> Iterator[str]:
    mark = {"ok": "✓", "failed": "✗", "ignored": "–"}[check.status]
    yield f"{'  ' * depth}{mark} {check.name}" + (f": {check.detail}" if check.detail else "")
    for child in check.children:
        yield from _lines(child, depth + 1)
