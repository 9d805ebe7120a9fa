"""What flows hand to each other and to the command line: references and decisions, never data."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from components.core.artefacts import (
    Artefact,
    BalancedCorpus,
    DataDocuments,
    DriftReport,
    FineTunedModel,
    PretrainedModel,
    RawCorpus,
    ReferenceModel,
    ScrubbedCorpus,
    Splits,
    ValidationReport,
)
from components.core.evidence import GateResult
from flows.config import Purpose


class _Frozen(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class PreparedCorpus(_Frozen):
    """One corpus on its way from sources to training text."""

    raw: RawCorpus
    scrubbed: ScrubbedCorpus | None
    splits: Splits
    training: Splits | BalancedCorpus
    quality: ValidationReport
    drift: DriftReport | None
    documents: DataDocuments


class PreparedData(_Frozen):
    """The corpora of one candidate, by purpose; no pretraining text where training starts from a checkpoint."""

    corpora: dict[Purpose, PreparedCorpus]

    @property
    def raw(self) -> dict[Purpose, RawCorpus]:
        """Each corpus as it was read."""
        return {purpose: corpus.raw for purpose, corpus in self.corpora.items()}

    @property
    def scrubbed(self) -> dict[Purpose, ScrubbedCorpus]:
        """Each corpus without personal data; none where scrubbing was skipped."""
        return {purpose: corpus.scrubbed for purpose, corpus in self.corpora.items() if corpus.scrubbed}

    @property
    def training(self) -> dict[Purpose, Splits | BalancedCorpus]:
        """Each corpus as it is trained on."""
        return {purpose: corpus.training for purpose, corpus in self.corpora.items()}

    @property
    def quality(self) -> dict[Purpose, ValidationReport]:
        """The quality verdict on each corpus."""
        return {purpose: corpus.quality for purpose, corpus in self.corpora.items()}

    @property
    def drift(self) -> dict[Purpose, DriftReport]:
        """How each corpus differs from what was read; none where nothing was done to it."""
        return {purpose: corpus.drift for purpose, corpus in self.corpora.items() if corpus.drift}

    @property
    def documents(self) -> dict[Purpose, DataDocuments]:
        """Each corpus's data card and Croissant document."""
        return {purpose: corpus.documents for purpose, corpus in self.corpora.items()}


class TrainedModels(_Frozen):
    """The models of one candidate."""

    language_model: PretrainedModel | None
    reference: ReferenceModel | None
    task_model: FineTunedModel

    @property
    def by_role(self) -> dict[str, Artefact]:
        """The models that there are."""
        models = {"language_model": self.language_model, "reference": self.reference, "task_model": self.task_model}
        return {role: model for role, model in models.items() if model is not None}


class CandidateResult(_Frozen):
    """How one candidate fared."""

    name: str
    decision: Literal["refused", "pending", "promoted"]
    payload_digest: str
    payload_location: str
    evidence_location: str
    gates: tuple[GateResult, ...]
    release_path: str | None = None
    version: str | None = None
    run_id: str = ""
    notes: tuple[str, ...] = ()


class PipelineResult(_Frozen):
    """How one pipeline run ended."""

    run_name: str
    run_id: str
    pipeline: str
    profile: str
    seconds: float
    built_stages: int
    reused_stages: int
    candidates: tuple[CandidateResult, ...]

    @property
    def refused(self) -> bool:
        """Whether every candidate was refused."""
        return all(candidate.decision == "refused" for candidate in self.candidates)
