"""A suite run shard by shard: Great Expectations judges every shard's table, and the pooled numbers the corpus.

A share that holds over the corpus may still hide one shard that is all wrong, so each shard is judged by the
expectations that speak of single records. What speaks of the whole (rows, shares of languages) is judged once. Memory
is bounded by a shard.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.core.pool import map_as_finished
from components.core.repeats import count_earlier
from components.validation.expectations import (
    Observation,
    Rule,
    observe,
    pool,
    run_suite,
    run_suite_on_pooled,
    speaks_of_records,
)
from components.validation.measures import Columns, ShardJob, measure_shard, read_measures
from components.validation.report import ExpectationResult, ShardResult, State, ValidationResult, combine

SHARDS_UNJUDGED = "shards_unjudged"
UNJUDGED = "a shard has no records, or they cannot be read"


def judge_shards(name: str, rules: Sequence[Rule], jobs: Sequence[ShardJob], *, workers: int) -> ValidationResult:
    """Judge a corpus. The state is ``pass`` only if every rule held over real records and every shard was judged."""
    for _ in map_as_finished(measure_shard, jobs, workers=workers):
        pass
    record_rules = [rule for rule in rules if speaks_of_records(rule)]
    shards: list[ShardResult] = []
    observed: list[list[Observation]] = []
    whole: ValidationResult | None = None
    for job, columns in _with_repeats(jobs):
        rows = len(next(iter(columns.values()), ()))
        if len(jobs) == 1:
            whole = run_suite(name, columns, rules)
            judged = [item for item, rule in zip(whole.expectations, rules, strict=True) if speaks_of_records(rule)]
        else:
            judged = run_suite(name, columns, record_rules).expectations
            observed.append([observe(rule, columns) for rule in rules])
        shards.append(_shard_result(job, rows, judged))
    if whole is None:
        pooled = [pool(of_rule) for of_rule in zip(*observed, strict=True)]
        whole = run_suite_on_pooled(name, sum(shard.rows for shard in shards), rules, pooled)
    expectations = [*whole.expectations, _all_judged(shards)]
    return ValidationResult(
        suite=name,
        state=combine([whole.state, expectations[-1].state]),
        rows=whole.rows,
        expectations=expectations,
        shards=shards,
    )


@contextmanager
def measuring_folder(work_dir: Path | None) -> Iterator[Path]:
    """Where shards are measured: a temporary folder, or one under ``work_dir``, from which another run goes on."""
    if work_dir is not None:
        folder = work_dir / "measures"
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="touchstone-validate-") as temporary:
        yield Path(temporary)


def _with_repeats(jobs: Sequence[ShardJob]) -> Iterator[tuple[ShardJob, Columns]]:
    """Each shard's columns with those that need the shards before it."""
    folder = jobs[0].folder
    texts = count_earlier([job.path(".texts") for job in jobs], folder / "texts.bin")
    ids = count_earlier([job.path(".ids") for job in jobs], folder / "ids.bin")
    for job, text_repeats, id_repeats in zip(jobs, texts, ids, strict=True):
        columns = read_measures(job)
        if columns:
            columns["id_is_repeated"] = (id_repeats > 0).astype(np.float64)
            columns["is_duplicate"] = _where_known(text_repeats > 0, columns["text_is_missing"])
        yield job, columns


def _where_known(flags: npt.NDArray[np.bool_], is_missing: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(is_missing > 0, np.nan, flags.astype(np.float64))


def _shard_result(job: ShardJob, rows: int, judged: Sequence[ExpectationResult]) -> ShardResult:
    return ShardResult(
        name=job.shard.name,
        rows=rows,
        state=combine([item.state for item in judged]) if rows else State.ERROR,
        not_passed=[item.name for item in judged if item.state is not State.PASS] if rows else [],
    )


def _all_judged(shards: Sequence[ShardResult]) -> ExpectationResult:
    """An expectation of its own: a shard without readable records was not judged, whatever the others say."""
    unjudged = sum(not shard.rows for shard in shards)
    return ExpectationResult(
        name=SHARDS_UNJUDGED,
        state=State.ERROR if unjudged or not shards else State.PASS,
        observed=float(unjudged),
        limit=0.0,
        side="max",
        n=sum(shard.rows for shard in shards),
        reason=UNJUDGED if unjudged else "",
    )
