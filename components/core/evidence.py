"""Evidence and verdict: numbers with intervals, and what was decided from them.

Measuring and judging are apart: a suite writes a SuiteReport, gates read it. Field names follow the published
formats ``evaluate --json`` and ``verdict.json`` (schema ``touchstone.verdict/1``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

VERDICT_SCHEMA = "touchstone.verdict/1"


class _Frozen(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class Metric(_Frozen):
    """A measured value with its interval. ``None`` means it could not be computed; ``note`` says why."""

    value: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    n: int = Field(ge=0, description="Independent units behind the value (items, pairs, clusters).")
    note: str = ""


class SuiteReport(_Frozen):
    """What one suite measured. ``slices`` is keyed by slice name (``en``, ``zh``, ``gender`` …)."""

    suite: str
    payload_digest: str
    n: int = Field(ge=0)
    metrics: dict[str, Metric]
    slices: dict[str, dict[str, Metric]] = Field(default_factory=dict)
    seconds: float = Field(ge=0)
    data_digest: str = Field(default="", description="Digest of the suite's items.")
    notes: list[str] = Field(default_factory=list)


class Evidence(_Frozen):
    """All suite reports of one payload."""

    payload_digest: str
    config_digest: str
    suites: dict[str, SuiteReport]


class GateDecision(StrEnum):
    """Outcome of one gate."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NOT_APPLICABLE = "not_applicable"
    WAIVED = "waived"


class Band(_Frozen):
    """Threshold of a ``within`` gate."""

    low: float
    high: float


class GateResult(_Frozen):
    """One row of the verdict."""

    name: str
    suite: str
    slice: str
    metric: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    min_n: int
    threshold: float | Band | None
    direction: Literal["max", "min", "within"]
    champion: float | None = None
    severity: Literal["block", "warn"]
    decision: GateDecision
    reason: str
    next: str


class Verdict(_Frozen):
    """The decision over one payload."""

    schema_: Literal["touchstone.verdict/1"] = Field(default="touchstone.verdict/1", alias="schema")
    payload_digest: str
    config_digest: str
    decision: Literal["pass", "fail"]
    gates: list[GateResult]
    created: str = Field(description="UTC, ISO 8601.")

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True
    )

    @property
    def passed(self) -> bool:
        """Whether nothing stands against a release."""
        return self.decision == "pass"

    @property
    def refusals(self) -> list[GateResult]:
        """Blocking gates that did not pass."""
        open_ = {GateDecision.FAIL, GateDecision.INCONCLUSIVE}
        return [gate for gate in self.gates if gate.severity == "block" and gate.decision in open_]
