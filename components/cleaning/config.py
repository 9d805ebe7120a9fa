"""Settings of cleaning and splitting. A filter that is null is off."""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field, model_validator

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
    """Shares above which a document is no prose."""

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


class NearDuplicateConfig(StageConfig):
    """Documents whose sets of word 3-grams (Chinese: 5-grams of characters) overlap."""

    threshold: float = Field(
        ge=0.3, le=1, description="Jaccard similarity from which two documents are near duplicates."
    )
    permutations: int = Field(default=128, ge=16, le=1024, description="Length of a MinHash signature.")


class CleaningConfig(StageConfig):
    """Steps of cleaning, in the order in which they run."""

    languages: tuple[Language, ...] = Field(min_length=1, description="Languages that may stay, and must.")
    normalise: Literal["full", "minimal"] = Field(
        description="full: NFC, no control or invisible characters, tidy white space. minimal: NUL and surrogates only."
    )
    length: LengthConfig | None = Field(description="Length filter.")
    language: LanguageFilterConfig | None = Field(description="Language filter.")
    quality: QualityConfig | None = Field(description="Symbol and repetition filter.")
    exact_duplicates: Literal["drop", "keep"] = Field(description="Texts equal but for case, width and white space.")
    near_duplicates: NearDuplicateConfig | None = Field(description="Near-duplicate filter.")
    protect: tuple[str, ...] = Field(
        default=(), description="Benchmark files; a record that shares 13 words or 30 Chinese characters in a row goes."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the MinHash permutations.")


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


class SplitConfig(StageConfig):
    """How a corpus is parted. A record's split follows from its unit's id, so growth and reordering move nothing."""

    fractions: Fractions = Field(description="Shares for records without a ready-made split.")
    unit: Literal["document", "user"] = Field(description="What must not be torn apart.")
    group_near_duplicates: NearDuplicateConfig | None = Field(
        description="Near duplicates go to one split; null: exact duplicates alone do."
    )
    respect_given_splits: bool = Field(description="Honour the key `split` of records.")
    given: dict[SplitName, Fractions] = Field(
        default_factory=dict, description="How a ready-made split is parted further; one not listed stays whole."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the assignment.")
    salt: str = Field(default="", description="Changes the assignment without changing the run's seed.")

    @model_validator(mode="after")
    def _given_only_if_respected(self) -> Self:
        if self.given and not self.respect_given_splits:
            raise ValueError("given needs respect_given_splits: true")
        return self
