"""The stage: sources in, a corpus folder out, with ``quarantine.jsonl`` and ``report.json`` beside its shards."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from pydantic import BaseModel

from components.core.corpus import LANGUAGES, Record, write_records
from components.core.errors import ConfigError, ContractError
from components.core.hashing import canonical_json, digest_file, digest_value
from components.core.jsonfiles import write_json
from components.core.store import StageReport
from components.ingestion.config import EMBEDDED, IngestionConfig
from components.ingestion.hub import hub_revision, parse_address
from components.ingestion.languages import detect_language
from components.ingestion.readers import read_documents
from components.ingestion.records import UNBROKEN, IdentifierRegistry, Quarantined
from components.ingestion.sources import HUB_PREFIX, STDIN, list_files

_MAX_LABELS_NAMED = 100

logger = logging.getLogger(__name__)


class SourceCounts(BaseModel):
    """What came out of one source."""

    source: str
    kept: int = 0
    quarantined: int = 0
    reasons: dict[str, int] = {}


class IngestionReport(BaseModel):
    """Counts only: ``kept + quarantined = read``. Languages other than English and Chinese are ``unknown``."""

    read: int
    kept: int
    quarantined: int
    reasons: dict[str, int]
    languages: dict[str, int]
    labels: dict[str, int]
    sources: list[SourceCounts]


def ingest_corpus(config: IngestionConfig, *, out_dir: Path) -> StageReport:
    """Read every source into one corpus; records without a language get the detected one if it is configured.

    Raises: ConfigError for a missing path; ContractError if nothing could be kept, if more than
    ``max_quarantined_share`` was broken, or if a configured language has no record.
    """
    if _paths(config) == [EMBEDDED] and config.embedded is not None:
        from components.ingestion.embedded import write_embedded_corpus

        return write_embedded_corpus(config.embedded, config.purpose, out_dir)
    with (out_dir / "quarantine.jsonl").open("w", encoding="utf-8") as quarantine:
        ingestion = _Ingestion(config, quarantine)
        rows = write_records(ingestion.records(), out_dir)
    ingestion.check()
    report = ingestion.report()
    write_json(report, out_dir / "report.json")
    logger.info("ingested %d records, quarantined %d", report.kept, report.quarantined)
    return StageReport(rows=rows, summary=report.model_dump(exclude={"sources"}))


def source_fingerprint(config: IngestionConfig) -> dict[str, str]:
    """What decides the sources' content: a digest a file, a hub revision, the generator's settings.

    Raises: ConfigError for a missing path, and for stdin, which cannot be read twice.
    """
    fingerprint: dict[str, str] = {}
    for path in _paths(config):
        if path == EMBEDDED:
            fingerprint[path] = digest_value(config.embedded.model_dump(mode="json") if config.embedded else None)
        elif path.startswith(HUB_PREFIX):
            fingerprint |= _hub_fingerprint(path)
        elif path == STDIN:
            raise ConfigError("ingestion.sources: - (stdin) cannot be read twice; save it as a .jsonl file")
        else:
            source = next(source for source in config.source_configs() if source.path == path)
            fingerprint |= {str(file): digest_file(file) for file in list_files(source)}
    return fingerprint


def _paths(config: IngestionConfig) -> list[str]:
    return [source if isinstance(source, str) else source.path for source in config.sources]


def _hub_fingerprint(path: str) -> dict[str, str]:
    address = parse_address(path)
    if address.folder is None:
        return {path: hub_revision(address)}
    files = [address.folder] if address.folder.is_file() else sorted(address.folder.rglob("*"))
    return {str(file): digest_file(file) for file in files if file.is_file()}


class _Ingestion:
    """One pass over the sources, counting."""

    def __init__(self, config: IngestionConfig, quarantine: TextIO) -> None:
        self._config = config
        self._quarantine = quarantine
        self._languages: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._sources: list[SourceCounts] = []
        self._first_broken: Quarantined | None = None
        self._kept = 0

    def records(self) -> Iterator[Record]:
        """The kept records; quarantined ones are written on the way."""
        identifiers = IdentifierRegistry()
        limit = self._config.max_record_bytes
        for source in self._config.source_configs():
            counts = SourceCounts(source=source.path)
            self._sources.append(counts)
            for item in read_documents([source], max_record_bytes=limit, identifiers=identifiers):
                if isinstance(item, Quarantined):
                    self._put_aside(item, counts)
                    continue
                self._settle(item)
                counts.kept += 1
                self._kept += 1
                yield item
                if self._kept == self._config.max_records:
                    return

    def _put_aside(self, item: Quarantined, counts: SourceCounts) -> None:
        counts.quarantined += 1
        counts.reasons[item.reason.value] = counts.reasons.get(item.reason.value, 0) + 1
        self._reasons[item.reason.value] += 1
        if self._first_broken is None and item.reason not in UNBROKEN:
            self._first_broken = item
        self._quarantine.write(canonical_json(item.as_row()) + "\n")

    def _settle(self, record: Record) -> None:
        """Give the record a language where it can be told, and count it."""
        if "lang" not in record:
            detected, _ = detect_language(record["text"])
            if detected in self._config.languages:
                record["lang"] = detected
        lang = record.get("lang")
        self._languages[lang if lang in LANGUAGES else "unknown"] += 1
        if "label" in record and len(self._labels) <= _MAX_LABELS_NAMED:
            self._labels[record["label"]] += 1

    def check(self) -> None:
        """Raises ContractError if the corpus is not what the config promises."""
        config, names = self._config, ", ".join(_paths(self._config))
        read = self._kept + self._reasons.total()
        if not read:
            raise ContractError(f"{names}: no record at all, the corpus is empty; check ingestion.sources")
        broken = Counter({reason: count for reason, count in self._reasons.items() if reason not in UNBROKEN})
        if (first := self._first_broken) and (not self._kept or broken.total() > config.max_quarantined_share * read):
            counts = ", ".join(f"{reason} {count}" for reason, count in broken.most_common())
            raise ContractError(
                f"{first.source}, line {first.line}: {first.reason.value}; {broken.total()} of {read} records "
                f"are broken ({counts}), more than ingestion.max_quarantined_share {config.max_quarantined_share}; "
                "mend the file or raise the share"
            )
        if not self._kept:
            raise ContractError(f"{names}: every document is shorter than ingestion.min_document_characters; lower it")
        if missing := [lang for lang in config.languages if not self._languages[lang]]:
            found = ", ".join(f"{lang} {count}" for lang, count in sorted(self._languages.items()))
            raise ContractError(
                f"{names}: no record in {' or '.join(missing)} (found: {found}), though ingestion.languages is "
                f"{', '.join(config.languages)}; add a source in that language or take it off the list"
            )

    def report(self) -> IngestionReport:
        """Counts of the pass."""
        return IngestionReport(
            read=self._kept + self._reasons.total(),
            kept=self._kept,
            quarantined=self._reasons.total(),
            reasons=dict(sorted(self._reasons.items())),
            languages=dict(sorted(self._languages.items())),
            # A column of free text mistaken for labels would carry personal data into the report.
            labels=dict(sorted(self._labels.items())) if len(self._labels) <= _MAX_LABELS_NAMED else {},
            sources=self._sources,
        )
