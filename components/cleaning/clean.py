"""The stage: a corpus in, a clean corpus out, with ``dropped.jsonl`` (id, reason, of) and ``report.json`` beside it.

Steps, each one optional: normalise, empty, length, language, quality, exact duplicates, protected benchmarks, near
duplicates. kept + dropped = read, and every drop has a reason. The order of records stays.
"""

from __future__ import annotations

import hashlib
import json
import logging
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TextIO

import numpy as np
from pydantic import BaseModel

from components.cleaning.config import CleaningConfig
from components.cleaning.near_duplicates import find_near_duplicates
from components.cleaning.normalise import normalise_text, strip_unusable
from components.cleaning.protect import ProtectedRuns, protected_texts
from components.cleaning.quality import repetition_share, symbol_share
from components.cleaning.shingles import Hashes, MinHasher, TokenHasher
from components.core.corpus import LANGUAGES, Record, read_records, write_records
from components.core.errors import ContractError
from components.core.hashing import canonical_json
from components.core.jsonfiles import write_json
from components.core.store import StageReport
from components.ingestion.languages import detect_language

logger = logging.getLogger(__name__)

_CACHED_SETS = 4_096


class DropReason(StrEnum):
    """Why a record was dropped."""

    EMPTY = "empty"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    WRONG_LANGUAGE = "wrong_language"
    LANGUAGE_MISMATCH = "language_mismatch"
    TOO_MANY_SYMBOLS = "too_many_symbols"
    TOO_REPETITIVE = "too_repetitive"
    EXACT_DUPLICATE = "exact_duplicate"
    PROTECTED = "overlaps_protected"
    NEAR_DUPLICATE = "near_duplicate"


class CleaningReport(BaseModel):
    """Counts only: ``kept + dropped = read``; ``changed`` texts were normalised to something else."""

    read: int
    kept: int
    dropped: int
    reasons: dict[str, int]
    changed: int
    languages: dict[str, int]


def exact_digest(text: str) -> bytes:
    """16 bytes, equal for texts that differ in case, width and white space alone."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    folded = " ".join(plain.casefold().split())
    return hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def clean_corpus(corpus: Path, config: CleaningConfig, *, out_dir: Path) -> StageReport:
    """Normalise, filter and deduplicate a corpus.

    Raises: ConfigError for an unreadable protected file; ContractError if nothing, or nothing in a configured
    language, is left.
    """
    survivors = out_dir / ".survivors.jsonl"
    with ExitStack() as stack:
        dropped = stack.enter_context((out_dir / "dropped.jsonl").open("w", encoding="utf-8"))
        cleaning = _Cleaning(config, dropped)
        documents = cleaning.write_survivors(corpus, survivors)
        doubles = cleaning.find_doubles(documents, survivors)
        rows = write_records(cleaning.without(doubles, survivors, documents.ids), out_dir)
    survivors.unlink()
    report = cleaning.report(corpus)
    write_json(report, out_dir / "report.json")
    logger.info("cleaned: kept %d of %d records", report.kept, report.read)
    return StageReport(rows=rows, summary=report.model_dump())


class _Survivors:
    """What is remembered of each record that passed the filters: where it stands, its id, its signature."""

    def __init__(self) -> None:
        self.offsets: list[int] = []
        self.ids: list[str] = []


class _Cleaning:
    """One pass of filters over a corpus, then one over the survivors."""

    def __init__(self, config: CleaningConfig, dropped: TextIO) -> None:
        self._config = config
        self._dropped = dropped
        self._hasher = TokenHasher()
        self._seen: dict[bytes, str] = {}
        self._protected = ProtectedRuns(protected_texts(config.protect), self._hasher)
        self._reasons: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()
        self._read = self._changed = self._kept = 0
        near = config.near_duplicates
        self._minhasher = MinHasher(permutations=near.permutations, seed=config.seed) if near else None
        self._signatures = np.empty((0, 1), np.uint32)

    def write_survivors(self, corpus: Path, path: Path) -> _Survivors:
        """Write the records that pass every filter but the last."""
        survivors = _Survivors()
        with path.open("wb") as handle:

            def passing() -> Iterator[Hashes]:
                for record in read_records(corpus):
                    self._read += 1
                    ngrams = self._filter(record)
                    if ngrams is None:
                        continue
                    survivors.offsets.append(handle.tell())
                    survivors.ids.append(record["id"])
                    handle.write((json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n").encode())
                    yield ngrams if ngrams.size else np.zeros(1, np.uint64)

            if self._minhasher is None:
                for _ in passing():
                    pass
            else:
                self._signatures = self._minhasher.signatures(passing())
        return survivors

    def _filter(self, record: Record) -> Hashes | None:
        """The record's n-grams, its text normalised in place; None if it was dropped."""
        text = record["text"]
        record["text"] = normalise_text(text) if self._config.normalise == "full" else strip_unusable(text)
        self._changed += record["text"] != text
        needs_ngrams = self._config.quality is not None or self._config.near_duplicates is not None
        reason, of = self._judge_text(record)
        ngrams = np.empty(0, np.uint64)
        if reason is None and needs_ngrams:
            ngrams = self._hasher.document(record["text"])
            quality = self._config.quality
            if quality is not None and repetition_share(ngrams) > quality.max_repetition_share:
                reason = DropReason.TOO_REPETITIVE
        if reason is None:
            reason, of = self._judge_copy(record)
        if reason is not None:
            self._drop(record["id"], reason, of)
            return None
        return ngrams

    def _judge_text(self, record: Record) -> tuple[DropReason | None, str | None]:
        text, length, quality = record["text"], self._config.length, self._config.quality
        if not text.strip():
            return DropReason.EMPTY, None
        if length is not None and len(text) < length.min_characters:
            return DropReason.TOO_SHORT, None
        if length is not None and len(text) > length.max_characters:
            return DropReason.TOO_LONG, None
        if quality is not None and symbol_share(text) > quality.max_symbol_share:
            return DropReason.TOO_MANY_SYMBOLS, None
        return self._judge_language(record), None

    def _judge_language(self, record: Record) -> DropReason | None:
        """Settle the record's language, or say why it must go."""
        settings, declared = self._config.language, record.get("lang")
        if settings is None:
            return None
        detected, score = detect_language(record["text"])
        sure = score >= settings.min_confidence
        if detected not in self._config.languages:
            return DropReason.WRONG_LANGUAGE if sure or declared not in self._config.languages else None
        if declared == detected:
            return None
        if declared not in self._config.languages and declared is not None:
            return DropReason.WRONG_LANGUAGE
        if declared is not None and sure and settings.mismatch == "drop":
            return DropReason.LANGUAGE_MISMATCH
        if declared is None or sure:
            record["lang"] = detected
        return None

    def _judge_copy(self, record: Record) -> tuple[DropReason | None, str | None]:
        if self._config.exact_duplicates == "drop":
            first = self._seen.setdefault(exact_digest(record["text"]), record["id"])
            if first != record["id"]:
                return DropReason.EXACT_DUPLICATE, first
        if self._protected.overlaps(record["text"]):
            return DropReason.PROTECTED, None
        return None, None

    def find_doubles(self, documents: _Survivors, path: Path) -> dict[int, int]:
        """Positions of near duplicates among the survivors, with the position of what stays."""
        near = self._config.near_duplicates
        if near is None or not documents.ids:
            return {}
        with path.open("rb") as handle:

            @lru_cache(maxsize=_CACHED_SETS)
            def set_of(index: int) -> Hashes:
                handle.seek(documents.offsets[index])
                return np.unique(self._hasher.document(json.loads(handle.readline())["text"]))

            return find_near_duplicates(self._signatures, set_of, near.threshold)

    def without(self, doubles: dict[int, int], path: Path, ids: list[str]) -> Iterator[Record]:
        """The survivors that are no near duplicates."""
        with path.open("rb") as handle:
            for index, line in enumerate(handle):
                if index in doubles:
                    self._drop(ids[index], DropReason.NEAR_DUPLICATE, ids[doubles[index]])
                    continue
                record: Record = json.loads(line)
                lang = record.get("lang")
                self._languages[lang if lang in LANGUAGES else "unknown"] += 1
                self._kept += 1
                yield record

    def _drop(self, identifier: str, reason: DropReason, of: str | None) -> None:
        self._reasons[reason.value] += 1
        row = {"id": identifier, "reason": reason.value} | ({"of": of} if of is not None else {})
        self._dropped.write(canonical_json(row) + "\n")

    def report(self, corpus: Path) -> CleaningReport:
        """Counts. Raises ContractError if nothing is left, in all or in a configured language."""
        counts = ", ".join(f"{reason} {count}" for reason, count in self._reasons.most_common()) or "none"
        if not self._kept:
            raise ContractError(
                f"{corpus}: cleaning left none of {self._read} records ({counts}); loosen cleaning.yaml"
            )
        if missing := [lang for lang in self._config.languages if not self._languages[lang]]:
            raise ContractError(
                f"{corpus}: cleaning left no record in {' or '.join(missing)} (dropped: {counts}); "
                "loosen cleaning.yaml or add text in that language"
            )
        return CleaningReport(
            read=self._read,
            kept=self._kept,
            dropped=self._reasons.total(),
            reasons=dict(sorted(self._reasons.items())),
            changed=self._changed,
            languages=dict(sorted(self._languages.items())),
        )
