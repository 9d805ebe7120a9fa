"""Shards of a corpus, each scrubbed on its own: on one process, on several, on a cluster, or again after a kill.

A shard's result lies in a work folder as ``part-00000.jsonl``, its offsets as ``part-00000.spans.jsonl``, and last
``part-00000.done.json`` with counts, written when the two are whole. A shard with a matching done file is finished;
so a run that starts again does the others only. Nothing of a result depends on who made it or when.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, ClassVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.core.corpus import Record
from components.core.errors import ContractError
from components.core.hashing import digest_file, digest_value
from components.core.jsonfiles import read_json, write_json
from components.scrubbing.config import ScrubbingConfig
from components.scrubbing.detectors import Detector
from components.scrubbing.engine import guess_lang
from components.scrubbing.lines import format_line, parse_line
from components.scrubbing.scrubber import Scrubbed, Scrubber

logger = logging.getLogger(__name__)

RECORDS_PER_BATCH = 500


@dataclass(slots=True)
class ShardCounts:
    """What was found, by language and label. Counts add up over shards."""

    records: int = 0
    records_changed: int = 0
    spans: int = 0
    surrogates_kept: int = 0
    placeholders: int = 0
    spans_per_label: dict[str, dict[str, int]] = field(default_factory=dict)
    records_per_lang: dict[str, int] = field(default_factory=dict)

    def add(self, lang: str, scrubbed: Scrubbed) -> None:
        """Count one record."""
        self.records += 1
        self.records_per_lang[lang] = self.records_per_lang.get(lang, 0) + 1
        self.surrogates_kept += scrubbed.surrogates
        if not scrubbed.spans:
            return
        self.records_changed += 1
        self.spans += len(scrubbed.spans)
        self.placeholders += scrubbed.placeholders
        labels = self.spans_per_label.setdefault(lang, {})
        for span in scrubbed.spans:
            labels[span.label] = labels.get(span.label, 0) + 1

    def merge(self, other: ShardCounts) -> None:
        """Add another shard's counts."""
        self.records += other.records
        self.records_changed += other.records_changed
        self.spans += other.spans
        self.surrogates_kept += other.surrogates_kept
        self.placeholders += other.placeholders
        self.records_per_lang = dict(Counter(self.records_per_lang) + Counter(other.records_per_lang))
        for lang, labels in other.spans_per_label.items():
            mine = self.spans_per_label.get(lang, {})
            self.spans_per_label[lang] = dict(Counter(mine) + Counter(labels))


class ShardJob(BaseModel):
    """One shard to do. Travels to worker processes and machines; the key never shows in a representation."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    shard: Path
    work: Path
    config: ScrubbingConfig
    key: bytes | None = Field(default=None, repr=False)

    def done_path(self) -> Path:
        """The file that says that the shard is finished."""
        return self.work / f"{self.shard.stem}.done.json"

    def spans_path(self) -> Path:
        """Offsets, a line a record."""
        return self.work / f"{self.shard.stem}.spans.jsonl"

    def result_path(self) -> Path:
        """The scrubbed shard."""
        return self.work / self.shard.name


class _Done(BaseModel):
    signature: str
    counts: ShardCounts


def scrub_shard(job: ShardJob, detectors: Sequence[Detector] = ()) -> ShardCounts:
    """Scrub one shard into the work folder, unless that was done before.

    Raises: ContractError if a record has no text; ConfigError if the policy needs a key and there is none.
    """
    signature = _signature(job)
    if (done := _finished(job, signature)) is not None:
        return done
    scrubber = scrubber_of(job.config, job.key) if not detectors else Scrubber(
        job.config, key=job.key, detectors=detectors
    )  # fmt: skip
    counts = ShardCounts()
    job.work.mkdir(parents=True, exist_ok=True)
    result, spans = _temporary(job.result_path()), _temporary(job.spans_path())
    try:
        with job.shard.open("rb") as source, result.open("wb") as out, spans.open("wb") as out_spans:
            _scrub_lines(source, scrubber, out, out_spans, counts, name=job.shard.name)
        result.replace(job.result_path())
        spans.replace(job.spans_path())
    finally:
        result.unlink(missing_ok=True)
        spans.unlink(missing_ok=True)
    write_json(_Done(signature=signature, counts=counts), job.done_path())
    logger.info("scrubbed shard %s: %d records", job.shard.name, counts.records)
    return counts


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _signature(job: ShardJob) -> str:
    """What decides a shard's result. The key takes part through a digest of a keyed value."""
    from components.scrubbing.keys import fingerprint

    return digest_value([digest_file(job.shard), job.config.digest(), fingerprint(job.key)])


def _finished(job: ShardJob, signature: str) -> ShardCounts | None:
    if not all(path.exists() for path in (job.done_path(), job.result_path(), job.spans_path())):
        return None
    try:
        done = _Done.model_validate(read_json(job.done_path()))
    except (ValidationError, ValueError):  # torn by a full disk
        return None
    return done.counts if done.signature == signature else None


def _scrub_lines(
    source: BinaryIO, scrubber: Scrubber, out: BinaryIO, out_spans: BinaryIO, counts: ShardCounts, *, name: str
) -> None:
    lines = enumerate(source, start=1)
    while batch := list(islice(lines, RECORDS_PER_BATCH)):
        records = [_record(line, f"{name}, record {number}") for number, line in batch]
        for record, lang, scrubbed in scrub_records(records, scrubber, counts):
            out.write(format_line({**record, "text": scrubbed.text}))
            out_spans.write(format_spans(record.get("id"), lang, scrubbed))


def _record(line: bytes, where: str) -> Record:
    try:
        record = parse_line(line)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"{where}: no JSON; run ingestion, which sets such lines aside") from error
    if not isinstance(record, dict):
        raise ContractError(f"{where}: no JSON object; run ingestion, which sets such lines aside")
    return checked_text(record, where)


def checked_text(record: Record, where: str) -> Record:
    """The record. Raises ContractError if it has no text."""
    if not isinstance(record.get("text"), str):
        raise ContractError(f"{where}: text is missing or no string; run ingestion, which sets such lines aside")
    return record


def scrub_records(
    records: Sequence[Record], scrubber: Scrubber, counts: ShardCounts
) -> Iterator[tuple[Record, str, Scrubbed]]:
    """Each record, the language it was read as, and its scrubbed text. The one place that calls the detectors."""
    langs = [record.get("lang") for record in records]
    done = scrubber.scrub([record["text"] for record in records], langs)
    for record, lang, scrubbed in zip(records, langs, done, strict=True):
        known = lang or guess_lang(record["text"])
        counts.add(known, scrubbed)
        yield record, known, scrubbed


def format_spans(identifier: object, lang: str, scrubbed: Scrubbed) -> bytes:
    """The line of a record in ``spans.jsonl``."""
    row = {"id": identifier, "lang": lang, "spans": [span.as_json() for span in scrubbed.spans]}
    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
    except (TypeError, ValueError):  # an id beyond 64 bits
        return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass") + b"\n"


_scrubber: tuple[str, bytes | None, Scrubber] | None = None


def scrubber_of(config: ScrubbingConfig, key: bytes | None) -> Scrubber:
    """This process's scrubber of a config and key, made once."""
    global _scrubber  # noqa: PLW0603 - one entry: a worker process serves one run
    digest = config.digest()
    if _scrubber is None or _scrubber[:2] != (digest, key):
        _scrubber = (digest, key, Scrubber(config, key=key))
    return _scrubber[2]
