"""What a comparison of two corpora found: tests with three outcomes, and the distributions behind them."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class DriftState(StrEnum):
    """Outcome of a comparison. ``error``: it could not be judged, which is not the absence of drift."""

    DRIFT = "drift"
    NO_DRIFT = "no_drift"
    ERROR = "error"


class TestState(StrEnum):
    """Outcome of one test. ``unresolved``: chance alone reaches beyond the limit, so there are too few records."""

    __test__ = False  # no test case, whatever pytest makes of the name

    SAME = "same"
    DRIFTED = "drifted"
    UNRESOLVED = "unresolved"
    NOT_JUDGED = "not_judged"


class _Frozen(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class DriftTest(_Frozen):
    """One distance, its limit and what came of it."""

    name: str = Field(description="language, label, length_en, topics_en, vocabulary_zh, new_words_en and so on.")
    statistic: str
    score: float | None = Field(description="Distance less what chance gives; None where it was not measured.")
    chance: float | None = Field(description="How far chance reaches: its 99th percentile, on the same scale.")
    threshold: float
    n_current: int
    n_reference: int
    state: TestState
    reason: str = ""


class Distribution(_Frozen):
    """Shares of the records a category, or quantiles of a number, on both sides."""

    name: str
    kind: str = Field(description="shares: add up to 1; quantiles: keys are the quantile in percent.")
    keys: list[str]
    reference: list[float]
    current: list[float]


class DriftResult(_Frozen):
    """Outcome of a comparison. ``rows_*`` count all records, ``sampled_*`` those that were compared."""

    state: DriftState
    rows_current: int
    rows_reference: int
    sampled_current: int
    sampled_reference: int
    tests: list[DriftTest]
    distributions: list[Distribution]
    reason: str = ""

    @property
    def drifted(self) -> list[str]:
        """Names of the tests that failed."""
        return [test.name for test in self.tests if test.state is TestState.DRIFTED]


def judge(score: float, chance: float, threshold: float) -> tuple[TestState, str]:
    """Hold a distance against its limit and against chance.

    Drifted: beyond both. Same: not beyond the limit, and chance could not have hidden it. Unresolved: chance reaches
    beyond the limit, and the distance does not reach beyond chance.
    """
    if score > max(threshold, chance):
        return TestState.DRIFTED, ""
    if chance <= threshold:
        return TestState.SAME, ""
    return TestState.UNRESOLVED, f"too few records: chance alone reaches {chance:.3g}"


def combine(tests: list[DriftTest]) -> tuple[DriftState, str]:
    """Drift if any test failed; else an error if any could not be resolved or none was judged; else no drift."""
    states = [test.state for test in tests]
    if TestState.DRIFTED in states:
        return DriftState.DRIFT, ""
    if unresolved := [test.name for test in tests if test.state is TestState.UNRESOLVED]:
        return DriftState.ERROR, f"{', '.join(unresolved)}: too few records to tell; add records or raise the limit"
    if TestState.SAME not in states:
        return DriftState.ERROR, "no test could be judged"
    return DriftState.NO_DRIFT, ""
