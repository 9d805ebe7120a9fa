"""A release made by hand: payload, judgement and keys, without training anything."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from components.core.evidence import Evidence, GateDecision, GateResult, Metric, SuiteReport, Verdict
from components.core.hashing import digest_file
from components.core.payload import PayloadFile, PayloadManifest
from components.release.config import ReleaseConfig, RequiredApproval
from components.release.keys import KeyRing
from components.release.release import Release, seal_release

NOW = datetime(2030, 5, 1, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = ReleaseConfig(
    required_approvals=(RequiredApproval(role="ethics", count=1), RequiredApproval(role="privacy", count=1)),
    approval_valid_days=30,
    allow_development_keys=False,
    approver_must_differ_from_trainer=True,
    waiver_roles=("ethics",),
    waiver_valid_days=14,
)


def write_payload(folder: Path, *, weights: bytes = b"\x00\x01\x02\x03") -> str:
    """A payload listed by hand; returns its digest."""
    contents = {
        "model/model.safetensors": weights,
        "model/config.json": b"{}",
        "model/tokenizer.json": b"{}",
        "filter/filter.json": b"{}",
        "code/components/__init__.py": b"",
        "config.json": b'{"task": "text-classification"}',
    }
    for name, data in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    files = {
        name: PayloadFile(sha256=digest_file(folder / name).split(":")[1], bytes=len(data))
        for name, data in sorted(contents.items())
    }
    manifest = PayloadManifest(
        name="demo", files=files, task="text-classification", languages=("en", "zh"), labels=("negative", "positive")
    )
    (folder / "payload.json").write_text(manifest.text(), encoding="utf-8")
    return manifest.digest()


def gate(
    name: str, decision: GateDecision = GateDecision.PASS, severity: Literal["block", "warn"] = "block"
) -> GateResult:
    """A row of a verdict."""
    return GateResult(
        name=name,
        suite=name,
        slice="all",
        metric="rate",
        value=0.01,
        ci_low=0.0,
        ci_high=0.02,
        n=600,
        min_n=200,
        threshold=0.05,
        direction="max",
        severity=severity,
        decision=decision,
        reason="the whole interval is on the good side",
        next="",
    )


def write_judgement(folder: Path, payload_digest: str, gates: list[GateResult], *, created: str = "2030-05-01") -> None:
    """Evidence and verdict folders under ``folder``."""
    metric = Metric(value=0.01, ci_low=0.0, ci_high=0.02, n=600)
    suite = SuiteReport(suite="flips", payload_digest=payload_digest, n=600, metrics={"rate": metric}, seconds=1.0)
    evidence = Evidence(payload_digest=payload_digest, config_digest="sha256:c", suites={"flips": suite})
    refused = any(g.severity == "block" and g.decision in {"fail", "inconclusive"} for g in gates)
    verdict = Verdict(
        payload_digest=payload_digest,
        config_digest="sha256:g",
        decision="fail" if refused else "pass",
        gates=gates,
        created=created,
    )
    for name, value in (("evidence", evidence), ("verdict", verdict)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        text = json.dumps(value.model_dump(mode="json"), indent=2)
        (folder / name / f"{name}.json").write_text(text, encoding="utf-8")


@dataclass
class Workshop:
    """A folder with keys, a payload and a judgement, ready to seal."""

    root: Path
    keys: KeyRing
    digest: str

    def seal(self, *, key: str = "terry", now: datetime = NOW) -> Release:
        """Seal with the named key."""
        return seal_release(
            self.root / "payload",
            self.root / "evidence",
            self.root / "verdict",
            {"corpus": {"raw": "sha256:aa", "clean": "sha256:bb"}},
            self.keys.signer(key),
            releases_root=self.root / "releases",
            name="demo",
            data_digests={"corpus": "sha256:bb"},
            now=now,
        )


def make_workshop(
    root: Path,
    gates: list[GateResult] | None = None,
    *,
    weights: bytes = b"\x00\x01\x02\x03",
    keys: KeyRing | None = None,
) -> Workshop:
    """Keys of four people (or the given ring), a payload, and a judgement with the given gates."""
    if keys is None:
        keys = KeyRing(root / "keys")
        for name, role in (("terry", "trainer"), ("ella", "ethics"), ("petra", "privacy"), ("rob", "release")):
            keys.create(name, role, now=NOW - 100 * DAY)
    digest = write_payload(root / "payload", weights=weights)
    write_judgement(root, digest, gates or [gate("flips"), gate("exposure")])
    return Workshop(root, keys, digest)
