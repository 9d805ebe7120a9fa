"""The gates file: what must hold before a payload may be released.

Every threshold is a decision and has no default. Names of suites and metrics are checked against what evaluation
gives; a gate may only require floors that stand above it in the file, so there are no circles.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from components.core.config import StageConfig
from components.core.evidence import Band
from components.evaluation import SUITE_METRICS, explain_unknown

ALL = "all"
EACH_LANGUAGE = "each_language"


class RelativeConfig(StageConfig):
    """Comparison with the champion, beside the absolute threshold."""

    margin: float = Field(ge=0, description="How much worse than the champion is still accepted, in the metric's unit.")
    without_champion: Literal["absolute_only", "inconclusive"] = Field(
        description="What holds while there is no champion: the absolute threshold alone, or no decision."
    )


class GateConfig(StageConfig):
    """One gate: a metric, a side, a threshold."""

    name: str = Field(min_length=1, description="Unique name, shown everywhere.")
    suite: str = Field(description="Suite that measures the metric.")
    metric: str = Field(description="Metric of that suite.")
    slice: str = Field(default=ALL, description="all, each_language, or a slice's name.")
    direction: Literal["max", "min", "within"] = Field(description="max: must stay below; min: above; within: between.")
    threshold: float | Band = Field(description="A number, or {low, high} under within.")
    min_n: int = Field(ge=1, description="Fewer independent units: inconclusive.")
    severity: Literal["block", "warn"] = Field(description="block refuses the payload, warn only reports.")
    requires: tuple[str, ...] = Field(default=(), description="Floors, listed above, without which this means nothing.")
    relative_to_champion: RelativeConfig | None = Field(default=None, description="Also compare with the champion.")

    @model_validator(mode="after")
    def _consistent(self) -> GateConfig:
        problems = []
        if self.suite not in SUITE_METRICS:
            problems.append(f"suite: {explain_unknown('suite', self.suite, SUITE_METRICS)}")
        elif self.metric not in SUITE_METRICS[self.suite]:
            problems.append(f"metric: {explain_unknown('metric', self.metric, SUITE_METRICS[self.suite])}")
        if (self.direction == "within") != isinstance(self.threshold, Band):
            problems.append("threshold: a number under max and min, {low, high} under within")
        elif isinstance(self.threshold, Band) and self.threshold.low >= self.threshold.high:
            problems.append(f"threshold: low {self.threshold.low} must be below high {self.threshold.high}")
        if self.direction == "within" and self.relative_to_champion is not None:
            problems.append("relative_to_champion: needs direction max or min, a band has no better side")
        if problems:
            raise ValueError(f"gate {self.name!r}: " + "; ".join(problems))
        return self


class NotApplicableConfig(StageConfig):
    """A gate that cannot apply here, said openly: it is hashed into the verdict and shown large on the scorecard."""

    gate: str = Field(description="Name of a gate in this file.")
    reason: str = Field(min_length=10, description="Why, for whoever approves the release.")


class GatesConfig(StageConfig):
    """All gates of a pipeline."""

    languages: tuple[Literal["en", "zh"], ...] = Field(min_length=1, description="What each_language stands for.")
    gates: tuple[GateConfig, ...] = Field(min_length=1, description="In order; floors first.")
    not_applicable: tuple[NotApplicableConfig, ...] = Field(default=(), description="Gates declared not applicable.")

    @model_validator(mode="after")
    def _names_fit(self) -> GatesConfig:
        problems, seen = [], set[str]()
        for gate in self.gates:
            if gate.name in seen:
                problems.append(f"gate {gate.name!r} stands twice")
            problems += [
                f"gate {gate.name!r} requires: {explain_unknown('floor above it', floor, seen)}"
                for floor in gate.requires
                if floor not in seen
            ]
            seen.add(gate.name)
        declared = [item.gate for item in self.not_applicable]
        problems += [f"not_applicable: {explain_unknown('gate', n, seen)}" for n in declared if n not in seen]
        problems += [f"not_applicable: gate {n!r} stands twice" for n in sorted(set(declared)) if declared.count(n) > 1]
        if not any(gate.severity == "block" and gate.name not in declared for gate in self.gates):
            problems.append("gates: no blocking gate applies, so nothing could ever refuse; add one")
        if problems:
            raise ValueError("; ".join(problems))
        return self
