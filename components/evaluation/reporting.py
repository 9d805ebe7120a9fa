"""From numbers to a SuiteReport: metrics with intervals, slices, per-item scores without text."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from components.core.evidence import Metric, SuiteReport
from components.core.hashing import digest_value
from components.evaluation.catalogue import SUITE_METRICS
from components.evaluation.statistics import Interval

Item = dict[str, Any]
Metrics = dict[str, Metric]


@dataclass(frozen=True)
class SuiteResult:
    """A suite's report and the scores behind it: items hold ids, slices and numbers, never text."""

    report: SuiteReport
    items: list[Item] = field(default_factory=list)


def metric_of(interval: Interval, n: int, *, scale: float = 1.0, note: str = "") -> Metric:
    """A metric from an interval; a limit that is not finite becomes a missing metric."""
    numbers = (interval.value * scale, interval.low * scale, interval.high * scale)
    if not all(map(math.isfinite, numbers)):
        return missing_metric(note or "not a finite number", n=n)
    return Metric(value=numbers[0], ci_low=numbers[1], ci_high=numbers[2], n=n, note=note)


def missing_metric(note: str, *, n: int = 0) -> Metric:
    """A metric that could not be computed, and why."""
    return Metric(value=None, n=n, note=note)


def missing_metrics(suite: str, note: str) -> Metrics:
    """Every metric of a suite, missing for the same reason."""
    return {name: missing_metric(note) for name in SUITE_METRICS[suite]}


def make_report(
    suite: str,
    payload_digest: str,
    *,
    n: int,
    metrics: Metrics,
    slices: Mapping[str, Metrics] | None = None,
    data: Any = None,
    notes: Iterable[str] = (),
) -> SuiteReport:
    """A suite report; ``data`` is what the items' digest is taken of. Seconds are filled in by the caller's clock."""
    missing = missing_metrics(suite, "not measured by this run")
    return SuiteReport(
        suite=suite,
        payload_digest=payload_digest,
        n=n,
        metrics={**missing, **metrics},
        slices=dict(slices or {}),
        seconds=0.0,
        data_digest=digest_value(data) if data is not None else "",
        notes=list(notes),
    )


def not_measured(suite: str, payload_digest: str, note: str) -> SuiteResult:
    """The result of a suite that lacks what it needs: no values, so its gates are inconclusive."""
    return SuiteResult(make_report(suite, payload_digest, n=0, metrics=missing_metrics(suite, note), notes=[note]))


def by_slice(names: Iterable[tuple[str, Any]], measure: Callable[[Any], Metrics]) -> dict[str, Metrics]:
    """``measure`` for each named selection."""
    return {name: measure(selection) for name, selection in names}
