"""Sealed releases of tiny real payloads in a home, as a pipeline run leaves them."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

from components.core.evidence import Evidence, GateResult, Metric, SuiteReport, Verdict
from components.core.jsonfiles import write_json
from components.core.payload import verify_payload
from components.release.config import ReleaseConfig, RequiredApproval
from components.release.keys import SigningKey
from components.release.release import seal_release
from tasks import registry, tracking
from tasks.release_control import POLICY_KEY, open_keyring, open_policies
from tasks.settings import Settings
from testkit.tiny_payload import write_tiny_payload

POLICY = ReleaseConfig(
    required_approvals=(RequiredApproval(role="approver", count=1),),
    approval_valid_days=30,
    allow_development_keys=True,
    approver_must_differ_from_trainer=True,
    waiver_roles=("approver",),
    waiver_valid_days=30,
)


def _gate(decision: str) -> GateResult:
    return GateResult.model_validate(
        {
            "name": "accuracy", "suite": "task_quality", "slice": "all", "metric": "accuracy", "value": 0.9,
            "ci_low": 0.88, "ci_high": 0.92, "n": 500, "min_n": 100, "threshold": 0.8, "direction": "min",
            "severity": "block", "decision": decision, "reason": "measured", "next": "",
        }
    )  # fmt: skip


def write_judgement(folder: Path, digest: str, *, decision: str = "pass") -> None:
    """Evidence and a verdict about a payload under ``folder``; a refusing one has a gate that passed beside it."""
    report = SuiteReport(
        suite="task_quality", payload_digest=digest, n=500, metrics={"accuracy": Metric(value=0.9, n=500)}, seconds=0
    )
    evidence = Evidence(payload_digest=digest, config_digest="c", suites={"task_quality": report})
    gates = [_gate(decision)]
    if decision != "pass":
        gates.append(_gate("pass").model_copy(update={"name": "f1"}))
    verdict = Verdict(
        payload_digest=digest,
        config_digest="c",
        decision="pass" if decision == "pass" else "fail",
        gates=gates,
        created=datetime.now(UTC).isoformat(),
    )
    write_json(evidence, folder / "evidence" / "evidence.json")
    write_json(verdict.model_dump(mode="json", by_alias=True), folder / "verdict" / "verdict.json")


def seal_tiny(
    settings: Settings,
    *,
    seed: int,
    name: str = "tiny",
    decision: str = "pass",
    policy: ReleaseConfig = POLICY,
    key: SigningKey | None = None,
    payload: Path | None = None,
) -> Path:
    """A sealed release, its policy pinned; ``payload`` spares making one. Returns its folder."""
    work = settings.home / "tests" / f"{name}-{seed}-{decision}"
    shutil.rmtree(work, ignore_errors=True)
    payload = payload or write_tiny_payload(work / "payload", seed=seed, name=name)
    write_judgement(work, verify_payload(payload), decision=decision)
    now = datetime.now(UTC)
    open_policies(settings).pin(name, policy)
    return seal_release(
        payload,
        work / "evidence",
        work / "verdict",
        {POLICY_KEY: policy.model_dump(mode="json"), "candidate": f"c{seed}"},
        key or open_keyring(settings).development_key("trainer", now=now),
        releases_root=settings.releases_folder,
        name=name,
        data_digests={},
        now=now,
    ).folder


def register_tiny(settings: Settings, release: Path, *, name: str = "tiny", candidate: str | None = None) -> str:
    """Register a release as the pipeline does; returns its version."""
    tags = {registry.DECISION_TAG: "pending"} | ({registry.CANDIDATE_TAG: candidate} if candidate else {})
    with tracking.run_scope("pipeline", f"run-{release.name}", pipeline=name, settings=settings) as run:
        return registry.register_release(name, release, run=run, settings=settings, tags=tags)
