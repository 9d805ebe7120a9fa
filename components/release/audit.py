"""Audit log: every attempt on a guarded registry, a chained log (``components.core.chain``) in ``audit.jsonl``.

The log is owner only and its head (``keys/audit.head``) lies with the keys. The chain has no secret: whoever may write
the log, the head and the keys can forge all three (threat model).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from components.core.chain import GENESIS, ChainedLog, ChainedRecord, ChainReport

__all__ = ["ALIAS_OPERATIONS", "GENESIS", "AliasTrail", "AuditLog", "AuditRecord", "AuditReport", "alias_trail"]

ALIAS_OPERATIONS = frozenset({"set-alias", "promote", "rollback"})

Outcome = Literal["allowed", "done", "refused", "failed"]


class AuditRecord(ChainedRecord):
    """One line: an attempt on the registry, or a decision that somebody signed.

    ``allowed`` stands before a change, ``done`` after it; a crash may leave the first alone.
    """

    actor: str
    operation: str
    name: str = Field(description="Registered model.")
    outcome: Outcome
    reason: str = ""
    details: dict[str, str] = Field(default_factory=dict)


AuditReport = ChainReport[AuditRecord]


@dataclass(frozen=True)
class AliasTrail:
    """Where an alias may stand according to the log.

    Attributes:
        versions: Versions it was set to, oldest first, the same one twice in a row counted once.
        open: Versions that were allowed after the last finished change, which a crash may have left unrecorded.
    """

    versions: tuple[str, ...]
    open: frozenset[str]

    @property
    def current(self) -> str:
        """The version of the last finished change; empty if there was none."""
        return self.versions[-1] if self.versions else ""

    def allows(self, version: str) -> bool:
        """Whether the alias standing at a version is what the log tells."""
        return bool(version) and (version == self.current or version in self.open)

    def before(self, version: str) -> list[str]:
        """Other versions it stood at, the newest first, each once."""
        return list(dict.fromkeys(v for v in reversed(self.versions) if v != version))


class AuditLog(ChainedLog[AuditRecord]):
    """The log of one home."""

    def __init__(self, path: Path, head: Path) -> None:
        """Nothing is made before the first record."""
        super().__init__(AuditRecord, path, head, look="touchstone audit")

    def append(
        self,
        operation: str,
        name: str,
        outcome: Outcome,
        *,
        actor: str,
        reason: str = "",
        details: dict[str, str] | None = None,
        now: datetime | None = None,
    ) -> AuditRecord:
        """Add a record and have it on the disk. Raises IntegrityError if the end of the log is not what it was."""
        values: dict[str, Any] = {
            "actor": actor,
            "operation": operation,
            "name": name,
            "outcome": outcome,
            "reason": reason,
            "details": details or {},
        }
        return self.add(values, now=now)

    def trail(self, name: str, alias: str) -> AliasTrail:
        """Where an alias may stand. Raises IntegrityError if the log does not hold."""
        return alias_trail(self.trusted_records(), name, alias)

    def restart(self, *, actor: str, reason: str) -> Path:
        """Put a broken log aside and begin anew with a record that says so; returns where the old one is."""
        aside = self.put_aside()
        self.append("restart-audit", "", "done", actor=actor, reason=reason, details={"before": aside.name})
        return aside


def alias_trail(records: Sequence[AuditRecord], name: str, alias: str) -> AliasTrail:
    """Where an alias may stand according to records whose chain holds."""
    versions: list[str] = []
    pending: set[str] = set()
    for record in records:
        if record.operation not in ALIAS_OPERATIONS or record.name != name or record.details.get("alias") != alias:
            continue
        version = record.details.get("version", "")
        if record.outcome == "allowed":
            pending.add(version)
        elif record.outcome == "done":
            pending.clear()
            if not versions or versions[-1] != version:
                versions.append(version)
    return AliasTrail(tuple(versions), frozenset(pending))
