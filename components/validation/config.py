"""Settings of the validation and drift stages."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.core.config import StageConfig
from components.core.hashing import digest_value

Language = Literal["en", "zh"]
Share = Annotated[float, Field(ge=0, le=1)]


class ValidationConfig(StageConfig):
    """Limits of the schema check and of the quality suite. A share is of the records, in [0, 1]."""

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

    def digest(self) -> str:
        """Digest of the resolved values but ``workers``."""
        return digest_value(self.model_dump(mode="json", exclude={"workers"}))

    @model_validator(mode="after")
    def _check_bounds(self) -> Self:
        if self.min_characters > self.max_characters:
            raise ValueError(f"min_characters {self.min_characters} is above max_characters {self.max_characters}")
        if sum(self.min_language_share.values()) > 1:
            raise ValueError(f"min_language_share {self.min_language_share} adds up to more than 1; no corpus can pass")
        return self


class DriftConfig(StageConfig):
    """How far a corpus may move from its reference."""

    min_rows: int = Field(
        ge=30, description="Fewer records on either side are an error: their distances are mostly chance."
    )
    max_number_distance: float = Field(
        gt=0,
        le=10,
        description="Wasserstein distance in standard deviations of the reference, from which a number drifts.",
    )
    max_category_distance: float = Field(
        gt=0, lt=0.8326, description="Jensen-Shannon distance (nats, 0.8326 at most) from which lang or label drifts."
    )
    max_drifted_share: Share = Field(
        description="Share of the columns that may drift before the corpus counts as drifted."
    )
