"""Append-only logs on disk, one JSON line a record, chained by hashes.

A line is canonical JSON with ``previous``, the hash of the line before, and ``hash``, the SHA-256 of the line without
it. A head file elsewhere holds number and hash of the newest line, so that cutting the end shows too. A crash between
the two leaves the log one line ahead of its head, or a last line without its end; the next append repairs both.

The chain has no secret: whoever may write the log and the head can forge both.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from filelock import FileLock, Timeout
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from components.core.errors import InfrastructureError, IntegrityError
from components.core.hashing import canonical_json, digest_value

GENESIS = "sha256:" + "0" * 64

_LOCK_SECONDS = 60.0
_TAIL_BYTES = 1 << 16  # a line is far shorter: values are cut before they are recorded


class ChainedRecord(BaseModel):
    """One line; subclasses add what it says."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    seq: int = Field(ge=0)
    time: AwareDatetime
    previous: str
    hash: str

    def line(self) -> str:
        """The one way a record is written."""
        return canonical_json(self.model_dump(mode="json")) + "\n"

    def expected_hash(self) -> str:
        """The hash that belongs to the other fields."""
        return digest_value(self.model_dump(mode="json", exclude={"hash"}))


R = TypeVar("R", bound=ChainedRecord)


@dataclass(frozen=True)
class ChainReport(Generic[R]):
    """All records that can be read, and what is wrong with the chain (nothing if it holds)."""

    records: tuple[R, ...]
    problems: tuple[str, ...]


class ChainedLog(Generic[R]):
    """One log with its head.

    Args:
        record: Type of its records.
        path: The log; nothing is made before the first record.
        head: Number and hash of the newest record.
        look: Command that an error points to.
    """

    def __init__(self, record: type[R], path: Path, head: Path, *, look: str) -> None:
        self.path, self._record, self._head, self._look = path, record, head, look

    def add(self, values: dict[str, Any], *, now: datetime | None = None, check: Callable[[], None] | None = None) -> R:
        """Add a record and have it on the disk.

        Args:
            values: The fields of the record that are not the chain's.
            now: Time of the record, this moment unless given.
            check: Called under the lock before anything is written; what it raises leaves the log as it was.

        Raises:
            IntegrityError: The end of the log is not what it was.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked():
            if check is not None:
                check()
            last = self._tail()
            chained = {
                "seq": last.seq + 1 if last else 0,
                "time": now or datetime.now(UTC),
                "previous": last.hash if last else GENESIS,
            }
            draft = self._record(**values, **chained, hash="")
            record = draft.model_copy(update={"hash": draft.expected_hash()})
            self._write(record)
        return record

    def verify(self) -> ChainReport[R]:
        """Read and check everything. Nothing is raised for a log that does not hold: the report says what is wrong."""
        # Whoever may only read cannot lock.
        with self._locked() if os.access(self.path.parent, os.W_OK) else nullcontext():
            return self.read_unlocked()

    def read_unlocked(self) -> ChainReport[R]:
        """``verify`` for whoever holds the lock already, as a ``check`` does."""
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
        return ChainReport(tuple(records), tuple(problems))

    def trusted_records(self) -> tuple[R, ...]:
        """All records. Raises IntegrityError if the log does not hold."""
        return self.trusted(self.verify())

    def trusted(self, report: ChainReport[R]) -> tuple[R, ...]:
        """The records of a report. Raises IntegrityError if it names a problem."""
        if report.problems:
            raise IntegrityError(f"{self.path}: {report.problems[0]}; look: {self._look}")
        return report.records

    def readable_records(self) -> tuple[R, ...]:
        """Every line that is a record by itself, wherever it stands and whatever its hashes say."""
        parsed = (self._parse(line) for line in self._lines())
        return tuple(record for record in parsed if record is not None)

    def put_aside(self) -> Path:
        """Rename a log, broken as it may be, and forget its head; returns where it is now."""
        with self._locked():
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
            aside = self.path.with_name(f"{self.path.stem}.{stamp}{self.path.suffix}")
            if self.path.exists():
                self.path.replace(aside)
            self._head.unlink(missing_ok=True)
        return aside

    def _read(self) -> tuple[list[R], list[str]]:
        records: list[R] = []
        previous = GENESIS
        for number, line in enumerate(self._lines()):
            record = self._parse(line)
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

    def _tail(self) -> R | None:
        """The last record, after a line that a crash left unended is taken off."""
        head = self._read_head()
        if not self.path.exists() or self.path.stat().st_size == 0:
            if head is not None:
                raise IntegrityError(f"{self.path}: gone, but {head[0] + 1} records were written; {self._look}")
            return None
        line, torn_bytes = _last_line(self.path)
        last = self._parse(line) if line else None
        if not _fits(last, head) or (last is None and line):
            raise IntegrityError(f"{self.path}: its end is not what {self._head.name} names; look: {self._look}")
        if torn_bytes:
            with self.path.open("rb+") as file:
                file.truncate(self.path.stat().st_size - torn_bytes)
                os.fsync(file.fileno())
        if last is not None and head != (last.seq, last.hash):
            self._write_head(last)  # before another record: after a second crash the log would be two ahead
        return last

    def _write(self, record: R) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            file.write(record.line().encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        self._write_head(record)

    def _write_head(self, record: R) -> None:
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
            raise IntegrityError(f"{self._head}: not readable; look: {self._look}") from error

    def _parse(self, line: str) -> R | None:
        try:
            record = self._record.model_validate(json.loads(line))
        except (ValueError, ValidationError):
            return None
        return record if record.line() == line + "\n" else None

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


def _fits(last: ChainedRecord | None, head: tuple[int, str] | None) -> bool:
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
