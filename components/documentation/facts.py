"""What a data card may say: counts, shares, digests and settings. No text of any record."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from components.core.evidence import Metric
from components.documentation.config import DocumentationConfig
from components.validation.drift_report import DriftResult
from components.validation.report import ValidationResult

StageName = Literal["ingest", "scrub", "clean", "split"]
Counts = dict[str, int]


class _Frozen(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class SourceFacts(_Frozen):
    """One source of the corpus, as it was read."""

    name: str = Field(description="As the config names it; of an absolute path the last part alone.")
    license: str | None
    files: int
    digest: str | None = Field(description="SHA-256 of the file, or of the list of the files' digests.")
    kept: int | None = Field(description="Records; None where the reader did not count by source.")
    quarantined: int | None


class StageFacts(_Frozen):
    """What one stage did to the number of records: ``kept + sum(reasons) = read``."""

    stage: StageName
    skipped: bool = False
    read: int
    kept: int
    reasons: Counts = Field(default_factory=dict, description="Why records were dropped or set aside.")
    changed: int | None = Field(default=None, description="Records whose text is another one now.")

    @property
    def dropped(self) -> int:
        """Records that did not go on."""
        return self.read - self.kept


class ProbeFacts(_Frozen):
    """Recall on planted values of one label in one language, and what that means for the corpus; each with interval."""

    label: str
    lang: str
    recall: Metric
    missed: Metric | None = Field(description="Values of the corpus that were probably missed.")


class ScrubFacts(_Frozen):
    """What was done about personal data."""

    policy: str
    min_score: float
    labels: tuple[str, ...] = Field(description="Labels that were looked for.")
    spans: dict[str, Counts] = Field(description="Language to label to number of replaced values.")
    probes: tuple[ProbeFacts, ...] = ()
    not_probed: tuple[str, ...] = Field(default=(), description="Labels that no values were planted for.")


class BenchmarkFacts(_Frozen):
    """A benchmark that the corpus was held against."""

    name: str
    items: int
    dropped: int


class SplitFacts(_Frozen):
    """One split, counted from its records."""

    name: str
    records: int
    languages: Counts
    labels: Counts
    licenses: Counts
    groups: dict[str, Counts] = Field(description="Group to label to records.")
    characters: dict[str, tuple[int, int, int]] = Field(
        description="Language to the 5th, 50th and 95th percentile of the lengths in characters."
    )
    fields: Counts = Field(description="Field to the number of records that have it.")
    users: int = Field(description="Different users; 0 where records name none.")


class DataFacts(_Frozen):
    """All that is known of a corpus."""

    declared: DocumentationConfig
    purpose: Literal["pretraining", "finetuning"]
    restricted: bool = Field(description="Holds personal data as it was read.")
    sources: tuple[SourceFacts, ...]
    stages: tuple[StageFacts, ...]
    scrubbing: ScrubFacts | None
    benchmarks: tuple[BenchmarkFacts, ...]
    splits: tuple[SplitFacts, ...]
    split_unit: str
    quality: ValidationResult
    drift: DriftResult | None
    digests: dict[str, str] = Field(description="Role (raw, scrubbed, cleaned, splits, …) to artefact digest.")
    files: dict[str, str] = Field(description="Data file to SHA-256.")

    @property
    def records(self) -> int:
        """Records over all splits."""
        return sum(split.records for split in self.splits)

    def total(self, name: Literal["languages", "labels", "licenses", "fields"]) -> Counts:
        """A count over all splits."""
        counts: Counts = {}
        for split in self.splits:
            for key, number in getattr(split, name).items():
                counts[key] = counts.get(key, 0) + number
        return dict(sorted(counts.items()))

    @property
    def license_names(self) -> list[str]:
        """Licences that the sources or the records name; empty where none does."""
        named = {source.license for source in self.sources if source.license}
        return sorted(named | set(self.total("licenses")))

    @property
    def spans_by_label(self) -> Counts:
        """Replaced values a label, over all languages, most frequent first."""
        counts: Counts = {}
        for labels in (self.scrubbing.spans if self.scrubbing else {}).values():
            for label, number in labels.items():
                counts[label] = counts.get(label, 0) + number
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
