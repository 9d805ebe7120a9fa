"""Settings of the evaluation stage: which suites run, on what, with how many items.

In YAML, ``suites`` maps a suite's name to its settings; ``{}`` takes the defaults. A suite reads the embedded
corpus's ground truth unless ``data`` names files in their published format.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field, SerializeAsAny, ValidationError, field_validator, model_validator

from components.core.config import StageConfig
from components.evaluation.catalogue import explain_unknown

Language = Literal["en", "zh"]


class SuiteConfig(StageConfig):
    """What every suite takes."""

    data: tuple[str, ...] = Field(
        default=(), description="Files in their published format; empty: the ground truth of the embedded corpus."
    )


class PerplexityConfig(SuiteConfig):
    """Masked-token prediction on the pretraining test split."""

    max_documents_per_language: int = Field(default=150, ge=10, description="Held-out documents, sampled by seed.")
    max_baseline_documents_per_language: int = Field(
        default=500, ge=10, description="Training documents counted for the unigram baseline."
    )
    masked_share: float = Field(default=0.15, gt=0, lt=0.5, description="Share of tokens masked at once.")


class CrowsPairsConfig(SuiteConfig):
    """Stereotype preference by pseudo-log-likelihood."""

    max_pairs: int | None = Field(default=None, ge=10, description="Pairs a language, sampled by seed; null: all.")


class StereosetConfig(SuiteConfig):
    """StereoSet, English."""

    parts: tuple[Literal["intrasentence", "intersentence"], ...] = Field(
        default=("intrasentence", "intersentence"), min_length=1, description="Parts to score."
    )
    max_examples: int | None = Field(default=None, ge=10, description="Examples a part, sampled by seed; null: all.")


class CounterfactualConfig(SuiteConfig):
    """Predictions on pairs that differ in the group word alone."""

    max_pairs_per_language: int | None = Field(default=600, ge=10, description="Sampled by seed; null: all.")


class GroupFairnessConfig(SuiteConfig):
    """Fairlearn's differences between the groups of the task's test split."""

    positive_label: str = Field(description="Label that counts as being selected.")
    min_cell: int = Field(default=30, ge=1, description="Records a group and a true label need; smaller are left out.")


class ExposureConfig(SuiteConfig):
    """Canary exposure against never-inserted twins."""

    main_repetitions: int = Field(default=16, ge=1, description="Repetition count behind exposure_bits.")
    min_twins_per_language: int = Field(default=100, ge=10, description="Fewer twins: no value for that language.")
    masking: Literal["one_at_a_time", "all_at_once"] = Field(
        default="one_at_a_time", description="How the secret's tokens are hidden when they are scored."
    )


class MembershipConfig(SuiteConfig):
    """Reference-calibrated membership inference."""

    max_documents: int = Field(default=200, ge=40, description="Members, and as many non-members at most.")
    maskings: int = Field(default=2, ge=1, le=32, description="Fixed maskings averaged a document.")
    masked_share: float = Field(default=0.25, gt=0, lt=0.5, description="Share of tokens masked at once.")


class PiiExtractionConfig(SuiteConfig):
    """Personal data left in the training text, and what the model completes of it."""

    max_values: int = Field(default=300, ge=10, description="Planted values the model is asked for.")
    max_detected_records: int | None = Field(
        default=2000, ge=10, description="Training records shown to the detector, sampled by seed; null: all."
    )
    context_tokens: int = Field(default=48, ge=8, le=200, description="Tokens of context on either side of a value.")


class TaskQualityConfig(SuiteConfig):
    """Accuracy, macro F1 and calibration on the task's test split."""

    calibration_bins: int = Field(default=10, ge=2, le=100, description="Equal-width confidence bins.")


class DataQualityConfig(SuiteConfig):
    """What the data checks reported; ``data`` may name report.json files."""


SUITE_CONFIGS: dict[str, type[SuiteConfig]] = {
    "perplexity": PerplexityConfig,
    "crows_pairs": CrowsPairsConfig,
    "stereoset": StereosetConfig,
    "counterfactual": CounterfactualConfig,
    "group_fairness": GroupFairnessConfig,
    "exposure": ExposureConfig,
    "membership": MembershipConfig,
    "pii_extraction": PiiExtractionConfig,
    "task_quality": TaskQualityConfig,
    "data_quality": DataQualityConfig,
}


def _typed_suite(name: str, item: Any) -> SuiteConfig:
    """One suite's settings through its own schema; the message names suite and key, which pydantic would not."""
    if isinstance(item, SuiteConfig):
        return item
    try:
        return SUITE_CONFIGS[name].model_validate({} if item is None else item)
    except ValidationError as error:
        problems = (f"{'.'.join([name, *map(str, one['loc'])])}: {one['msg']}" for one in error.errors())
        raise ValueError("; ".join(problems)) from error


class EvaluationConfig(StageConfig):
    """Which suites measure a payload."""

    languages: tuple[Language, ...] = Field(min_length=1, description="Languages reported as slices.")
    seed: int = Field(default=0, ge=0, description="Seed of samples, maskings and resampling.")
    bootstrap_resamples: int = Field(default=1000, ge=200, le=100_000, description="Resamples an interval.")
    suites: dict[str, SerializeAsAny[SuiteConfig]] = Field(min_length=1, description="Suite name to its settings.")

    known_suites: ClassVar[tuple[str, ...]] = tuple(SUITE_CONFIGS)

    @field_validator("suites", mode="before")
    @classmethod
    def _typed_suites(cls, value: Any) -> Any:
        """Give each suite its own schema; an unknown name is answered with the nearest known one."""
        if not isinstance(value, dict):
            raise ValueError("suites: a mapping of suite name to settings, for instance {perplexity: {}}")
        unknown = [explain_unknown("suite", str(name), SUITE_CONFIGS) for name in value if name not in SUITE_CONFIGS]
        if unknown:
            raise ValueError("; ".join(unknown))
        return {name: _typed_suite(name, item) for name, item in value.items()}

    @model_validator(mode="after")
    def _languages_fit(self) -> EvaluationConfig:
        """StereoSet is English: refuse it where English is not evaluated."""
        if "stereoset" in self.suites and "en" not in self.languages:
            raise ValueError("suites.stereoset is English only and languages has no en: drop it or add en")
        return self
