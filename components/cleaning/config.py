"""Settings of cleaning and splitting. A filter that is null is off."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from components.core.config import StageConfig

SplitName = Literal["train", "dev", "test", "holdout"]
SPLIT_NAMES: tuple[SplitName, ...] = ("train", "dev", "test", "holdout")
Language = Literal["en", "zh"]


class LengthConfig(StageConfig):
    """Length of a document in characters, after normalising."""

    min_characters: int = Field(ge=1, description="Shorter ones are dropped.")
    max_characters: int = Field(ge=1, description="Longer ones are dropped.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_characters > self.max_characters:
            raise ValueError("min_characters must not exceed max_characters")
        return self


class LanguageFilterConfig(StageConfig):
    """What to do with text in another language than its record says, or in none of the configured ones."""

    min_confidence: float = Field(ge=0, le=1, description="A less sure detection does not overrule the record.")
    mismatch: Literal["drop", "relabel"] = Field(
        default="drop", description="Text in a configured language that is not the one its record names."
    )


class QualityConfig(StageConfig):
    """Shares above which a document is no prose. The optional ones are off where they are null."""

    max_symbol_share: float = Field(
        ge=0,
        le=1,
        description="Characters neither letters, digits nor punctuation, among the visible.",
    )
    max_repetition_share: float = Field(
        ge=0,
        le=1,
        description="Word 3-grams (5 Chinese characters) that stood before in the document.",
    )
    max_repeated_line_share: float | None = Field(
        default=None, ge=0, le=1, description="Characters on lines that stood before in the document."
    )
    max_broken_share: float | None = Field(
        default=None, ge=0, le=1, description="Replacement characters left by a wrong decoding, among the visible."
    )
    max_mean_word_characters: float | None = Field(
        default=None, gt=0, description="Mean length of the words, Chinese apart: encoded data has very long ones."
    )


class BoilerplateConfig(StageConfig):
    """Lines that are not the document's own: they hold a stock phrase, or stand in many documents."""

    max_share: float = Field(ge=0, lt=1, description="Share of a document's characters on such lines.")
    min_documents: int = Field(
        default=20, ge=2, description="A line that stands in so many of the documents that would stay is boilerplate."
    )


class LicenseConfig(StageConfig):
    """What the key `license` of a record must say. Case, spaces and underscores do not matter; * and ? match."""

    allow: tuple[str, ...] = Field(min_length=1, description="Licences that may stay, for instance cc-by-*.")
    deny: tuple[str, ...] = Field(default=(), description="Licences that go although allow names them: *-nc-*.")
    missing: Literal["drop", "keep"] = Field(description="A record that names no licence.")


class ToxicityConfig(StageConfig):
    """Harmful text, by the score of the classifier that the run is given."""

    max_score: float = Field(ge=0, lt=1, description="A document goes if one category scores higher.")
    categories: tuple[str, ...] | None = Field(default=None, description="Categories that count; null: all.")


class NearDuplicateConfig(StageConfig):
    """Documents whose sets of word 3-grams (Chinese: 5-grams of characters) overlap."""

    threshold: float = Field(
        ge=0.3, le=1, description="Jaccard similarity from which two documents are near duplicates."
    )
    permutations: int = Field(default=128, ge=16, le=1024, description="Length of a MinHash signature.")


class CleaningConfig(StageConfig):
    """Steps of cleaning, in the order in which they run."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"workers"})

    languages: tuple[Language, ...] = Field(min_length=1, description="Languages that may stay, and must.")
    repair_encoding: bool = Field(
        default=True, description="Undo wrong decodings where that is sure: UTF-8 read as Latin-1, Windows or GBK."
    )
    normalise: Literal["full", "minimal"] = Field(
        description="full: NFC, no control or invisible characters, tidy white space. minimal: NUL and surrogates only."
    )
    license: LicenseConfig | None = Field(default=None, description="Licence policy.")
    length: LengthConfig | None = Field(description="Length filter.")
    language: LanguageFilterConfig | None = Field(description="Language filter.")
    quality: QualityConfig | None = Field(description="Symbol and repetition filter.")
    protect: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Benchmark to its files; a record that shares 13 words or 30 Chinese characters in a row goes. "
        "In YAML `evaluation`, the default, stands for every benchmark that evaluation.yaml names; a list adds files.",
    )
    toxicity: ToxicityConfig | None = Field(default=None, description="Harm filter.")
    exact_duplicates: Literal["drop", "keep"] = Field(description="Texts equal but for case, width and white space.")
    near_duplicates: NearDuplicateConfig | None = Field(description="Near-duplicate filter.")
    boilerplate: BoilerplateConfig | None = Field(default=None, description="Boilerplate filter.")
    seed: int = Field(default=0, ge=0, description="Seed of the MinHash permutations.")
    workers: int | None = Field(
        default=None, ge=1, description="Processes; null: one a core. Changes no byte of the result."
    )

    @field_validator("protect", mode="before")
    @classmethod
    def _name_benchmarks(cls, value: Any) -> Any:
        """A plain list of files: each is a benchmark by its own name."""
        return {Path(path).name: (path,) for path in value} if isinstance(value, (list, tuple)) else value


class Fractions(StageConfig):
    """Shares of the four splits; they add up to 1."""

    train: float = Field(ge=0, le=1, description="Share that is trained on.")
    dev: float = Field(ge=0, le=1, description="Share for choosing settings.")
    test: float = Field(ge=0, le=1, description="Share for the gates.")
    holdout: float = Field(ge=0, le=1, description="Share never trained on: membership and canary controls.")

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        total = self.train + self.dev + self.test + self.holdout
        if not math.isclose(total, 1, abs_tol=1e-6):
            raise ValueError(f"train + dev + test + holdout is {total:g}, must be 1")
        return self


class TimeConfig(StageConfig):
    """Parting by the key `timestamp`: fixed days, so that growth moves nothing. Days are UTC."""

    dev_from: date | None = Field(default=None, description="First day of dev; null: no dev by time.")
    test_from: date = Field(description="First day of test; everything before both days is train.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.dev_from is not None and self.dev_from >= self.test_from:
            raise ValueError("dev_from must be before test_from")
        return self


class SplitConfig(StageConfig):
    """How a corpus is parted. A record's split follows from its unit's id, so growth and reordering move nothing."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"workers"})

    fractions: Fractions = Field(description="Shares for records without a ready-made split.")
    unit: Literal["document", "user"] = Field(description="What must not be torn apart.")
    time: TimeConfig | None = Field(
        default=None, description="Part dated records by time; null, and records without a date: by fractions."
    )
    group_near_duplicates: NearDuplicateConfig | None = Field(
        description="Near duplicates never stand in two splits; null: exact duplicates alone do not."
    )
    respect_given_splits: bool = Field(description="Honour the key `split` of records.")
    given: dict[SplitName, Fractions] = Field(
        default_factory=dict, description="How a ready-made split is parted further; one not listed stays whole."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the assignment.")
    salt: str = Field(default="", description="Changes the assignment without changing the run's seed.")
    workers: int | None = Field(
        default=None, ge=1, description="Processes; null: one a core. Changes no byte of the result."
    )

    @model_validator(mode="after")
    def _given_only_if_respected(self) -> Self:
        if self.given and not self.respect_given_splits and self.time is None:
            raise ValueError("given needs respect_given_splits: true or time")
        if self.time is not None and self.respect_given_splits:
            raise ValueError("time and respect_given_splits: true contradict each other; choose one")
        return self
