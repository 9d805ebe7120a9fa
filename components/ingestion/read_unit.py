"""Reading one unit: its records into chunks of a corpus's shard size, its quarantine, and its counts last.

In a unit's folder: ``chunk-00000.jsonl`` (records with ids that may repeat elsewhere), ``chunk-00000.digests`` (of
those ids, in order), ``quarantine.jsonl`` (lines counted from the start of the unit) and ``counts.json``. The folder
appears under its name when all of it is written, so a unit that is there is done.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, ClassVar

from pydantic import BaseModel, ConfigDict

from components.core.corpus import LANGUAGES, RECORDS_PER_SHARD, Record
from components.core.hashing import canonical_json
from components.core.jsonfiles import read_json, write_json
from components.core.pool import written_whole
from components.core.repeats import digest_key
from components.ingestion.config import IngestionConfig
from components.ingestion.identifiers import looks_numbered
from components.ingestion.languages import detect_language
from components.ingestion.readers import Problems, SourceReader
from components.ingestion.records import UNBROKEN, Quarantined
from components.ingestion.units import Unit

MAX_LABELS_NAMED = 100
QUARANTINE = "quarantine.jsonl"
COUNTS = "counts.json"


_to_json = json.JSONEncoder(ensure_ascii=False, sort_keys=True).encode  # made once; `json.dumps` makes it every time


class FirstBroken(BaseModel):
    """The first quarantined record of a unit that no setting asked to leave out."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    source: str
    line: int
    reason: str


class PartCounts(BaseModel):
    """What came out of one source, as far as this unit read it."""

    source: int
    kept: int = 0
    reasons: dict[str, int] = {}
    has_text: bool = False
    without_text: str = ""
    file_error: str = ""


class UnitCounts(BaseModel):
    """What came out of a unit."""

    parts: list[PartCounts]
    chunks: list[int]
    lines: int
    numbered: list[str]
    languages: dict[str, int]
    labels: dict[str, int]
    files: int
    first_broken: FirstBroken | None


@dataclass(frozen=True, slots=True)
class UnitJob:
    """A unit, the settings it is read with, the folder to make, and the key that ids are made with."""

    config: IngestionConfig
    unit: Unit
    folder: Path
    key: bytes = field(repr=False)


def read_unit(job: UnitJob) -> UnitCounts:
    """Read a unit, or find it read. Raises: ConfigError, ContractError and TransientError as the readers do."""
    if (job.folder / COUNTS).exists():
        return read_counts(job.folder)
    with written_whole(job.folder) as folder:
        with _Writer(job.config, folder, job.key) as writer:
            writer.write(job.unit)
        write_json(writer.counts(), folder / COUNTS)
    return read_counts(job.folder)


def read_counts(folder: Path) -> UnitCounts:
    """The counts of a finished unit."""
    return UnitCounts.model_validate(read_json(folder / COUNTS))


def chunk_path(folder: Path, number: int) -> Path:
    """A unit's chunk of records."""
    return folder / f"chunk-{number:05d}.jsonl"


def digests_path(folder: Path, number: int) -> Path:
    """The digests of the ids of a chunk."""
    return folder / f"chunk-{number:05d}.digests"


class _Writer:
    """One pass over a unit, writing and counting."""

    def __init__(self, config: IngestionConfig, folder: Path, key: bytes) -> None:
        self._config, self._folder, self._key = config, folder, key
        self._languages: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._numbered: list[str] = []
        self._first_broken: FirstBroken | None = None
        self._parts: list[PartCounts] = []
        self._files = 0
        self._chunks: list[int] = []
        self._kept = 0
        self._lines = 0
        self._stack = ExitStack()
        self._quarantine = self._stack.enter_context((folder / QUARANTINE).open("w", encoding="utf-8"))
        self._chunk_files: tuple[IO[str], IO[bytes]] | None = None

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self._close_chunk()
        self._stack.close()

    def write(self, unit: Unit) -> None:
        """Read the unit's parts in order, up to the corpus's ``max_records``."""
        sources = self._config.source_configs()
        for part in unit.parts:
            counts, problems = PartCounts(source=part.source), Problems()
            self._parts.append(counts)
            reader = SourceReader(sources[part.source], self._config.max_record_bytes, key=self._key)
            self._take(reader.read(problems, part.pieces), counts)
            counts.has_text, counts.without_text = problems.has_text, problems.without_text
            counts.file_error = problems.file_error
            self._lines += reader.lines_passed
            self._files += reader.files
            if self._kept == self._config.max_records:
                return

    def _take(self, items: Iterator[Record | Quarantined], counts: PartCounts) -> None:
        before = self._kept
        for item in items:
            if isinstance(item, Quarantined):
                self._put_aside(item, counts)
                continue
            self._keep(item)
            self._kept += 1
            if self._kept == self._config.max_records:
                break
        counts.kept = self._kept - before

    def _put_aside(self, item: Quarantined, counts: PartCounts) -> None:
        counts.reasons[item.reason.value] = counts.reasons.get(item.reason.value, 0) + 1
        if self._first_broken is None and item.reason not in UNBROKEN:
            self._first_broken = FirstBroken(source=item.source, line=item.line, reason=item.reason.value)
        self._quarantine.write(canonical_json(item.as_row()) + "\n")

    def _keep(self, record: Record) -> None:
        """Give the record a language where it can be told, count it and write it."""
        if "lang" not in record:
            detected, _ = detect_language(record["text"])
            if detected in self._config.languages:
                record["lang"] = detected
        lang = record.get("lang")
        self._languages[lang if lang in LANGUAGES else "unknown"] += 1
        if "label" in record and len(self._labels) <= MAX_LABELS_NAMED:
            self._labels[record["label"]] += 1
        key = digest_key(record["id"])
        if looks_numbered(record["id"]):
            self._numbered.append(key.hex())
        records, digests = self._chunk()
        records.write(_to_json(record) + "\n")
        digests.write(key)
        self._chunks[-1] += 1

    def _chunk(self) -> tuple[IO[str], IO[bytes]]:
        """The files of the chunk that the next record goes to."""
        if self._chunk_files is None or self._chunks[-1] == RECORDS_PER_SHARD:
            self._close_chunk()
            number = len(self._chunks)
            records = chunk_path(self._folder, number).open("w", encoding="utf-8")
            self._chunk_files = records, digests_path(self._folder, number).open("wb")
            self._chunks.append(0)
        return self._chunk_files

    def _close_chunk(self) -> None:
        for handle in self._chunk_files or ():
            handle.close()
        self._chunk_files = None

    def counts(self) -> UnitCounts:
        """Counts of the pass."""
        return UnitCounts(
            parts=self._parts,
            chunks=self._chunks,
            lines=self._lines,
            numbered=self._numbered,
            languages=dict(self._languages),
            labels=dict(self._labels),
            files=self._files,
            first_broken=self._first_broken,
        )
