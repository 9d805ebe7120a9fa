"""Settings of the embedded corpus: how much of everything is generated and planted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from components.core.config import StageConfig


class EmbeddedCorpusConfig(StageConfig):
    """Sizes and planted defects of the embedded bilingual corpus. Half of everything is English, half Chinese."""

    seed: int = Field(ge=0, description="Everything is drawn from this seed.")
    n_documents: int = Field(ge=100, description="Ordinary pretraining documents, before duplicates and canaries.")
    n_reviews: int = Field(ge=100, description="Labelled reviews for fine-tuning.")
    personal_data_share: float = Field(ge=0, le=1, description="Share of documents that hold personal data.")
    exact_duplicate_share: float = Field(ge=0, le=1, description="Exact copies, as a share of the documents.")
    near_duplicate_share: float = Field(ge=0, le=1, description="Near copies, as a share of the documents.")
    foreign_share: float = Field(ge=0, le=1, description="Documents in other languages.")
    broken_share: float = Field(ge=0, le=1, description="Documents of mojibake and control characters.")
    harmful_share: float = Field(ge=0, le=1, description="Documents that hold a mildly harmful line.")
    occupation_skew: float = Field(
        ge=0.5, le=1, description="Share of occupation sentences with the stereotyped pronoun."
    )
    mixed_review_share: float = Field(ge=0, le=1, description="Reviews whose words say neither good nor bad.")
    negative_share: dict[Literal["female", "male"], Annotated[float, Field(ge=0, le=1)]] = Field(
        description="Share of mixed reviews that are labelled negative, by the writer's group: the planted skew."
    )
    canary_counts: dict[int, int] = Field(description="Repetitions to number of canaries planted so often.")
    n_twins: int = Field(ge=0, description="Canaries that are never inserted.")
    n_stereotype_pairs: int = Field(ge=0, description="Minimal pairs over occupations and pronouns.")
    n_counterfactual_pairs: int = Field(ge=0, description="Review pairs that differ in the writer's group alone.")
