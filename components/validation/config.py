"""Settings of the validation and drift stages."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from components.core.config import StageConfig

Language = Literal["en", "zh"]
Share = Annotated[float, Field(ge=0, le=1)]


class ValidationConfig(StageConfig):
    """Limits of the schema check and of the quality suite. A share is of the records, in [0, 1]."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"workers"})

    min_rows: int = Field(ge=1, description="Fewer records than this fail.")
    max_null_share: Share = Field(description="Records without text (absent, no string, or blank).")
    min_characters: int = Field(ge=1, description="A text shorter than this is an outlier.")
    max_characters: int = Field(ge=1, description="A text longer than this is an outlier.")
    max_length_outlier_share: Share = Field(description="Records whose length is an outlier.")
    min_language_share: dict[Language, Share] = Field(
        min_length=1, description="Least share of the records in each language that must be there."
    )
    max_wrong_language_share: Share = Field(
        description="Records in none of those languages, or whose text is not in the language that lang names."
    )
    max_duplicate_share: Share = Field(description="Records whose text stood before, ignoring case and white space.")
    max_residual_personal_data_share: Share = Field(
        description="Records in which a detector still finds personal data."
    )
    labels: tuple[str, ...] = Field(default=(), description="Allowed values of label; empty: labels are not checked.")
    workers: int = Field(default=1, ge=1, le=256, description="Processes that measure; changes no result, nor digest.")

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.min_characters > self.max_characters:
            raise ValueError(f"min_characters {self.min_characters} is above max_characters {self.max_characters}")
        if sum(self.min_language_share.values()) > 1:
            raise ValueError(f"min_language_share {self.min_language_share} adds up to more than 1; no corpus can pass")
        return self


Distance = Annotated[float, Field(gt=0, le=1)]


class DriftConfig(StageConfig):
    """How far a corpus may move from its reference. A limit that is null is not tested.

    Each limit is on a distance less what chance alone gives between two samples of these sizes (see ``drift``), so a
    limit means the same for a thousand records and for a million.
    """

    min_rows: int = Field(ge=30, description="Fewer records than this on either side are an error, not a pass.")
    max_length_distance: Annotated[float, Field(gt=0, le=10)] | None = Field(
        description="Doublings by which lengths moved, each language for itself: 0.3 is 1.23 times as long."
    )
    max_language_distance: Distance | None = Field(
        description="Jensen-Shannon distance of the language mix: 0 equal, 1 nothing in common; 50:50 to 60:40 is 0.09."
    )
    max_label_distance: Distance | None = Field(description="The same of the label mix.")
    max_topic_distance: Distance | None = Field(description="The same of the topic mix, each language for itself.")
    max_vocabulary_distance: Distance | None = Field(
        description="The same of how often words are used, each language for itself."
    )
    max_new_word_share: Distance | None = Field(
        description="Rise of the share of a record's words that the reference does not use, each language for itself."
    )
    topics: int = Field(default=12, ge=2, le=100, description="Clusters of records, a language, that stand for topics.")
    max_rows: int = Field(
        default=10_000, ge=100, description="Records a side that are compared, drawn by a hash of their ids."
    )
    seed: int = Field(default=0, ge=0, description="Seed of the permutations and of the topics.")

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if self.max_rows < self.min_rows:
            raise ValueError(f"max_rows {self.max_rows} is below min_rows {self.min_rows}; nothing could be judged")
        if not any(value is not None for name, value in self if name.endswith(("_distance", "_share"))):
            raise ValueError("every limit is null, so nothing would be tested; state at least one")
        return self
