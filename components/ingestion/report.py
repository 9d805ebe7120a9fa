"""What the ingestion of a corpus comes to: counts only, and whether they are what the config promises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel

from components.core.errors import ContractError
from components.ingestion.config import IngestionConfig
from components.ingestion.read_unit import MAX_LABELS_NAMED, FirstBroken, PartCounts, UnitCounts
from components.ingestion.readers import Problems
from components.ingestion.records import FILE_REASONS, UNBROKEN


class SourceCounts(BaseModel):
    """What came out of one source."""

    source: str
    kept: int = 0
    quarantined: int = 0
    reasons: dict[str, int] = {}


class IngestionReport(BaseModel):
    """Counts only: ``kept + quarantined = read``. Languages other than English and Chinese are ``unknown``.

    A file that could not be read, or not to its end, counts as one that was read and quarantined.
    """

    read: int
    kept: int
    quarantined: int
    reasons: dict[str, int]
    languages: dict[str, int]
    labels: dict[str, int]
    files: int
    unreadable_files: int
    sources: list[SourceCounts]


class Tally:
    """Adds units up, in their order."""

    def __init__(self, config: IngestionConfig) -> None:
        self._config = config
        self._paths = [source.path for source in config.source_configs()]
        self._sources: dict[int, SourceCounts] = {}
        self._problems: dict[int, Problems] = {}
        self._languages: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._reasons: Counter[str] = Counter()
        self._files = 0
        self._first_broken: FirstBroken | None = None
        self.kept = 0

    def add(self, unit: UnitCounts, lines_before: int) -> None:
        """Take in a unit; ``lines_before`` stand in its file before it."""
        for part in unit.parts:
            self._add_part(part)
        self._languages.update(unit.languages)
        if len(self._labels) <= MAX_LABELS_NAMED:
            self._labels.update(unit.labels)
        self._files += unit.files
        if self._first_broken is None and (first := unit.first_broken) is not None:
            self._first_broken = first.model_copy(update={"line": first.line + lines_before})

    def _add_part(self, part: PartCounts) -> None:
        counts = self._sources.setdefault(part.source, SourceCounts(source=self._paths[part.source]))
        counts.kept += part.kept
        counts.quarantined += sum(part.reasons.values())
        counts.reasons = dict(Counter(counts.reasons) + Counter(part.reasons))
        self._reasons.update(part.reasons)
        self.kept += part.kept
        problems = self._problems.setdefault(part.source, Problems())
        problems.add(part.kept, has_text=part.has_text, without_text=part.without_text, file_error=part.file_error)

    @property
    def _read(self) -> int:
        return self.kept + self._reasons.total()

    def _count(self, reasons: Iterable[str]) -> int:
        return sum(self._reasons[reason] for reason in reasons)

    def check(self, *, require_languages: bool = True) -> None:
        """Raises ContractError if the corpus is not what the config promises."""
        for problems in self._problems.values():
            problems.check()
        config, names = self._config, ", ".join(self._paths)
        if not self._read:
            raise ContractError(
                f"{names}: no record at all, the corpus is empty; check what names it (config: sources)"
            )
        self._check_broken()
        if not self.kept:
            raise ContractError(f"{names}: every document is shorter than ingestion.min_document_characters; lower it")
        missing = [lang for lang in config.languages if not self._languages[lang]]
        if missing and require_languages:
            found = ", ".join(f"{lang} {count}" for lang, count in sorted(self._languages.items()))
            raise ContractError(
                f"{names}: no record in {' or '.join(missing)} (found: {found}), though ingestion.languages is "
                f"{', '.join(config.languages)}; add a source in that language or take it off the list"
            )

    def _check_broken(self) -> None:
        """Too many records, or too many files: of a file that breaks off nobody knows how many records it had."""
        first, limit = self._first_broken, self._config.max_quarantined_share
        broken = Counter({reason: count for reason, count in self._reasons.items() if reason not in UNBROKEN})
        if first is None:
            return
        where = f"{first.source}, line {first.line}: {first.reason}"
        end = f"more than ingestion.max_quarantined_share {limit}; mend the file or raise the share"
        if not self.kept or broken.total() > limit * self._read:
            counts = ", ".join(f"{reason} {count}" for reason, count in broken.most_common())
            raise ContractError(f"{where}; {broken.total()} of {self._read} records are broken ({counts}), {end}")
        if (files := self._count(FILE_REASONS)) > limit * self._files:
            raise ContractError(f"{where}; {files} of {self._files} files cannot be read to their end, {end}")

    def report(self) -> IngestionReport:
        """Counts of all units."""
        named = len(self._labels) <= MAX_LABELS_NAMED
        return IngestionReport(
            read=self._read,
            kept=self.kept,
            quarantined=self._reasons.total(),
            reasons=dict(sorted(self._reasons.items())),
            languages=dict(sorted(self._languages.items())),
            # A column of free text mistaken for labels would carry personal data into the report.
            labels=dict(sorted(self._labels.items())) if named else {},
            files=self._files,
            unreadable_files=self._count(FILE_REASONS),
            sources=[self._sources[position] for position in sorted(self._sources)],
        )
