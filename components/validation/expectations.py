"""Great Expectations over a quality table, with three states and no vacuous pass.

Great Expectations calls an empty table, an all-null column and an empty suite a success; here each is an error.
It embeds failing values in every result format but BOOLEAN_ONLY, so that is the only one used, and what was observed
is computed here, as counts and shares. Its two shapes of ``exception_info`` (flat, or keyed by metric) become one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from components.validation.report import ExpectationResult, State, ValidationResult, combine

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class ShareLimit:
    """The mean of a 0/1 column is at most (``max``) or at least (``min``) the limit."""

    name: str
    column: str
    limit: float
    side: Literal["max", "min"] = "max"


@dataclass(frozen=True, slots=True)
class RowLimit:
    """The table has at least so many rows."""

    name: str
    limit: int


@dataclass(frozen=True, slots=True)
class RangeLimit:
    """At most the share ``limit`` of a number column lies outside ``low`` to ``high``."""

    name: str
    column: str
    low: float
    high: float
    limit: float


Rule = ShareLimit | RowLimit | RangeLimit


def run_suite(name: str, frame: pd.DataFrame, rules: Sequence[Rule]) -> ValidationResult:
    """Judge a table by rules. The state is ``pass`` only if there is a rule and every rule passed over real rows."""
    verdicts = _validate(name, frame, rules) if rules and len(frame) else [None] * len(rules)
    results = [_result(rule, frame, verdict) for rule, verdict in zip(rules, verdicts, strict=True)]
    return ValidationResult(
        suite=name, state=combine([item.state for item in results]), rows=len(frame), expectations=results
    )


def _validate(name: str, frame: pd.DataFrame, rules: Sequence[Rule]) -> list[tuple[bool, bool] | None]:
    """(success, raised) a rule, in the order of the rules."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    # In memory alone: by default the library leaves a temporary folder for its documentation pages behind.
    settings = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    context = gx.get_context(mode="ephemeral", project_config=settings)
    asset = context.data_sources.add_pandas(name).add_dataframe_asset(name)
    batch = asset.add_batch_definition_whole_dataframe(name).get_batch(batch_parameters={"dataframe": frame})
    suite = gx.ExpectationSuite(name=name)
    for index, rule in enumerate(rules):
        suite.add_expectation(_expectation(gx, rule, index))
    outcome = batch.validate(suite, result_format="BOOLEAN_ONLY")
    verdicts: list[tuple[bool, bool] | None] = [None] * len(rules)
    for item in outcome.results:
        verdicts[item.expectation_config.meta["rule"]] = (bool(item.success), _raised(item.exception_info))
    return verdicts


def _expectation(gx: Any, rule: Rule, index: int) -> Any:
    meta = {"rule": index}
    if isinstance(rule, RowLimit):
        return gx.expectations.ExpectTableRowCountToBeBetween(min_value=rule.limit, meta=meta)
    if isinstance(rule, RangeLimit):
        return gx.expectations.ExpectColumnValuesToBeBetween(
            column=rule.column, min_value=rule.low, max_value=rule.high, mostly=1 - rule.limit, meta=meta
        )
    bounds = {"min_value": 0.0, "max_value": rule.limit} if rule.side == "max" else {"min_value": rule.limit}
    return gx.expectations.ExpectColumnMeanToBeBetween(column=rule.column, meta=meta, **bounds)


def _raised(info: dict[str, Any] | None) -> bool:
    """Whether the library raised inside: the flag stands on top, or in an entry a metric."""
    if not info:
        return False
    if "raised_exception" in info:
        return bool(info["raised_exception"])
    return any(isinstance(entry, dict) and entry.get("raised_exception") for entry in info.values())


def _result(rule: Rule, frame: pd.DataFrame, verdict: tuple[bool, bool] | None) -> ExpectationResult:
    observed, n = _observe(rule, frame)
    state, reason = State.ERROR, ""
    if not len(frame):
        reason = "the corpus has no records"
    elif observed is None or not math.isfinite(observed):
        reason = "no record has a value here, so nothing can be said"
    elif verdict is None or verdict[1]:
        reason = "the expectation could not be evaluated"
    else:
        state = State.PASS if verdict[0] else State.FAIL
    return ExpectationResult(
        name=rule.name,
        state=state,
        observed=None if observed is None or not math.isfinite(observed) else round(observed, 9),
        limit=rule.limit,
        side="min" if isinstance(rule, RowLimit) else "max" if isinstance(rule, RangeLimit) else rule.side,
        n=n,
        reason=reason,
    )


def _observe(rule: Rule, frame: pd.DataFrame) -> tuple[float | None, int]:
    """What the rule is about, computed here since BOOLEAN_ONLY results carry no number; and the rows with a value."""
    if isinstance(rule, RowLimit):
        return float(len(frame)), len(frame)
    if rule.column not in frame.columns:
        return None, 0
    values = frame[rule.column].dropna().astype(float)
    if not len(values):
        return None, 0
    if isinstance(rule, RangeLimit):
        outside = (values < rule.low) | (values > rule.high)
        return float(outside.mean()), len(values)
    return float(values.mean()), len(values)
