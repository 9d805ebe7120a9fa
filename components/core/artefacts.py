"""Artefacts: what stages hand to each other, as references into the store, never as data.

An artefact is a finished folder in the store. Its ``digest`` covers every file in it (path and SHA-256), so two
artefacts with equal digests are equal byte for byte. Subclasses are things in a state; they carry no more fields.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION = 1


class Artefact(BaseModel):
    """Reference to a finished folder in the store."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    kind: str = Field(description="Class name, for instance ScrubbedCorpus.")
    stage: str = Field(description="Stage that made it.")
    key: str = Field(description="Digest of what it was made from: inputs, config, code version.")
    digest: str = Field(description="Digest of all its files.")
    location: str = Field(description="Folder, relative to the store's root.")
    rows: int = Field(ge=0, description="Records, items or files, whatever the kind counts.")
    schema_version: int = SCHEMA_VERSION
    config_digest: str
    parents: dict[str, str] = Field(description="Role to digest of each input.")
    restricted: bool = Field(default=False, description="Holds personal data: owner-only permissions.")
    summary: dict[str, Any] = Field(default_factory=dict, description="Counts for people; no text of any record.")


class RawCorpus(Artefact):
    """Records as they were read. May hold personal data."""


class ScrubbedCorpus(Artefact):
    """Records with personal data replaced."""


class CleanCorpus(Artefact):
    """Normalised, deduplicated records."""


class Splits(Artefact):
    """train, dev, test and holdout corpora, disjoint."""


class ValidationReport(Artefact):
    """Outcome of an expectation suite: counts only."""


class DriftReport(Artefact):
    """Evidently report of a corpus against a reference."""


class DataDocuments(Artefact):
    """Data card, Croissant document and data files of a prepared corpus."""


class BalancedCorpus(Artefact):
    """Splits whose training text has been balanced over groups."""


class Tokenizer(Artefact):
    """A tokenizer folder that ``transformers`` opens."""


class EncodedCorpus(Artefact):
    """Token ids a split, as Hugging Face datasets on disk."""


class PretrainedModel(Artefact):
    """A Hugging Face folder with masked-language-model and next-sentence heads."""


class FineTunedModel(Artefact):
    """A Hugging Face folder with a task head."""


class ReferenceModel(Artefact):
    """A model trained on other people's records, for calibrating a membership attack."""


class SafetyFilter(Artefact):
    """Rules and classifier of the output filter."""


class Payload(Artefact):
    """Everything that is served, listed with digests in ``payload.json``."""


class EvidenceArtefact(Artefact):
    """``evidence.json`` and the per-item scores behind it."""


class VerdictArtefact(Artefact):
    """``verdict.json`` and the scorecard."""
