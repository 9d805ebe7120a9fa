"""Sealing and verifying a large release, beside reading the same payload once with SHA-256 (``hashlib``).

All sides run in turn on the same files, which the first turn has brought into the page cache. Times are of the clock
on the wall: several threads hash at once where there are several files, and a copy is written while it is hashed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Literal

from components.core.evidence import Evidence, GateDecision, GateResult, Metric, SuiteReport, Verdict
from components.core.hashing import usable_cores
from components.core.jsonfiles import write_json
from components.core.payload import PAYLOAD_FILE, PayloadFile, PayloadManifest
from components.release.approvals import approve
from components.release.config import ReleaseConfig, RequiredApproval
from components.release.keys import KeyRing
from components.release.release import Release, seal_release
from components.release.verify import promotable

_BLOCK_BYTES = 1 << 20
_NAME = "bench"
_POLICY = ReleaseConfig(
    required_approvals=(RequiredApproval(role="approver", count=1),),
    approval_valid_days=1,
    allow_development_keys=False,
    approver_must_differ_from_trainer=True,
    waiver_roles=(),
    waiver_valid_days=1,
)

Turn = Literal["read", "seal", "verify"]


@dataclass(frozen=True)
class _Bench:
    """A payload of given size with a judgement and keys, ready to be sealed again and again."""

    folder: Path
    keys: KeyRing
    now: datetime

    def read(self) -> None:
        """The peer: every byte of the payload through SHA-256 once."""
        for path in sorted((self.folder / "payload").rglob("*")):
            if path.is_file():
                with path.open("rb") as handle:
                    hashlib.file_digest(handle, "sha256")

    def seal(self) -> Release:
        """Copy, hash, describe and sign, into an empty folder."""
        return seal_release(
            self.folder / "payload",
            self.folder / "evidence",
            self.folder / "verdict",
            {"chain": {"corpus": "sha256:" + "0" * 64}},
            self.keys.signer("trainer"),
            releases_root=self.folder / "releases",
            name=_NAME,
            data_digests={"corpus": "sha256:" + "0" * 64},
            now=self.now,
        )

    def verify(self, release: Release) -> None:
        """Every link of the chain, as before a promotion."""
        promotable(release.folder, self.keys, _POLICY, now=self.now)


def measure_sealing(
    folder: Path, *, megabytes: int, files: int, rounds: int, begins: Callable[[str], None]
) -> dict[str, Any]:
    """Times in seconds of ``rounds`` turns of each side, and their ratios to one reading with SHA-256.

    Args:
        folder: Empty; holds twice the payload's size meanwhile.
        megabytes: Size of the weights, in millions of bytes.
        files: Files that the weights are split into; several are hashed at once.
        rounds: Turns of each side; medians count.
        begins: Told what begins.
    """
    begins("writing the payload")
    bench = _prepare(folder, megabytes * 1_000_000, files)
    bench.read()
    seconds: dict[Turn, list[float]] = {"read": [], "seal": [], "verify": []}
    for number in range(rounds):
        begins(f"turn {number + 1} of {rounds}")
        shutil.rmtree(folder / "releases", ignore_errors=True)
        seconds["read"].append(_time(bench.read))
        start = time.perf_counter()
        release = bench.seal()
        seconds["seal"].append(time.perf_counter() - start)
        approve(
            release.folder,
            bench.keys.signer("approver"),
            reason="bench",
            expires=bench.now + timedelta(days=1),
            now=bench.now,
        )
        seconds["verify"].append(_time(partial(bench.verify, release)))
    turns: tuple[Turn, ...] = ("seal", "verify")
    ratios = {turn: [ours / peer for ours, peer in zip(seconds[turn], seconds["read"], strict=True)] for turn in turns}
    return {
        "bench": "seal",
        "ours": {turn: _spread(seconds[turn]) for turn in turns},
        "peer": {"name": "hashlib.sha256", "version": sys.version.split()[0], **_spread(seconds["read"])},
        "ratio": max(statistics.median(values) for values in ratios.values()),
        "seal_ratio": _spread(ratios["seal"]),
        "verify_ratio": _spread(ratios["verify"]),
        "unit": "s",
        "work": {"megabytes": megabytes, "files": files, "rounds": rounds, "cores": usable_cores()},
    }


def _time(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def _prepare(folder: Path, size: int, files: int) -> _Bench:
    now = datetime.now(UTC)
    keys = KeyRing(folder / "keys")
    for name in ("trainer", "approver"):
        keys.create(name, name, now=now)
    digest = _write_payload(folder / "payload", size, files)
    metric = Metric(value=0.9, n=500)
    report = SuiteReport(suite="task_quality", payload_digest=digest, n=500, metrics={"accuracy": metric}, seconds=0)
    evidence = Evidence(payload_digest=digest, config_digest="c", suites={"task_quality": report})
    verdict = Verdict(
        payload_digest=digest, config_digest="c", decision="pass", gates=[_gate()], created=now.isoformat()
    )
    write_json(evidence, folder / "evidence" / "evidence.json")
    write_json(verdict, folder / "verdict" / "verdict.json")
    return _Bench(folder, keys, now)


def _gate() -> GateResult:
    return GateResult(
        name="accuracy",
        suite="task_quality",
        slice="all",
        metric="accuracy",
        value=0.9,
        ci_low=0.88,
        ci_high=0.92,
        n=500,
        min_n=100,
        threshold=0.8,
        direction="min",
        severity="block",
        decision=GateDecision.PASS,
        reason="made up for the benchmark",
        next="",
    )


def _write_payload(folder: Path, size: int, files: int) -> str:
    """Weights of so many random bytes over so many files, and their manifest; its digest."""
    block, listed = os.urandom(_BLOCK_BYTES), {}
    (folder / "model").mkdir(parents=True)
    for number in range(files):
        name = f"model/model-{number:05d}.safetensors"
        left = count = size // files
        hasher = hashlib.sha256()
        with (folder / name).open("wb") as handle:
            while left > 0:
                part = block[: min(left, _BLOCK_BYTES)]
                hasher.update(part)
                left -= handle.write(part)
        listed[name] = PayloadFile(sha256=hasher.hexdigest(), bytes=count)
    manifest = PayloadManifest(
        name=_NAME, files=listed, task="text-classification", languages=("en", "zh"), labels=("negative", "positive")
    )
    (folder / PAYLOAD_FILE).write_text(manifest.text(), encoding="utf-8")
    return manifest.digest()
