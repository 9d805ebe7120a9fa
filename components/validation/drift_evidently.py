"""Evidently's page of a comparison: its histograms of the columns, with our distances as its metrics and tests.

Evidently's own drift methods are p-values below 1,000 records and fixed limits above; ours stand in their place, so
that both pages say the same. It sees columns alone (a number or a category a record), never text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from evidently import DataDefinition, Dataset, Report
from evidently.core.metric_types import (
    BoundTest,
    MetricTest,
    MetricTestResult,
    SingleValue,
    SingleValueCalculation,
    SingleValueMetric,
)
from evidently.legacy.renderers.html_widgets import CounterData, counter
from evidently.legacy.tests.base_test import TestStatus
from evidently.metrics.column_statistics import distribution

from components.validation.drift_report import DriftResult, DriftTest, TestState

if TYPE_CHECKING:
    import pandas as pd

_STATUS = {
    TestState.SAME: TestStatus.SUCCESS,
    TestState.DRIFTED: TestStatus.FAIL,
    TestState.UNRESOLVED: TestStatus.ERROR,
    TestState.NOT_JUDGED: TestStatus.SKIPPED,
}


class DriftDistance(SingleValueMetric):  # type: ignore[misc]  # Evidently has no types
    """A distance that was measured, with its limit."""

    name: str
    score: float
    chance: float
    threshold: float
    state: str
    column: str | None = None


class _Limit(MetricTest):  # type: ignore[misc]
    """Stands for our rule; the outcome is handed over with the result, so it is never run."""

    def to_test(self) -> Any:
        raise NotImplementedError

    def to_config(self) -> Any:
        raise NotImplementedError


class _Bound(BoundTest[SingleValue]):  # type: ignore[misc]
    def run_test(self, context: Any, calculation: Any, metric_result: Any) -> Any:
        raise NotImplementedError


class DriftDistanceCalculation(SingleValueCalculation[DriftDistance]):  # type: ignore[misc]
    """Hands the distance over, with the column's histogram."""

    def calculate(self, context: Any, current_data: Any, reference_data: Any) -> Any:  # noqa: ARG002
        """The distance as Evidently's result, with its test."""
        metric = self.metric
        result = self.result(metric.score)
        values = [
            CounterData("distance", f"{metric.score:.3f}"),
            CounterData("limit", f"{metric.threshold:g}"),
            CounterData("chance reaches", f"{metric.chance:.3f}"),
        ]
        result.widget = [counter(counters=values, title=metric.name)]
        if metric.column is not None:
            result.widget += distribution(
                metric.name, current_data.column(metric.column), reference_data.column(metric.column)
            )
        result.set_tests([self._test_result()])
        return result

    def display_name(self) -> str:
        """Title of the metric."""
        return str(self.metric.name)

    def _test_result(self) -> Any:
        metric = self.metric
        return MetricTestResult(
            id="drift",
            name=f"{metric.name}: {metric.state}",
            description=f"Distance {metric.score:.3f}, limit {metric.threshold:g}, chance reaches {metric.chance:.3f}.",
            status=_STATUS[TestState(metric.state)],
            metric_config=self.to_metric_config(),
            test_config={},
            bound_test=_Bound(test=_Limit(), metric_fingerprint=self.to_metric().metric_id),
        )


def write_evidently_page(result: DriftResult, current: pd.DataFrame, reference: pd.DataFrame, path: Path) -> None:
    """Write Evidently's self-contained page of the tests that were measured."""
    names = {item.name: item.kind for item in result.distributions}
    definition = DataDefinition(
        numerical_columns=[name for name, kind in names.items() if kind == "quantiles"],
        categorical_columns=[name for name, kind in names.items() if kind == "shares"],
    )
    metrics = [_metric(test, test.name if test.name in names else None) for test in result.tests
               if test.score is not None]  # fmt: skip
    # A constant column (one language, equal lengths) has no correlation, which Evidently asks numpy for.
    with np.errstate(invalid="ignore", divide="ignore"):
        snapshot = Report(metrics, include_tests=True).run(
            current_data=Dataset.from_pandas(current, definition),
            reference_data=Dataset.from_pandas(reference, definition),
        )
    path.write_text(_number_ids(snapshot.get_html_str(as_iframe=False)), encoding="utf-8")


def _metric(test: DriftTest, column: str | None) -> DriftDistance:
    return DriftDistance(
        name=test.name,
        score=test.score,
        chance=test.chance,
        threshold=test.threshold,
        state=str(test.state),
        column=column,
    )


_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")


def _number_ids(page: str) -> str:
    """The page with its random element ids numbered in order of appearance, so that equal input gives equal bytes.

    The ids stand in the script that holds the data; the libraries around it are left alone.
    """
    start = page.index("var metric_")
    end = page.index("</script>", start)
    for number, name in enumerate(dict.fromkeys(_ID.findall(page, start, end))):
        page = page.replace(name, f"{number:032x}")
    return page
