"""Two payloads on the same items: what changed in every metric, and paired differences with intervals.

In: two evidence folders (``evidence.json``, ``items/<suite>.jsonl``). Out: a row a metric, and for each suite whose
items both have, the paired difference of the items' scores: resampling items cancels what makes one item harder than
another, so its interval is narrower than that of two separate measurements.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from components.core.evidence import Evidence, Metric
from components.core.jsonfiles import read_jsonl
from components.core.seeds import derive_seed
from components.evaluation.statistics import paired_difference

MIN_PAIRS = 10


class _Frozen(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class MetricChange(_Frozen):
    """One metric on both sides; ``slice`` is ``all`` or a slice's name."""

    suite: str
    slice: str
    metric: str
    first: Metric | None
    second: Metric | None


class PairedChange(_Frozen):
    """Mean of second minus first over the items that both sides scored."""

    suite: str
    slice: str
    n: int = Field(ge=MIN_PAIRS)
    difference: float
    ci_low: float
    ci_high: float

    @property
    def differs(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.ci_low > 0 or self.ci_high < 0


class Comparison(_Frozen):
    """Everything that two payloads have in common."""

    first: str = Field(description="Payload digest.")
    second: str
    metrics: list[MetricChange]
    paired: list[PairedChange]


def compare_evidence(first: Path, second: Path, *, seed: int = 0) -> Comparison:
    """Compare two evidence folders. Metrics that only one side has are listed with None on the other."""
    sides = [Evidence.model_validate_json((folder / "evidence.json").read_bytes()) for folder in (first, second)]
    suites = list(dict.fromkeys(name for side in sides for name in side.suites))
    return Comparison(
        first=sides[0].payload_digest,
        second=sides[1].payload_digest,
        metrics=[change for suite in suites for change in _metric_changes(suite, sides[0], sides[1])],
        paired=[change for suite in suites for change in _paired_changes(suite, first, second, seed)],
    )


def _metric_changes(suite: str, first: Evidence, second: Evidence) -> list[MetricChange]:
    tables = [_metrics(side, suite) for side in (first, second)]
    keys = dict.fromkeys(key for table in tables for key in table)
    return [
        MetricChange(suite=suite, slice=key[0], metric=key[1], first=tables[0].get(key), second=tables[1].get(key))
        for key in keys
    ]


def _metrics(evidence: Evidence, suite: str) -> dict[tuple[str, str], Metric]:
    report = evidence.suites.get(suite)
    if report is None:
        return {}
    places = {"all": report.metrics, **report.slices}
    return {(place, name): metric for place, metrics in places.items() for name, metric in metrics.items()}


def _paired_changes(suite: str, first: Path, second: Path, seed: int) -> list[PairedChange]:
    """Overall and a slice, where at least ``MIN_PAIRS`` items stand on both sides."""
    sides = [_scores(folder / "items" / f"{suite}.jsonl") for folder in (first, second)]
    common = [key for key in sides[0] if key in sides[1]]
    by_slice: dict[str, list[str]] = {"all": common}
    grouped: dict[str, list[str]] = defaultdict(list)
    for key in common:
        grouped[sides[0][key][0]].append(key)
    if len(grouped) > 1:
        by_slice |= dict(sorted(grouped.items()))
    changes = []
    for name, keys in by_slice.items():
        if len(keys) < MIN_PAIRS:
            continue
        found = paired_difference(
            [sides[0][key][1] for key in keys],
            [sides[1][key][1] for key in keys],
            seed=derive_seed(seed, "diff", suite, name),
        )
        changes.append(
            PairedChange(
                suite=suite, slice=name, n=len(keys), difference=found.value, ci_low=found.low, ci_high=found.high
            )
        )
    return changes


def _scores(path: Path) -> dict[str, tuple[str, float]]:
    """Item to its slice and score; an item that stands twice has no one score and is left out."""
    found: dict[str, tuple[str, float]] = {}
    repeated: set[str] = set()
    for row in read_jsonl(path) if path.exists() else ():
        key = str(row["item"])
        if key in found:
            repeated.add(key)
        found[key] = (str(row.get("slice", "all")), float(row["score"]))
    return {key: value for key, value in found.items() if key not in repeated}
