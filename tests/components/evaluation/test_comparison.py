"""Two evidence folders compared: metrics side by side, paired differences over common items."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from components.core.evidence import Evidence, Metric, SuiteReport
from components.core.jsonfiles import write_json, write_jsonl
from components.evaluation.comparison import compare_evidence


def _evidence(folder: Path, digest: str, value: float, scores: dict[str, float]) -> Path:
    report = SuiteReport(
        suite="task_quality",
        payload_digest=digest,
        n=len(scores),
        metrics={"accuracy": Metric(value=value, n=len(scores))},
        slices={"zh": {"accuracy": Metric(value=value, n=3)}},
        seconds=0,
    )
    write_json(
        Evidence(payload_digest=digest, config_digest="c", suites={"task_quality": report}), folder / "evidence.json"
    )
    rows = [{"item": key, "slice": "en" if int(key) % 2 else "zh", "score": score} for key, score in scores.items()]
    write_jsonl(rows, folder / "items" / "task_quality.jsonl")
    return folder


def test_paired_difference_is_the_mean_over_common_items(tmp_path: Path) -> None:
    rng = random.Random(7)
    first = {str(n): float(rng.random() < 0.6) for n in range(200)}
    second = {str(n): float(rng.random() < 0.9) for n in range(50, 260)}
    result = compare_evidence(
        _evidence(tmp_path / "a", "sha256:a", 0.6, first), _evidence(tmp_path / "b", "sha256:b", 0.9, second)
    )
    overall = result.paired[0]
    common = [second[key] - first[key] for key in first if key in second]
    assert (overall.slice, overall.n) == ("all", 150)
    assert overall.difference == pytest.approx(np.mean(common))
    spread = np.std(common, ddof=1) / np.sqrt(150)
    assert overall.ci_high - overall.ci_low == pytest.approx(2 * 1.96 * spread, rel=0.15)
    assert overall.differs
    assert [item.slice for item in result.paired] == ["all", "en", "zh"]
    assert {(c.slice, c.metric, c.first and c.first.value, c.second and c.second.value) for c in result.metrics} == {
        ("all", "accuracy", 0.6, 0.9),
        ("zh", "accuracy", 0.6, 0.9),
    }


def test_equal_sides_differ_by_nothing(tmp_path: Path) -> None:
    scores = {str(n): float(n % 3 == 0) for n in range(60)}
    result = compare_evidence(
        _evidence(tmp_path / "a", "sha256:a", 0.3, scores), _evidence(tmp_path / "b", "sha256:a", 0.3, scores)
    )
    assert (result.paired[0].difference, result.paired[0].ci_low, result.paired[0].ci_high) == (0.0, 0.0, 0.0)
    assert not result.paired[0].differs


def test_too_few_or_repeated_items_give_no_difference(tmp_path: Path) -> None:
    a = _evidence(tmp_path / "a", "sha256:a", 0.5, {str(n): 1.0 for n in range(9)})
    b = _evidence(tmp_path / "b", "sha256:b", 0.5, {str(n): 0.0 for n in range(9)})
    assert compare_evidence(a, b).paired == []
    write_jsonl([{"item": "1", "slice": "en", "score": 1.0}] * 20, a / "items" / "task_quality.jsonl")
    assert compare_evidence(a, b).paired == []
