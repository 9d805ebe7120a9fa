"""Settings of the balancing stage."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from components.core.config import StageConfig

Language = Literal["en", "zh"]
AttributeSet = Literal["pronouns", "nouns", "kinship", "titles", "occupations", "names"]
Share = Annotated[float, Field(ge=0, le=1)]


class BalanceConfig(StageConfig):
    """What is swapped, how often, and how groups are weighed."""

    seed: int = Field(
        ge=0, description="The pipeline's seed; with a record's id it decides whether the record is swapped."
    )
    languages: tuple[Language, ...] = Field(min_length=1, description="Languages whose texts are swapped.")
    attribute_sets: tuple[AttributeSet, ...] = Field(min_length=1, description="Parts of the lexicon in use.")
    counterfactual_probability: float = Field(
        ge=0, le=1, description="Share of the training records that are replaced by their counterfactual; 0.5 balances."
    )
    min_coverage: dict[Language, Share] = Field(
        description="Least share of a language's training records that hold an attribute term; none at all is an error."
    )
    reweigh: bool = Field(description="Write a weight a record, so that group and label are independent.")
    max_weight: float = Field(ge=1, le=1000, description="No record weighs more than this; the mean weight is 1.")

    @model_validator(mode="after")
    def _check_languages(self) -> Self:
        if set(self.min_coverage) != set(self.languages):
            raise ValueError(
                f"min_coverage names {sorted(self.min_coverage)}, languages {sorted(self.languages)}; they must agree"
            )
        return self
