"""Great Expectations over a quality table, with three states and no vacuous pass.

Great Expectations calls an empty table, an all-null column and an empty suite a success; here each is an error.
It embeds failing values in every result format but BOOLEAN_ONLY, so that is the only one used, and what was observed
is computed here, as counts and shares. Its two shapes of ``exception_info`` (flat, or keyed by metric) become one.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np

from components.validation.measures import Columns
from components.validation.report import ExpectationResult, State, ValidationResult, combine

_NOBODY_KNOWS = "no record has a value here, so nothing can be said"
_NOT_EVALUATED = "the expectation could not be evaluated"
_EMPTY = "the corpus has no records"
_CONTEXT_LOCK = threading.Lock()  # the context is one for all threads, and not made for two at once


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


@dataclass(frozen=True, slots=True)
class Observation:
    """What a rule is about in one table: a count of records, and how many had a value. Counts add up over shards."""

    count: float
    n: int

    def value(self, rule: Rule) -> float | None:
        """The number that the rule limits: rows, or a share; None where no record has a value."""
        if isinstance(rule, RowLimit):
            return self.count
        return self.count / self.n if self.n else None


def speaks_of_records(rule: Rule) -> bool:
    """Whether a rule can be asked of one shard: not one about the size or the make-up of the whole."""
    return not isinstance(rule, RowLimit) and not (isinstance(rule, ShareLimit) and rule.side == "min")


def observe(rule: Rule, columns: Columns) -> Observation:
    """Counted here, since BOOLEAN_ONLY results carry no number."""
    if isinstance(rule, RowLimit):
        rows = len(next(iter(columns.values()), ()))
        return Observation(float(rows), rows)
    values = columns.get(rule.column, np.zeros(0))
    values = values[~np.isnan(values)]
    if isinstance(rule, RangeLimit):
        return Observation(float(np.count_nonzero((values < rule.low) | (values > rule.high))), len(values))
    return Observation(float(values.sum()), len(values))


def pool(observations: Sequence[Observation]) -> Observation:
    """One observation over several shards."""
    return Observation(sum(item.count for item in observations), sum(item.n for item in observations))


def run_suite(name: str, columns: Columns, rules: Sequence[Rule]) -> ValidationResult:
    """Judge a table by rules. The state is ``pass`` only if there is a rule and every rule passed over real rows."""
    rows = len(next(iter(columns.values()), ()))
    verdicts: list[Verdict | None] = [None] * len(rules)
    if rules and rows:
        verdicts = _validate(name, columns, [_expectation(rule) for rule in rules])
    return _result(name, rows, rules, [observe(rule, columns) for rule in rules], verdicts)


def run_suite_on_pooled(name: str, rows: int, rules: Sequence[Rule], pooled: Sequence[Observation]) -> ValidationResult:
    """Judge a corpus by what was pooled over its shards: a table of one row, a column a rule."""
    values = {rule.name: seen.value(rule) for rule, seen in zip(rules, pooled, strict=True)}
    columns = {key: np.array([math.nan if value is None else value]) for key, value in values.items()}
    verdicts: list[Verdict | None] = [None] * len(rules)
    if rules and rows:
        verdicts = _validate(name, columns, [_pooled_expectation(rule) for rule in rules])
    return _result(name, rows, rules, pooled, verdicts)


# Whether an expectation held, and whether the library raised inside it.
Verdict = tuple[bool, bool]
# Class name in ``great_expectations.expectations`` and arguments.
_Expectation = tuple[str, dict[str, Any]]


def _expectation(rule: Rule) -> _Expectation:
    if isinstance(rule, RowLimit):
        return "ExpectTableRowCountToBeBetween", {"min_value": rule.limit}
    if isinstance(rule, RangeLimit):
        bounds = {"min_value": rule.low, "max_value": rule.high, "mostly": 1 - rule.limit}
        return "ExpectColumnValuesToBeBetween", {"column": rule.column, **bounds}
    return "ExpectColumnMeanToBeBetween", {"column": rule.column, **_bounds(rule)}


def _pooled_expectation(rule: Rule) -> _Expectation:
    return "ExpectColumnValuesToBeBetween", {"column": rule.name, **_bounds(rule)}


def _bounds(rule: Rule) -> dict[str, float]:
    return {"min_value": rule.limit} if _side(rule) == "min" else {"min_value": 0.0, "max_value": rule.limit}


def _side(rule: Rule) -> Literal["max", "min"]:
    if isinstance(rule, RowLimit):
        return "min"
    return "max" if isinstance(rule, RangeLimit) else rule.side


def _validate(name: str, columns: Columns, expectations: Sequence[_Expectation]) -> list[Verdict | None]:
    """A verdict an expectation, in their order."""
    import great_expectations as gx
    import pandas as pd

    with _CONTEXT_LOCK:
        context = _context()
        source = context.data_sources.add_pandas(name)
        try:
            batch_definition = source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
            batch = batch_definition.get_batch(batch_parameters={"dataframe": pd.DataFrame(columns)})
            suite = gx.ExpectationSuite(name=name)
            for index, (kind, arguments) in enumerate(expectations):
                suite.add_expectation(getattr(gx.expectations, kind)(**arguments, meta={"rule": index}))
            outcome = batch.validate(suite, result_format="BOOLEAN_ONLY")
        finally:
            context.data_sources.delete(name)
    verdicts: list[Verdict | None] = [None] * len(expectations)
    for item in outcome.results:
        verdicts[item.expectation_config.meta["rule"]] = (bool(item.success), _raised(item.exception_info))
    return verdicts


@cache
def _context() -> Any:
    """In memory alone: by default the library leaves a temporary folder for its documentation pages behind."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    settings = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        progress_bars=ProgressBarsConfig(globally=False),
        analytics_enabled=False,
    )
    return gx.get_context(mode="ephemeral", project_config=settings)


def _raised(info: dict[str, Any] | None) -> bool:
    """Whether the library raised inside: the flag stands on top, or in an entry a metric."""
    if not info:
        return False
    if "raised_exception" in info:
        return bool(info["raised_exception"])
    return any(isinstance(entry, dict) and entry.get("raised_exception") for entry in info.values())


def _result(
    name: str, rows: int, rules: Sequence[Rule], observed: Sequence[Observation], verdicts: Sequence[Verdict | None]
) -> ValidationResult:
    expectations = [
        _expectation_result(rule, rows, seen, verdict)
        for rule, seen, verdict in zip(rules, observed, verdicts, strict=True)
    ]
    state = combine([item.state for item in expectations])
    return ValidationResult(suite=name, state=state, rows=rows, expectations=expectations)


def _expectation_result(rule: Rule, rows: int, seen: Observation, verdict: Verdict | None) -> ExpectationResult:
    value = seen.value(rule)
    state, reason = State.ERROR, ""
    if not rows:
        reason = _EMPTY
    elif value is None:
        reason = _NOBODY_KNOWS
    elif verdict is None or verdict[1]:
        reason = _NOT_EVALUATED
    else:
        state = State.PASS if verdict[0] else State.FAIL
    return ExpectationResult(
        name=rule.name,
        state=state,
        observed=None if value is None else round(value, 9),
        limit=rule.limit,
        side=_side(rule),
        n=seen.n,
        reason=reason,
    )
