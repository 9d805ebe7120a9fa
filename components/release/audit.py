"""Audit log: every attempt on a guarded registry, one JSON line each, chained by hashes.

On disk: ``audit.jsonl``, append only, owner only; a line is canonical JSON with ``previous``, the hash of the line
before, and ``hash``, the SHA-256 of the line without it. A head file elsewhere (``keys/audit.head``) holds number and
hash of the newest line, so that cutting the end shows too. A crash between the two leaves the log one line ahead of
its head, or a last line without its end; the next append repairs both.

The chain has no secret: whoever may write the log, the head and the keys can forge all three (threat model).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Literal

from filelock import FileLock, Timeout
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from components.core.errors import InfrastructureError, IntegrityError
from components.core.hashing import canonical_json, digest_value

GENESIS = "sha256:" + "0" * 64
ALIAS_OPERATIONS = frozenset({"set-alias", "promote", "rollback"})

_LOCK_SECONDS = 60.0
_TAIL_BYTES = 1 << 16  # a line is far shorter: values are cut before they are recorded

Outcome = Literal["allowed", "done", "refused", "failed"]


class AuditRecord(BaseModel):
    """One line: an attempt on the registry, or a decision that somebody signed.

    ``allowed`` stands before a change, ``done`` after it; a crash may leave the first alone.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    seq: int = Field(ge=0)
    time: AwareDatetime
    actor: str
    operation: str
    name: str = Field(description="Registered model.")
    outcome: Outcome
    reason: str = ""
    details: dict[str, str] = Field(default_factory=dict)
    previous: str
    hash: str

    def line(self) -> str:
        """The one way a record is written."""
        return canonical_json(self.model_dump(mode="json")) + "\n"

    def expected_hash(self) -> str:
        """The hash that belongs to the other fields."""
        return digest_value(self.model_dump(mode="json", exclude={"hash"}))


@dataclass(frozen=True)
class AuditReport:
    """All records that can be read, and what is wrong with the chain (nothing if it holds)."""

    records: tuple[AuditRecord, ...]
    problems: tuple[str, ...]


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


class AuditLog:
    """The log of one home."""

    def __init__(self, path: Path, head: Path) -> None:
        """Nothing is made before the first record."""
        self.path, self._head = path, head

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
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            last = self._tail()
            values: dict[str, Any] = {
                "seq": last.seq + 1 if last else 0,
                "time": now or datetime.now(UTC),
                "actor": actor,
                "operation": operation,
                "name": name,
                "outcome": outcome,
                "reason": reason,
                "details": details or {},
                "previous": last.hash if last else GENESIS,
            }
            draft = AuditRecord(**values, hash="")
            record = draft.model_copy(update={"hash": draft.expected_hash()})
            self._write(record)
        return record

    def verify(self) -> AuditReport:
        """Read and check everything. Nothing is raised for a log that does not hold: the report says what is wrong."""
        # Whoever may only read cannot lock.
        with self._locked() if os.access(self.path.parent, os.W_OK) else nullcontext():
            records, problems = self._read()
            head = self._read_head()
        if head is not None and not problems:
            number, digest = head
            at_head = next((record.hash for record in records if record.seq == number), None)
            if at_head is None:
                problems.append(f"cut: ends before record {number}, which {self._head.name} names")
            elif at_head != digest:
                problems.append(f"record {number}: not the one that {self._head.name} names")
            elif records[-1].seq > number + 1:
                problems.append(f"records after {number + 1} were not written by append")
        elif len(records) > 1 and not problems:
            problems.append(f"{self._head}: gone, so nothing says where the log ends")
        return AuditReport(tuple(records), tuple(problems))

    def trail(self, name: str, alias: str) -> AliasTrail:
        """Where an alias may stand. Raises IntegrityError if the log does not hold."""
        return alias_trail(self.trusted_records(), name, alias)

    def trusted_records(self) -> tuple[AuditRecord, ...]:
        """All records. Raises IntegrityError if the log does not hold."""
        report = self.verify()
        if report.problems:
            raise IntegrityError(f"{self.path}: {report.problems[0]}; look: touchstone audit")
        return report.records

    def restart(self, *, actor: str, reason: str) -> Path:
        """Put a broken log aside and begin anew with a record that says so; returns where the old one is."""
        with self._locked():
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
            aside = self.path.with_name(f"{self.path.stem}.{stamp}{self.path.suffix}")
            if self.path.exists():
                self.path.replace(aside)
            self._head.unlink(missing_ok=True)
        self.append("restart-audit", "", "done", actor=actor, reason=reason, details={"before": aside.name})
        return aside

    def _read(self) -> tuple[list[AuditRecord], list[str]]:
        records: list[AuditRecord] = []
        previous = GENESIS
        for number, line in enumerate(self._lines()):
            record = _parse(line)
            problem = ""
            if record is None:
                problem = "not a readable record"
            elif record.seq != number:
                problem = f"calls itself {record.seq}"
            elif record.previous != previous:
                problem = "does not follow from the one before"
            elif record.hash != record.expected_hash():
                problem = "changed since it was written"
            if record is None or problem:
                return records, [f"record {number}: {problem}"]
            records.append(record)
            previous = record.hash
        return records, []

    def _lines(self) -> Iterator[str]:
        if self.path.exists():
            text = self.path.read_text(encoding="utf-8", errors="replace")
            whole, _, torn = text.rpartition("\n")
            yield from whole.split("\n") if whole else ()
            if torn and not self._is_torn(whole):
                yield f"{torn} without an end"

    def _is_torn(self, whole: str) -> bool:
        """Whether an unended last line is a crash's: the head then names the line before it."""
        head = self._read_head()
        return head is None or head[0] <= whole.count("\n")

    def _tail(self) -> AuditRecord | None:
        """The last record, after a line that a crash left unended is taken off."""
        head = self._read_head()
        if not self.path.exists() or self.path.stat().st_size == 0:
            if head is not None:
                raise IntegrityError(f"{self.path}: gone, but {head[0] + 1} records were written; touchstone audit")
            return None
        line, torn_bytes = _last_line(self.path)
        last = _parse(line) if line else None
        if not _fits(last, head) or (last is None and line):
            raise IntegrityError(f"{self.path}: its end is not what {self._head.name} names; look: touchstone audit")
        if torn_bytes:
            with self.path.open("rb+") as file:
                file.truncate(self.path.stat().st_size - torn_bytes)
                os.fsync(file.fileno())
        return last

    def _write(self, record: AuditRecord) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(record.line().encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        self._head.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = self._head.with_name(f".{self._head.name}.{os.getpid()}.tmp")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(f"{record.seq} {record.hash}\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._head)
        _flush_folder(self._head.parent)

    def _read_head(self) -> tuple[int, str] | None:
        try:
            number, digest = self._head.read_text(encoding="utf-8").split()
            return int(number), digest
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise IntegrityError(f"{self._head}: not readable; look: touchstone audit") from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        lock = FileLock(f"{self.path}.lock")
        try:
            with lock.acquire(timeout=_LOCK_SECONDS):
                yield
        except Timeout:
            raise InfrastructureError(f"{lock.lock_file}: held for over a minute; touchstone doctor") from None


def _flush_folder(folder: Path) -> None:
    """Have a rename on the disk, so that a power cut does not leave a head of long ago."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


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


def _parse(line: str) -> AuditRecord | None:
    try:
        record = AuditRecord.model_validate(json.loads(line))
    except (ValueError, ValidationError):
        return None
    return record if record.line() == line + "\n" else None


def _fits(last: AuditRecord | None, head: tuple[int, str] | None) -> bool:
    """Whether the log ends at its head, or one record after it, as a crash may leave it."""
    if last is None or head is None:
        return head is None and (last is None or last.seq == 0)
    if last.hash != last.expected_hash():
        return False
    return (last.seq, last.hash) == head or (last.seq - 1, last.previous) == head


def _last_line(path: Path) -> tuple[str, int]:
    """The last ended line (empty if none) and how many bytes follow it."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        whole, _, torn = file.read().rpartition(b"\n")
    return whole.rpartition(b"\n")[2].decode("utf-8", errors="replace"), len(torn)
