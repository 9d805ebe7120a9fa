"""Settings of pretraining and fine-tuning. Imports no torch."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from components.core.config import StageConfig
from components.core.hashing import digest_value
from components.privacy.config import PrivacyConfig

Precision = Literal["auto", "fp32", "bf16"]
Layout = Literal["bert", "modern", "llama"]
Objective = Literal["mlm", "mlm+nsp", "mlm+sop", "clm"]
Accelerator = Literal["auto", "cpu", "gpu"]
DistributionStrategy = Literal["auto", "ddp", "fsdp2"]

# How a training is spread over devices, not what is trained: the result is the same to rounding.
_PLACEMENT = frozenset(
    {
        *("accelerator", "devices", "num_nodes", "strategy", "rendezvous", "collective_timeout_seconds"),
        *("compile", "activation_checkpointing", "loader_workers"),
    }
)


class ArchitectureConfig(StageConfig):
    """Shape of the network; ignored where training starts from a checkpoint."""

    layout: Layout = Field(
        default="bert",
        description="bert: as BERT. modern: ModernBERT (pre-norm, rotary, gated). llama: a decoder, for objective clm.",
    )
    layers: int = Field(default=2, ge=1, le=48, description="Transformer layers.")
    hidden: int = Field(default=128, ge=8, le=4096, description="Width of the residual stream.")
    heads: int = Field(default=2, ge=1, le=64, description="Attention heads; divides hidden.")
    intermediate: int = Field(default=512, ge=8, le=16384, description="Width of the feed-forward layer.")
    max_tokens: int = Field(default=128, ge=8, le=8192, description="Positions, special tokens included.")
    dropout: float = Field(default=0.0, ge=0, lt=1, description="Dropout while pretraining; 0 unless many epochs.")
    local_window: int | None = Field(
        default=None,
        ge=2,
        le=8192,
        description="modern: tokens that a local layer sees, half before and half after; None: all layers see all.",
    )
    global_every_layers: int = Field(
        default=3, ge=1, le=48, description="modern: the last of every so many layers sees all tokens."
    )
    rotary_base: float = Field(
        default=10_000.0, gt=1, description="modern, llama: base of the rotary angles of layers that see all tokens."
    )
    initial_deviation: float | None = Field(
        default=None, gt=0, le=1, description="Standard deviation of new weights; None: wider for narrow models."
    )

    @model_validator(mode="after")
    def _heads_divide_hidden(self) -> ArchitectureConfig:
        if self.hidden % self.heads:
            raise ValueError(f"hidden ({self.hidden}) must be a multiple of heads ({self.heads})")
        if self.layout != "bert" and (self.hidden // self.heads) % 2:
            raise ValueError(
                f"hidden ({self.hidden}) over heads ({self.heads}) is odd: rotary positions of layout {self.layout} "
                "turn pairs of numbers"
            )
        if self.local_window is not None and self.layout != "modern":
            raise ValueError(f"local_window is for layout modern, layout is {self.layout}")
        return self


class PretrainingConfig(StageConfig):
    """Pretraining: masked words with or without a question about sentence pairs, or the next token."""

    architecture: ArchitectureConfig = Field(default_factory=ArchitectureConfig, description="Shape of the network.")
    initial: str | None = Field(default=None, description="Hugging Face folder to continue from; None: from scratch.")
    objective: Objective = Field(
        default="mlm+nsp",
        description="Losses that are trained: masked words (mlm), with next-sentence (nsp) or sentence-order (sop) "
        "prediction, or the next token (clm).",
    )
    nsp_weight: float = Field(default=1.0, gt=0, le=10, description="Weight of the loss on sentence pairs.")
    mask_share: float = Field(default=0.30, gt=0, lt=0.9, description="Share of tokens masked in training.")
    eval_mask_share: float = Field(default=0.15, gt=0, lt=0.9, description="Share of tokens masked in evaluation.")
    short_sequence_share: float = Field(default=0.1, ge=0, le=1, description="Share of sequences of random length.")
    epochs: float = Field(default=1.0, gt=0, le=1000, description="Passes over the training split.")
    max_steps: int | None = Field(default=None, ge=1, description="Optimiser steps at most; None: epochs decide.")
    tokens_per_batch: int = Field(default=4096, ge=64, description="Padded tokens in a batch at most.")
    packing: bool = Field(
        default=False, description="Several sequences a row, each seeing itself alone; else rows of like length."
    )
    accumulate: int = Field(
        default=1, ge=1, le=4096, description="Parts a batch is computed in, one after another; the result is the same."
    )
    learning_rate: float = Field(default=1e-3, gt=0, le=1, description="Peak learning rate.")
    warmup_share: float = Field(default=0.05, ge=0, lt=1, description="Share of the steps that warm up linearly.")
    decay_share: float = Field(default=0.2, ge=0, le=1, description="Share of the steps that decay linearly to 0.")
    weight_decay: float = Field(default=0.01, ge=0, le=1, description="Decay of matrices; norms and biases have none.")
    clip_norm: float = Field(default=1.0, gt=0, description="Gradient norm at most.")
    precision: Precision = Field(default="auto", description="auto: bf16 where the processor multiplies it, else fp32.")
    threads: int | None = Field(default=None, ge=1, description="Threads of the arithmetic; None: as torch finds.")
    accelerator: Accelerator = Field(default="auto", description="gpu, cpu, or auto: a GPU where there is one.")
    devices: int = Field(default=1, ge=1, le=64, description="Processes on each machine, each with one device.")
    num_nodes: int = Field(default=1, ge=1, le=1024, description="Machines; each starts the same job.")
    strategy: DistributionStrategy = Field(
        default="auto",
        description="ddp: every process holds the whole model. fsdp2: a shard of it. auto: ddp for several.",
    )
    rendezvous: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9._-]+:\d{2,5}$",
        description="host:port of the first machine, where several machines meet.",
    )
    collective_timeout_seconds: int = Field(
        default=60, ge=5, le=86_400, description="A process that waits longer than this for another one fails."
    )
    compile: bool = Field(default=False, description="torch.compile; a minute to begin with, pays on a GPU.")
    activation_checkpointing: bool = Field(
        default=False,
        description="Compute layers twice instead of keeping what they gave: less memory, a third slower.",
    )
    loader_workers: int = Field(
        default=0, ge=0, le=64, description="Processes that make batches ahead; 0: none, right for a processor."
    )
    log_every_steps: int = Field(default=10, ge=1, description="Steps between two lines of the journal.")
    checkpoint_every_steps: int = Field(default=200, ge=1, description="Steps between two checkpoints.")
    keep_checkpoints: int = Field(default=2, ge=1, le=100, description="Checkpoints that stay on disk.")
    evaluation_tokens: int = Field(default=200_000, ge=256, description="Dev tokens that are evaluated, at most.")
    seed: int = Field(default=0, ge=0, description="Seed of weights, order, pairs and masks.")
    privacy: PrivacyConfig | None = Field(
        default=None, description="Differential privacy; tokens_per_batch then has no effect. None: not private."
    )

    @model_validator(mode="after")
    def _unit_stays_whole(self) -> PretrainingConfig:
        """Refuse whatever would put one unit into several rows of others, or several into one."""
        if self.privacy is None:
            return self
        reasons = {
            f"objective {self.objective}: pairs put a document's sentences into others' rows; use mlm or clm": (
                "+" in self.objective
            ),
            "packing: a packed row is several documents; set packing: false": self.packing,
            f"privacy.unit {self.privacy.unit}: encoded text is kept by document; use document": (
                self.privacy.unit != "document"
            ),
            "devices and num_nodes: private training runs in one process; set both to 1": (
                self.devices * self.num_nodes > 1
            ),
            "compile and activation_checkpointing: hooks on the modules see neither; set both to false": (
                self.compile or self.activation_checkpointing
            ),
            "privacy.audit_canaries: only fine-tuning plants canaries; set 0": self.privacy.audit_canaries > 0,
        }
        if wrong := [reason for reason, holds in reasons.items() if holds]:
            raise ValueError(f"privacy and {'; '.join(wrong)}")
        return self

    @model_validator(mode="after")
    def _shares_fit(self) -> PretrainingConfig:
        if self.warmup_share + self.decay_share > 1:
            raise ValueError(
                f"warmup_share ({self.warmup_share}) and decay_share ({self.decay_share}) exceed 1 together"
            )
        if self.tokens_per_batch < self.architecture.max_tokens:
            raise ValueError(
                f"tokens_per_batch ({self.tokens_per_batch}) is below architecture.max_tokens "
                f"({self.architecture.max_tokens}): the longest sequence would not fit"
            )
        return self

    @model_validator(mode="after")
    def _machines_meet(self) -> PretrainingConfig:
        if self.num_nodes > 1 and self.rendezvous is None:
            raise ValueError(f"num_nodes is {self.num_nodes} and rendezvous is not given: say host:port of the first")
        return self

    def digest(self) -> str:
        """Digest of what is trained; where it is trained does not count, so a run moves to other devices."""
        return digest_value(self.identity())

    def identity(self) -> dict[str, Any]:
        """The values that decide the result."""
        return self.model_dump(mode="json", exclude=set(_PLACEMENT))

    @model_validator(mode="after")
    def _objective_fits_layout(self) -> PretrainingConfig:
        layout = self.architecture.layout
        if (self.objective == "clm") != (layout == "llama"):
            raise ValueError(
                f"objective {self.objective} and architecture.layout {layout} do not fit: clm needs llama, the others "
                "bert or modern"
            )
        return self


class FinetuningConfig(StageConfig):
    """Text classification on labelled splits."""

    epochs: int = Field(default=4, ge=1, le=200, description="Passes over the training split at most.")
    max_steps: int | None = Field(default=None, ge=1, description="Optimiser steps at most; None: epochs decide.")
    batch_size: int = Field(default=32, ge=1, description="Records in a batch.")
    max_tokens: int = Field(
        default=128, ge=8, description="Tokens of a record, special tokens included; longer is cut."
    )
    learning_rate: float = Field(default=5e-4, gt=0, le=1, description="Peak rate: 2e-5 for large checkpoints.")
    layerwise_decay: float = Field(default=0.9, gt=0, le=1, description="Rate of a layer over that of the one above.")
    warmup_share: float = Field(default=0.1, ge=0, lt=1, description="Share of the steps that warm up linearly.")
    weight_decay: float = Field(default=0.01, ge=0, le=1, description="Decay of matrices; norms and biases have none.")
    clip_norm: float = Field(default=1.0, gt=0, description="Gradient norm at most.")
    dropout: float = Field(default=0.1, ge=0, lt=1, description="Dropout while fine-tuning.")
    balance_classes: bool = Field(default=True, description="Weigh classes by inverse frequency in the loss.")
    patience_epochs: int = Field(default=2, ge=1, description="Epochs without a better dev loss before it stops.")
    precision: Precision = Field(default="auto", description="auto: bf16 where the processor multiplies it, else fp32.")
    threads: int | None = Field(default=None, ge=1, description="Threads of the arithmetic; None: as torch finds.")
    log_every_steps: int = Field(default=10, ge=1, description="Steps between two lines of the journal.")
    seed: int = Field(default=0, ge=0, description="Seed of the head, order and dropout.")
    privacy: PrivacyConfig | None = Field(
        default=None,
        description="Differential privacy; batch_size and patience_epochs then have no effect. None: not private.",
    )

    @model_validator(mode="after")
    def _private_alike(self) -> FinetuningConfig:
        if self.privacy is not None and self.balance_classes:
            raise ValueError(
                "balance_classes and privacy: class weights would be made from everybody's labels; set "
                "balance_classes: false"
            )
        return self
