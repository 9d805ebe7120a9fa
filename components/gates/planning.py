"""Before any run: what each gate can resolve with its planned n.

For shares the standard deviation of one unit is at most sqrt(p (1 - p)) at the threshold; for other metrics it is
read off stored evidence where there is some. ``half_width`` is the 95 % interval's half at min_n, and
``minimum_detectable_effect`` the distance from the threshold at which a good payload passes with 80 % power.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from components.core.evidence import Band, Evidence
from components.evaluation import SUITES
from components.evaluation.statistics import minimum_detectable_effect, normal_quantile
from components.gates.config import ALL, EACH_LANGUAGE, GateConfig, GatesConfig
from components.gates.judge import find_metric


@dataclass(frozen=True)
class PlanRow:
    """What one gate can tell apart; None where nothing is known about the metric's spread."""

    gate: str
    threshold: float | dict[str, float]
    n: int
    half_width: float | None
    minimum_detectable_effect: float | None


def plan_table(gates: GatesConfig, *, evidence: Evidence | None = None) -> list[PlanRow]:
    """A row a gate, at the n measured where there is evidence and at min_n where there is none."""
    return [_plan(gate, evidence) for gate in gates.gates]


def plan_as_data(rows: list[PlanRow]) -> list[dict[str, object]]:
    """The rows as JSON-able dictionaries."""
    return [asdict(row) for row in rows]


def _plan(gate: GateConfig, evidence: Evidence | None) -> PlanRow:
    slice_ = ALL if gate.slice == EACH_LANGUAGE else gate.slice
    metric = find_metric(evidence, gate.suite, slice_, gate.metric)
    n = metric.n if metric is not None and metric.n > 0 else gate.min_n
    spread = _standard_deviation(gate)
    if metric is not None and metric.ci_low is not None and metric.ci_high is not None and metric.n > 0:
        spread = (metric.ci_high - metric.ci_low) / 2 / normal_quantile(0.975) * math.sqrt(metric.n)
    threshold = gate.threshold
    return PlanRow(
        gate=gate.name,
        threshold={"low": threshold.low, "high": threshold.high} if isinstance(threshold, Band) else threshold,
        n=n,
        half_width=None if spread is None else normal_quantile(0.975) * spread / math.sqrt(n),
        minimum_detectable_effect=None if spread is None else minimum_detectable_effect(spread, n),
    )


def _standard_deviation(gate: GateConfig) -> float | None:
    """Spread of one unit at the edge of the threshold that is hardest to resolve, or None if the metric is no share."""
    scale = SUITES[gate.suite][gate.metric].scale
    if scale == "other":
        return None
    unit = 100.0 if scale == "percent" else 1.0
    edges = [gate.threshold.low, gate.threshold.high] if isinstance(gate.threshold, Band) else [gate.threshold]
    shares = [min(1.0, max(0.0, edge / unit)) for edge in edges]
    return unit * max(math.sqrt(share * (1 - share)) for share in shares)
