"""The validation report: three states, counts only."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field


class State(StrEnum):
    """Outcome of an expectation or a suite. ``error``: it could not be judged, which is no pass."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"


class ExpectationResult(BaseModel):
    """One expectation: what was observed, the limit, and over how many records."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: str
    state: State
    observed: float | None = Field(description="A count or a share; None if it could not be computed.")
    limit: float
    side: str = Field(description="max: observed may not exceed the limit; min: nor fall below it.")
    n: int = Field(ge=0, description="Records that had a value.")
    reason: str = ""


class ShardResult(BaseModel):
    """One shard by the expectations that speak of single records; it tells where, the corpus's state tells whether."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="File name.")
    rows: int = Field(ge=0, description="Records; 0: it could not be judged.")
    state: State
    not_passed: list[str] = Field(description="Expectations that failed here or could not be judged.")


class ValidationResult(BaseModel):
    """A suite's outcome."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    suite: str
    state: State
    rows: int
    expectations: list[ExpectationResult]
    shards: list[ShardResult] = []

    @property
    def summary(self) -> dict[str, object]:
        """Counts for people."""
        states = [expectation.state for expectation in self.expectations]
        return {
            "state": str(self.state),
            **{str(state): states.count(state) for state in State},
            "not_passed": [item.name for item in self.expectations if item.state is not State.PASS],
            "shards": len(self.shards),
            "shards_not_passed": sum(shard.state is not State.PASS for shard in self.shards),
        }


def combine(states: list[State]) -> State:
    """The worst of the states; no state at all is an error, since an empty suite proves nothing."""
    if not states or State.ERROR in states:
        return State.ERROR
    return State.FAIL if State.FAIL in states else State.PASS
