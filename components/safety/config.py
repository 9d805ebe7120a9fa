"""Settings of the safety filter."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from components.core.config import StageConfig
from components.scrubbing.config import ScrubbingConfig

Category = Literal[
    "hate",
    "harassment",
    "threat",
    "sexual",
    "self_harm",
    "violence",
    "dangerous_advice",
    "personal_data_request",
]
Language = Literal["en", "zh"]


class SafetyConfig(StageConfig):
    """How the filter is trained and what it does with what it finds."""

    seed: int = Field(ge=0, description="Seed of the run.")
    languages: tuple[Language, ...] = Field(min_length=1, description="Languages that get thresholds and refusals.")
    categories: tuple[Category, ...] = Field(min_length=1, description="Categories that block.")
    block_threshold: float = Field(
        gt=0.0, lt=1.0, description="Lowest probability that may block; the false positive target only raises it."
    )
    target_false_positive_rate: float = Field(
        ge=0.0,
        lt=1.0,
        description="Largest share of harmless held-back texts the classifier may block.",
    )
    held_fraction: float = Field(
        default=0.25, gt=0.0, lt=1.0, description="Share of the train part held back to choose thresholds on."
    )
    regularisation_c: float = Field(
        default=20.0, gt=0.0, description="Inverse strength of the squared penalty on the classifier's weights."
    )
    max_characters: int = Field(default=200_000, ge=1, description="Longer texts are refused unread.")
    refusals: dict[Language, str] = Field(description="What is shown instead of a blocked text, by language.")
    category_refusals: dict[Category, dict[Language, str]] = Field(
        default_factory=dict, description="Messages that replace the general one for a category."
    )
    redact_personal_data: bool = Field(description="Whether personal data in shown text is replaced.")
    scrubbing: ScrubbingConfig | None = Field(
        default=None, description="Settings of the personal data detectors, as in the scrubbing stage."
    )

    @field_validator("categories", "languages")
    @classmethod
    def _no_repeats(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("every name at most once")
        return value

    @model_validator(mode="after")
    def _complete(self) -> SafetyConfig:
        missing = [lang for lang in self.languages if not self.refusals.get(lang, "").strip()]
        if missing:
            raise ValueError(f"refusals: no message for {', '.join(missing)}, which languages asks for")
        if self.redact_personal_data and self.scrubbing is None:
            raise ValueError("redact_personal_data: needs scrubbing, the settings of the detectors")
        return self
