"""Settings of a private training. Imports no torch."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from components.core.config import StageConfig

Unit = Literal["document", "user", "example"]
MIN_CANARIES = 200
ClippingMode = Literal["bookkeeping", "hooks"]


class PrivacyConfig(StageConfig):
    """Differential privacy of one training: who is protected, how much may be spent, and how a step is made."""

    scope: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_.-]{0,59}$",
        description="Account in the ledger: the people whose data it is, the same name for every corpus of theirs.",
    )
    unit: Unit = Field(
        description="What is protected whole: all records of a `user`, all of a `document`, or one record (`example`)."
    )
    max_rows_per_unit: int = Field(
        default=1, ge=1, le=1024, description="Records of a unit that are used, the first ones by id; example: 1."
    )
    epsilon: float = Field(gt=0, le=1000, allow_inf_nan=False, description="What this training may spend.")
    delta: float = Field(gt=0, lt=1, allow_inf_nan=False, description="Chance that epsilon fails; below 1 over units.")
    lifetime_epsilon: float = Field(
        gt=0, le=1000, allow_inf_nan=False, description="What all trainings on the scope may spend together, ever."
    )
    clip_norm: float = Field(default=1.0, gt=0, allow_inf_nan=False, description="Norm of a unit's gradient at most.")
    expected_units: int = Field(ge=1, description="Units in a step on average; every unit is drawn by itself.")
    micro_batch_rows: int = Field(default=32, ge=1, description="Rows whose gradients are computed at once.")
    clipping: ClippingMode = Field(
        default="bookkeeping",
        description="bookkeeping: norms without the gradients, one backward. hooks: Opacus' gradient of every row.",
    )
    audit_canaries: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Rows of random words, half of which go into the training to audit it; 0: not audited, else 200 or "
        "more.",
    )
    charge_steps: int = Field(
        default=50, ge=1, description="Steps that are entered in the ledger ahead; a crash loses what is left of them."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.epsilon > self.lifetime_epsilon:
            raise ValueError(f"epsilon ({self.epsilon}) is above lifetime_epsilon ({self.lifetime_epsilon})")
        if 0 < self.audit_canaries < MIN_CANARIES:
            raise ValueError(f"audit_canaries ({self.audit_canaries}) is below {MIN_CANARIES}: they would find nothing")
        if self.unit == "example" and self.max_rows_per_unit != 1:
            raise ValueError(f"max_rows_per_unit is {self.max_rows_per_unit}, unit example has one row; or unit: user")
        return self
