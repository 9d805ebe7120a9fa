"""What is known of a release at its promotion: read from the sealed release, its signatures and its data documents."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from components.core.evidence import Evidence, Verdict
from components.core.jsonfiles import read_json
from components.core.payload import PayloadManifest, read_manifest
from components.release.approvals import Decision, read_approvals
from components.release.config import ReleaseConfig
from components.release.keys import KeyRing
from components.release.release import ENVELOPE_DIR, PAYLOAD_DIR, read_evidence, read_verdict
from components.release.statement import VerdictPredicate
from components.release.verify import VerificationTree, read_seal


@dataclass(frozen=True)
class Promoted:
    """Where a release went. ``previous`` is the version that the alias stood at before, empty for none."""

    name: str
    version: str
    alias: str
    previous: str
    moment: datetime


@dataclass(frozen=True)
class DossierFacts:
    """All that the documents may say.

    Attributes:
        promoted: Model, version, alias and time.
        release: The release folder.
        manifest: Files of the payload.
        evidence: What was measured.
        verdict: What the gates said.
        seal: The signed statement's predicate.
        provenance: Digests of what lies behind the payload.
        policy: Who must approve.
        decisions: Every signed decision, whether it counts or not.
        tree: Every check, as it stood at the promotion.
        data: Purpose (``pretraining``, ``finetuning``) to the folder of the data's documents, where it is known.
        software: Library to version, of the process that serves.
    """

    promoted: Promoted
    release: Path
    manifest: PayloadManifest
    evidence: Evidence
    verdict: Verdict
    seal: VerdictPredicate
    provenance: Mapping[str, Any]
    policy: ReleaseConfig
    decisions: tuple[Decision, ...]
    tree: VerificationTree
    data: Mapping[str, Path]
    software: Mapping[str, str]

    @property
    def payload_digest(self) -> str:
        """Digest of the payload that was evaluated."""
        return self.manifest.digest()

    @property
    def counted(self) -> list[Decision]:
        """Signed decisions that the policy weighed."""
        return [decision for decision in self.decisions if decision.counts]


def collect_facts(
    release: Path,
    promoted: Promoted,
    tree: VerificationTree,
    *,
    keyring: KeyRing,
    policy: ReleaseConfig,
    data: Mapping[str, Path],
    software: Mapping[str, str],
    recorded: Collection[str] = (),
) -> DossierFacts:
    """Read a release that ``tree`` has just verified.

    Raises IntegrityError if something cannot be read after all.
    """
    approvals = read_approvals(
        release,
        keyring,
        policy,
        now=promoted.moment,
        expiry_counts=tree.purpose == "promote",
        payload_digest=tree.payload_digest,
        recorded=recorded,
    )
    return DossierFacts(
        promoted=promoted,
        release=release,
        manifest=read_manifest(release / PAYLOAD_DIR),
        evidence=read_evidence(release / ENVELOPE_DIR),
        verdict=read_verdict(release / ENVELOPE_DIR),
        seal=read_seal(release, keyring).predicate,
        provenance=read_json(release / ENVELOPE_DIR / "provenance.json"),
        policy=policy,
        decisions=approvals.decisions,
        tree=tree,
        data=dict(data),
        software=dict(software),
    )
