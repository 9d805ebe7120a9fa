"""The evaluation stage: run suites on one payload and write its evidence.

In: a payload folder (or a plain Hugging Face checkpoint), data folders, a config. Out, under the folder given::

    evidence.json          all suite reports (core.evidence.Evidence)
    suites/<name>.json     each of them
    items/<name>.jsonl     scores of single items by id, for paired differences; no text
    report.json            counts for people

Time is only recorded where a clock is passed in, so that equal inputs give equal bytes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from components.core.errors import ConfigError
from components.core.evidence import Evidence, SuiteReport
from components.core.jsonfiles import read_json, write_json, write_jsonl
from components.core.store import StageReport
from components.evaluation.config import SUITE_CONFIGS, EvaluationConfig, SuiteConfig
from components.evaluation.context import EvaluationContext, EvaluationInputs, find_models
from components.evaluation.registry import find_suite
from components.evaluation.reporting import SuiteResult

__all__ = ["EvaluationInputs", "evaluate_payload", "evaluate_suite", "read_evidence"]

logger = logging.getLogger(__name__)

Progress = Callable[[str, int, int], None]
Clock = Callable[[], float]


def evaluate_payload(
    payload: Path,
    config: EvaluationConfig,
    inputs: EvaluationInputs,
    *,
    out_dir: Path,
    on_progress: Progress | None = None,
    clock: Clock | None = None,
) -> StageReport:
    """Measure a payload with every configured suite and write its evidence folder.

    Args:
        payload: Payload, release or plain checkpoint folder.
        config: Suites and their settings.
        inputs: Data folders; what a suite lacks makes its metrics missing, with a note.
        out_dir: Existing, empty folder.
        on_progress: Called with (suite, done, total) before each suite and once at the end.
        clock: Seconds counter for the reports' ``seconds``; without it they are 0.
    """
    context = _context(payload, config, inputs)
    reports: dict[str, SuiteReport] = {}
    for done, (name, suite_config) in enumerate(config.suites.items()):
        if on_progress is not None:
            on_progress(name, done, len(config.suites))
        result = _run(name, context, suite_config, clock)
        reports[name] = result.report
        write_json(result.report, out_dir / "suites" / f"{name}.json")
        write_jsonl(result.items, out_dir / "items" / f"{name}.jsonl")
    if on_progress is not None:
        on_progress("done", len(config.suites), len(config.suites))
    evidence = Evidence(payload_digest=context.models.payload_digest, config_digest=config.digest(), suites=reports)
    write_json(evidence, out_dir / "evidence.json")
    report = StageReport(rows=sum(item.n for item in reports.values()), summary=_summary(reports))
    write_json(report, out_dir / "report.json")
    return report


def evaluate_suite(
    model_dir: Path,
    suite: str,
    *,
    languages: tuple[str, ...] = ("en", "zh"),
    inputs: EvaluationInputs | None = None,
    suite_config: SuiteConfig | None = None,
    seed: int = 0,
    bootstrap_resamples: int = 2000,
    clock: Clock | None = None,
) -> SuiteReport:
    """Run one suite on a payload or a plain checkpoint; ``inputs.suite_data[suite]`` holds its data files.

    Raises ConfigError for an unknown suite, or one whose config has settings without defaults that were not given.
    """
    runner_config = suite_config or _default_config(suite)
    context = EvaluationContext(
        models=find_models(model_dir),
        inputs=inputs or EvaluationInputs(),
        languages=languages,
        seed=seed,
        bootstrap_resamples=bootstrap_resamples,
    )
    return _run(suite, context, runner_config, clock).report


def read_evidence(path: Path) -> Evidence:
    """Evidence from its folder or file."""
    return Evidence.model_validate(read_json(path / "evidence.json" if path.is_dir() else path))


def _default_config(suite: str) -> SuiteConfig:
    from pydantic import ValidationError

    find_suite(suite)
    try:
        return SUITE_CONFIGS[suite]()
    except ValidationError as error:
        keys = ", ".join(str(item["loc"][0]) for item in error.errors())
        raise ConfigError(f"suite {suite} needs {keys}: set it in the evaluation YAML under suites.{suite}") from error


def _context(payload: Path, config: EvaluationConfig, inputs: EvaluationInputs) -> EvaluationContext:
    return EvaluationContext(
        models=find_models(payload),
        inputs=inputs,
        languages=config.languages,
        seed=config.seed,
        bootstrap_resamples=config.bootstrap_resamples,
    )


def _run(name: str, context: EvaluationContext, suite_config: SuiteConfig, clock: Clock | None) -> SuiteResult:
    started = clock() if clock is not None else 0.0
    result = find_suite(name)(context, suite_config)
    seconds = clock() - started if clock is not None else 0.0
    logger.info("suite %s: n=%d", name, result.report.n)
    return SuiteResult(result.report.model_copy(update={"seconds": max(0.0, seconds)}), result.items)


def _summary(reports: dict[str, SuiteReport]) -> dict[str, object]:
    """Value of every metric by suite, None where it is missing."""
    return {suite: {name: metric.value for name, metric in report.metrics.items()} for suite, report in reports.items()}
