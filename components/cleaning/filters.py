"""What is decided about a record by itself: repaired, normalised, and either dropped with a reason or kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from components.cleaning.boilerplate import LineTable, lines_of, stock_share
from components.cleaning.config import CleaningConfig, QualityConfig
from components.cleaning.licenses import license_judge
from components.cleaning.normalise import normalise_text, strip_unusable
from components.cleaning.protect import ProtectedRuns
from components.cleaning.quality import (
    broken_share,
    mean_word_characters,
    repeated_line_share,
    repetition_share,
    symbol_share,
)
from components.cleaning.repair import repair_encoding
from components.cleaning.shingles import TokenHasher, document_ngrams, is_mostly_han, shingle_set, tokenise
from components.cleaning.sketches import Document, exact_digest
from components.cleaning.toxicity import HarmScorer, is_harmful
from components.core.corpus import Record
from components.ingestion.languages import detect_language


class DropReason(StrEnum):
    """Why a record was dropped."""

    EMPTY = "empty"
    LICENSE_REFUSED = "license_refused"
    LICENSE_MISSING = "license_missing"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    BROKEN_ENCODING = "broken_encoding"
    TOO_MANY_SYMBOLS = "too_many_symbols"
    REPEATED_LINES = "repeated_lines"
    WRONG_LANGUAGE = "wrong_language"
    LANGUAGE_MISMATCH = "language_mismatch"
    WORDS_TOO_LONG = "words_too_long"
    TOO_REPETITIVE = "too_repetitive"
    PROTECTED = "overlaps_protected"
    TOXIC = "toxic"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    BOILERPLATE = "boilerplate"


_LICENSE_REASONS = {"refused": DropReason.LICENSE_REFUSED, "missing": DropReason.LICENSE_MISSING}


@dataclass(slots=True)
class Outcome:
    """What became of a record; its text and language were settled in place.

    Attributes:
        reason: Why it goes; None if it stays.
        benchmarks: The benchmarks that it overlaps.
        document: What deduplication sees of it, if it stays.
        lines: Its lines, if it stays and boilerplate is looked for.
        repaired: Whether its encoding was repaired.
        changed: Whether its text is another one now.
    """

    reason: DropReason | None = None
    benchmarks: tuple[str, ...] = ()
    of: str | None = None
    document: Document | None = None
    lines: LineTable | None = None
    repaired: bool = False
    changed: bool = False


class RecordFilter:
    """The steps that look at one record at a time, and at its copies in the same shard."""

    def __init__(self, config: CleaningConfig, protected: ProtectedRuns, scorer: HarmScorer | None) -> None:
        """``scorer`` is needed where the config has ``toxicity``."""
        self._config = config
        self._protected = protected
        self._scorer = scorer
        self._hasher = TokenHasher()
        self._judge_license = license_judge(config.license) if config.license else None
        self._needs_tokens = bool(config.quality or config.near_duplicates or config.protect)
        self._stayed: dict[bytes, str] = {}

    def forget(self) -> None:
        """Begin another shard: what a shard gives must not depend on which process did which before."""
        self._stayed.clear()

    def apply(self, record: Record) -> Outcome:
        """Mend the record and judge it."""
        outcome = self._mend(record)
        outcome.reason = self._judge_text(record) or self._judge_language(record)
        if outcome.reason is None:
            outcome.reason = self._judge_tokens(record, outcome)
        if outcome.reason is None and self._config.boilerplate is not None:
            outcome.lines = lines_of(record["text"])
            if stock_share(outcome.lines) > self._config.boilerplate.max_share:
                outcome.reason = DropReason.BOILERPLATE
        # The harm classifier is slower than all else together, so it sees what is left.
        if outcome.reason is None and self._is_harmful(record):
            outcome.reason = DropReason.TOXIC
        if outcome.reason is None and outcome.document is not None:
            self._stayed[outcome.document.digest] = record["id"]
        return outcome

    def _mend(self, record: Record) -> Outcome:
        given: str = record["text"]
        text = strip_unusable(given)
        repaired = repair_encoding(text) if self._config.repair_encoding else text
        record["text"] = normalise_text(repaired) if self._config.normalise == "full" else repaired
        return Outcome(repaired=repaired != text, changed=record["text"] != given)

    def _judge_text(self, record: Record) -> DropReason | None:
        text, length, quality = record["text"], self._config.length, self._config.quality
        if not text.strip():
            return DropReason.EMPTY
        if self._judge_license is not None and (judged := self._judge_license(record.get("license"))) != "allowed":
            return _LICENSE_REASONS[judged]
        if length is not None and len(text) < length.min_characters:
            return DropReason.TOO_SHORT
        if length is not None and len(text) > length.max_characters:
            return DropReason.TOO_LONG
        return _judge_characters(text, quality) if quality is not None else None

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

    def _judge_tokens(self, record: Record, outcome: Outcome) -> DropReason | None:
        digest = exact_digest(record["text"])
        # Copies within the shard go before the costly steps; those of other shards are found later.
        if self._config.exact_duplicates == "drop" and digest in self._stayed:
            outcome.of = self._stayed[digest]
            return DropReason.EXACT_DUPLICATE
        tokens = tokenise(record["text"]) if self._needs_tokens else []
        hashed = self._hasher.hash_tokens(tokens)
        grams = document_ngrams(hashed, han=is_mostly_han(tokens))
        outcome.document = Document(digest, grams, shingle_set(grams))
        quality = self._config.quality
        if quality is not None:
            longest = quality.max_mean_word_characters
            if longest is not None and mean_word_characters(tokens) > longest:
                return DropReason.WORDS_TOO_LONG
            if repetition_share(grams.size, outcome.document.shingles.size) > quality.max_repetition_share:
                return DropReason.TOO_REPETITIVE
        outcome.benchmarks = self._protected.overlaps(hashed) if self._config.protect else ()
        return DropReason.PROTECTED if outcome.benchmarks else None

    def _is_harmful(self, record: Record) -> bool:
        settings = self._config.toxicity
        if settings is None or self._scorer is None:
            return False
        return is_harmful(self._scorer, record["text"], record.get("lang"), settings)


def _judge_characters(text: str, quality: QualityConfig) -> DropReason | None:
    """Quality as far as characters and lines tell it."""
    if quality.max_broken_share is not None and broken_share(text) > quality.max_broken_share:
        return DropReason.BROKEN_ENCODING
    if symbol_share(text) > quality.max_symbol_share:
        return DropReason.TOO_MANY_SYMBOLS
    if quality.max_repeated_line_share is not None and repeated_line_share(text) > quality.max_repeated_line_share:
        return DropReason.REPEATED_LINES
    return None
