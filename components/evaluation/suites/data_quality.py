"""What the data checks found in the corpora that the payload was trained from, as metrics that a gate may hold.

In: the ``report.json`` of the quality suite on each corpus. Rates are pooled over the corpora by their records;
Wilson intervals. ``failed_expectations`` counts, over all corpora, the expectations that did not pass (one that could
not be judged did not pass); it is a census, so its interval is the number itself. n counts records.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.core.jsonfiles import read_json
from components.evaluation.config import DataQualityConfig
from components.evaluation.context import EvaluationContext
from components.evaluation.reporting import SuiteResult, make_report, metric_of, missing_metric, not_measured
from components.evaluation.statistics import Interval, wilson_interval

SUITE = "data_quality"

RATES = {
    "duplicate_rate": "duplicates",
    "wrong_language_rate": "wrong_language",
    "length_outlier_rate": "length_outliers",
    "missing_text_rate": "text_missing",
}


def measure_data_quality(context: EvaluationContext, config: DataQualityConfig) -> SuiteResult:
    """Rates and failed expectations over the validation reports given."""
    folders = [*context.inputs.validation_reports, *context.data_files(SUITE, config.data)]
    digest = context.models.payload_digest
    if not folders:
        return not_measured(SUITE, digest, "no validation report was given")
    reports = [_read(folder) for folder in folders]
    expectations = [item for report in reports for item in report["expectations"]]
    rows = sum(int(report["rows"]) for report in reports)
    failed = [f"{item['name']}: {item['state']}" for item in expectations if item["state"] != "pass"]
    metrics = {name: _rate(expectations, expectation) for name, expectation in RATES.items()}
    if expectations:
        count = float(len(failed))
        metrics["failed_expectations"] = metric_of(Interval(count, count, count), rows, note=", ".join(failed))
    report = make_report(SUITE, digest, n=rows, metrics=metrics, data=expectations)
    return SuiteResult(report)


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = read_json(path / "report.json" if path.is_dir() else path)
    return found


def _rate(expectations: list[dict[str, Any]], name: str) -> Any:
    """Pooled share of one expectation, missing if any corpus could not be judged on it."""
    found = [item for item in expectations if item["name"] == name]
    if not found or any(item["observed"] is None for item in found):
        return missing_metric(f"expectation {name} was not judged on every corpus")
    count = sum(int(item["n"]) for item in found)
    if count == 0:
        return missing_metric("the corpora are empty")
    hits = round(sum(float(item["observed"]) * int(item["n"]) for item in found))
    return metric_of(wilson_interval(min(hits, count), count), count)
