"""Quality of the task model on its test split: the floor under every fairness gate, since a collapsed model is "fair".

``accuracy`` with Wilson's interval, ``macro_f1`` (mean F1 over the model's labels that occur in the truth) and
``expected_calibration_error`` (equal-width bins of the top probability; Guo et al. 2017, equation 3) with percentile
bootstraps over records, and ``majority_accuracy``, what always answering the commonest label would reach. n counts
records.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.corpus import Record, read_records
from components.core.errors import ContractError
from components.core.jsonfiles import read_jsonl
from components.evaluation.config import TaskQualityConfig
from components.evaluation.context import EvaluationContext
from components.evaluation.reporting import (
    Item,
    Metrics,
    SuiteResult,
    make_report,
    metric_of,
    missing_metrics,
    not_measured,
)
from components.evaluation.statistics import FloatArray, percentile_interval, wilson_interval

SUITE = "task_quality"


def measure_task_quality(context: EvaluationContext, config: TaskQualityConfig) -> SuiteResult:
    """Accuracy, macro F1 and calibration on the labelled test records."""
    digest = context.models.payload_digest
    if context.classifier is None:
        return not_measured(SUITE, digest, "the payload has no task model")
    records = [record for record in _records(context, config) if record.get("label") is not None]
    if not records:
        return not_measured(SUITE, digest, "no labelled test record")
    labels = list(context.classifier.labels)
    unknown = sorted({str(record["label"]) for record in records} - set(labels))
    if unknown:
        raise ContractError(f"task_quality: test labels {unknown} are unknown to the model; known are {labels}")
    probabilities_NC = context.classifier.predict([record["text"] for record in records])
    truth_N = np.array([labels.index(str(record["label"])) for record in records])

    def measure(name: str, index: Any) -> Metrics:
        return quality_metrics(
            truth_N[index],
            probabilities_NC[index],
            bins=config.calibration_bins,
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
    right_N = probabilities_NC.argmax(axis=1) == truth_N
    items: list[Item] = [
        {"item": str(record["id"]), "slice": record.get("lang") or "unknown", "score": float(right_N[k])}
        for k, record in enumerate(records)
    ]
    return SuiteResult(report, items)


def _records(context: EvaluationContext, config: TaskQualityConfig) -> list[Record]:
    files = context.data_files(SUITE, config.data)
    if not files:
        return context.split_records(context.inputs.finetuning_splits, "test")
    rows: list[Record] = []
    for path in files:
        found = read_records(path) if path.is_dir() else read_jsonl(path)
        rows += [{"id": f"{path.stem}-{index}", **row} for index, row in enumerate(found)]
    return [row for row in rows if context.speaks(row)]


def quality_metrics(
    truth: NDArray[np.int64], probabilities: FloatArray, *, bins: int, seed: int, resamples: int
) -> Metrics:
    """The four metrics from true label indices [N] and probabilities [N, C]."""
    count, classes = probabilities.shape
    if count == 0:
        return missing_metrics(SUITE, "no record in this slice")
    predicted = probabilities.argmax(axis=1)
    right = predicted == truth
    commonest = int(np.bincount(truth, minlength=classes).max())
    # Resampling records is drawing counts of their (truth, prediction, confidence bin) cells.
    confidence = probabilities.max(axis=1)
    bin_of = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    draws = np.random.default_rng(seed).integers(0, count, size=(resamples, count))
    f1 = macro_f1(_confusions(truth, predicted, classes, np.arange(count)[None]))[0]
    ece = _calibration_error(right, confidence, bin_of, bins, np.arange(count)[None])[0]
    f1_draws = macro_f1(_confusions(truth, predicted, classes, draws))
    ece_draws = _calibration_error(right, confidence, bin_of, bins, draws)
    return {
        "accuracy": metric_of(wilson_interval(int(right.sum()), count), count),
        "macro_f1": metric_of(percentile_interval(float(f1), f1_draws), count),
        "expected_calibration_error": metric_of(percentile_interval(float(ece), ece_draws), count),
        "majority_accuracy": metric_of(wilson_interval(commonest, count), count),
    }


def _by_row(codes: NDArray[np.int64], width: int, weights: FloatArray | None = None) -> FloatArray:
    """Histogram of each row of codes [R, N] into [R, width]."""
    flat = codes + (np.arange(len(codes)) * width)[:, None]
    summed = np.bincount(
        flat.ravel(), weights=None if weights is None else weights.ravel(), minlength=len(codes) * width
    )
    return np.asarray(summed.reshape(len(codes), width), dtype=np.float64)


def _confusions(truth: Any, predicted: Any, classes: int, draws: NDArray[np.int64]) -> FloatArray:
    """Confusion tables (truth by prediction) of resamples: [R, C, C]."""
    codes = np.asarray(truth * classes + predicted, dtype=np.int64)[draws]
    return _by_row(codes, classes * classes).reshape(len(draws), classes, classes)


def macro_f1(confusions: FloatArray) -> FloatArray:
    """Mean F1 over the labels that occur in truth or prediction, from tables [R, C, C]."""
    hits = np.diagonal(confusions, axis1=1, axis2=2)
    both = confusions.sum(axis=1) + confusions.sum(axis=2)
    present = both > 0
    f1 = np.where(present, 2 * hits / np.maximum(both, 1), 0.0)
    return np.asarray(f1.sum(axis=1) / np.maximum(present.sum(axis=1), 1))


def _calibration_error(
    right: Any, confidence: FloatArray, bin_of: NDArray[np.int64], bins: int, draws: NDArray[np.int64]
) -> FloatArray:
    """Expected calibration error of resamples, [R]."""
    gap = (right.astype(np.float64) - confidence)[draws]
    return np.asarray(np.abs(_by_row(bin_of[draws], bins, gap)).sum(axis=1) / draws.shape[1])
