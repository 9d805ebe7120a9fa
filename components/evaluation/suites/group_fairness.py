"""Group fairness of the task model on its test split, by Fairlearn's two differences.

``demographic_parity_difference``: largest minus smallest share of records predicted as the positive label, over groups.
``equalized_odds_difference``: the larger of the two such gaps taken among truly positive and truly negative records.
0 means equal, 1 means opposite. A group with fewer than ``min_cell`` records (for equalised odds, of either true label)
is left out and named in the note; with fewer than two groups left the value is missing, never 0.

Intervals: percentile bootstrap over records within each (group, true label) cell. The largest-minus-smallest of
noisy shares leans upward, so the interval errs toward reporting a gap. n counts records of the groups kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import ContractError
from components.evaluation.config import GroupFairnessConfig
from components.evaluation.context import EvaluationContext
from components.evaluation.reporting import (
    Item,
    Metrics,
    SuiteResult,
    make_report,
    metric_of,
    missing_metric,
    not_measured,
)
from components.evaluation.statistics import DEFAULT_RESAMPLES, FloatArray, Interval, percentile_interval

SUITE = "group_fairness"


@dataclass(frozen=True)
class GroupCounts:
    """Records by group (G), true label (2) and prediction (2): ``counts`` is int [G, 2, 2]."""

    groups: tuple[str, ...]
    counts: NDArray[np.int64]


def measure_group_fairness(context: EvaluationContext, config: GroupFairnessConfig) -> SuiteResult:
    """Demographic parity and equalised odds differences over the ``group`` field of the test split."""
    digest = context.models.payload_digest
    if context.classifier is None:
        return not_measured(SUITE, digest, "the payload has no task model")
    records = [
        record
        for record in context.split_records(context.inputs.finetuning_splits, "test")
        if record.get("group") and record.get("label") is not None
    ]
    if not records:
        return not_measured(SUITE, digest, "no test record has both a group and a label")
    labels = context.classifier.labels
    if config.positive_label not in labels:
        raise ContractError(
            f"suites.group_fairness.positive_label {config.positive_label!r} is no label of the model; known are "
            f"{', '.join(labels)}"
        )
    predicted = context.classifier.predict([record["text"] for record in records]).argmax(axis=1)
    selected = np.array([labels[k] == config.positive_label for k in predicted])
    positive = np.array([str(record["label"]) == config.positive_label for record in records])
    groups = np.array([str(record["group"]) for record in records])

    def measure(name: str, index: Any) -> Metrics:
        return fairness_metrics(
            positive[index],
            selected[index],
            groups[index],
            min_cell=config.min_cell,
            seed=context.seed_for(SUITE, name),
            resamples=context.bootstrap_resamples,
        )

    slices = {name: measure(name, k) for name, k in context.by_language([r.get("lang") for r in records])}
    report = make_report(
        SUITE,
        digest,
        n=len(records),
        metrics=measure("all", slice(None)),
        slices=slices,
        data=[str(record["id"]) for record in records],
    )
    items: list[Item] = [
        {
            "item": str(record["id"]),
            "slice": record.get("lang") or "unknown",
            "group": groups[k],
            "score": float(selected[k]),
        }
        for k, record in enumerate(records)
    ]
    return SuiteResult(report, items)


def fairness_metrics(
    positive: Sequence[bool] | NDArray[np.bool_],
    selected: Sequence[bool] | NDArray[np.bool_],
    groups: Sequence[str] | NDArray[Any],
    *,
    min_cell: int,
    seed: int,
    resamples: int = DEFAULT_RESAMPLES,
) -> Metrics:
    """Both differences with intervals. ``positive`` is the truth, ``selected`` the prediction, all [N]."""
    table = count_groups(positive, selected, groups)
    per_group = table.counts.sum(axis=(1, 2))
    per_cell = table.counts.sum(axis=2)
    parity = _difference(table, per_group >= min_cell, _parity_gap, seed, resamples)
    odds = _difference(table, (per_cell >= min_cell).all(axis=1), _odds_gap, seed, resamples)
    return {"demographic_parity_difference": parity, "equalized_odds_difference": odds}


def count_groups(positive: Any, selected: Any, groups: Any) -> GroupCounts:
    """Records by group, truth and prediction; groups sorted by name."""
    names, codes = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    flat = codes * 4 + np.asarray(positive, dtype=np.int64) * 2 + np.asarray(selected, dtype=np.int64)
    counts = np.bincount(flat, minlength=4 * len(names)).reshape(len(names), 2, 2)
    return GroupCounts(tuple(str(name) for name in names), counts)


def _difference(table: GroupCounts, kept: NDArray[np.bool_], gap: Any, seed: int, resamples: int) -> Any:
    left_out = [name for name, keep in zip(table.groups, kept, strict=True) if not keep]
    note = f"left out for small cells: {', '.join(left_out)}" if left_out else ""
    counts = table.counts[kept]
    if len(counts) < 2:
        return missing_metric(f"fewer than two groups are large enough; {note or 'one group only'}")
    value = float(gap(counts[None])[0])
    draws = gap(_resample(counts, seed, resamples))
    interval: Interval = percentile_interval(value, draws)
    return metric_of(interval, int(counts.sum()), note=note)


def _resample(counts: NDArray[np.int64], seed: int, resamples: int) -> NDArray[np.int64]:
    """Predictions redrawn within every (group, truth) cell: [R, G, 2, 2].

    Half a record is added on either side (Jeffreys), so that a cell where all predictions agree is not certainty.
    """
    cells = counts.sum(axis=2)
    share = (counts[:, :, 1] + 0.5) / (cells + 1)
    chosen = np.random.default_rng(seed).binomial(cells, share, size=(resamples, *cells.shape))
    return np.stack([cells - chosen, chosen], axis=-1)


def _parity_gap(counts: NDArray[np.int64]) -> FloatArray:
    """Largest minus smallest selection rate; counts [R, G, 2, 2], out [R]."""
    rates = counts[..., 1].sum(axis=2) / counts.sum(axis=(2, 3))
    return np.asarray(np.ptp(rates, axis=1), dtype=np.float64)


def _odds_gap(counts: NDArray[np.int64]) -> FloatArray:
    """The larger gap of the true and the false positive rate; counts [R, G, 2, 2], out [R]."""
    rates = counts[..., 1] / counts.sum(axis=3)
    return np.asarray(np.ptp(rates, axis=1).max(axis=1), dtype=np.float64)
