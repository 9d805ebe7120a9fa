"""Which detectors of names and the like run, as the scrubbing config lists them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

_NAME_LABELS = (
    "PERSON", "LOCATION", "STREET_ADDRESS", "ORGANIZATION", "DATE_TIME", "AGE", "NRP", "USERNAME", "TITLE",
)  # fmt: skip


class _Settings(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class TaggerSettings(_Settings):
    """The sequence tagger that ships with the program."""

    kind: Literal["tagger"] = "tagger"
    recall_bias: float = Field(
        default=1.0, ge=-10, le=10, description="Log-odds towards finding; above 0 more is found, also wrongly."
    )
    weights: Path | None = Field(default=None, description="Folder that train-tagger wrote; empty: the shipped one.")


class RulesSettings(_Settings):
    """Person names by the words around them: titles, form fields, introductions."""

    kind: Literal["rules"] = "rules"


class _AdapterSettings(_Settings):
    types: dict[str, str] = Field(
        default_factory=dict, description="Entity types of the model by our labels, where the names differ."
    )
    labels: tuple[str, ...] = Field(
        default=_NAME_LABELS, min_length=1, description="Labels that are taken from this detector."
    )


class PresidioSettings(_AdapterSettings):
    """Presidio's analyzer; extra ``presidio``."""

    kind: Literal["presidio"]
    models: dict[Literal["en", "zh"], str] = Field(
        min_length=1, description="spaCy pipeline a language, by name or folder; blank: none is needed."
    )


class SpacySettings(_AdapterSettings):
    """Entities of spaCy pipelines; extra ``spacy``."""

    kind: Literal["spacy"]
    models: dict[Literal["en", "zh"], str] = Field(min_length=1, description="Pipeline a language, by name or folder.")
    score: float = Field(default=0.85, ge=0, le=1, description="Score of every span, as spaCy gives none.")


class TransformersSettings(_AdapterSettings):
    """A token-classification checkpoint of Hugging Face."""

    kind: Literal["transformers"]
    model: str = Field(min_length=1, description="Checkpoint folder or hub id.")
    batch_size: int = Field(default=16, ge=1, description="Windows a forward pass.")
    max_characters: int = Field(default=1200, ge=100, description="Longer texts are read in overlapping windows.")


DetectorSettings = Annotated[
    TaggerSettings | RulesSettings | PresidioSettings | SpacySettings | TransformersSettings,
    Field(discriminator="kind"),
]
DEFAULT_DETECTORS: tuple[DetectorSettings, ...] = (TaggerSettings(), RulesSettings())
