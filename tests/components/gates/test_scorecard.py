"""The verdict on one page, in both languages, and the table of what the planned n can resolve."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from components.core.evidence import Evidence, Metric, SuiteReport, Verdict
from components.core.jsonfiles import read_json
from components.gates.config import GatesConfig
from components.gates.judge import Waiver, judge, read_verdict
from components.gates.planning import plan_as_data, plan_table
from components.gates.scorecard import render_scorecard, write_verdict

DIGEST = "sha256:" + "a" * 64


def gate(name: str, suite: str, metric: str, direction: str, threshold: Any, **extra: Any) -> dict[str, Any]:
    return {
        "name": name, "suite": suite, "metric": metric, "direction": direction, "threshold": threshold,
        "min_n": 100, "severity": "block",
    } | extra  # fmt: skip


GATES = GatesConfig.model_validate(
    {
        "languages": ["en", "zh"],
        "gates": [
            gate("quality", "task_quality", "accuracy", "min", 0.7),
            gate("flips", "counterfactual", "flip_rate", "max", 0.1, requires=["quality"]),
            gate("stereotypes", "crows_pairs", "stereotype_score", "within", {"low": 40, "high": 60}),
            gate("exposure", "exposure", "exposure_bits", "max", 2.5),
            gate("gap", "group_fairness", "demographic_parity_difference", "max", 0.1),
            gate("calibration", "task_quality", "expected_calibration_error", "max", 0.1, severity="warn"),
        ],
        "not_applicable": [{"gate": "exposure", "reason": "no canaries | were planted in these data"}],
    }
)


def report(suite: str, metric: str, *numbers: float) -> SuiteReport:
    value, low, high = numbers
    metrics = {metric: Metric(value=value, ci_low=low, ci_high=high, n=400)}
    return SuiteReport(suite=suite, payload_digest=DIGEST, n=400, metrics=metrics, seconds=0.0, notes=[f"<{suite}>"])


@pytest.fixture
def evidence() -> Evidence:
    suites = [
        report("task_quality", "accuracy", 0.9, 0.87, 0.93),
        report("counterfactual", "flip_rate", 0.4, 0.35, 0.45),
        report("crows_pairs", "stereotype_score", 55.0, 50.1, 59.8),
        report("group_fairness", "demographic_parity_difference", 0.3, 0.25, 0.35),
    ]
    return Evidence(payload_digest=DIGEST, config_digest="c", suites={item.suite: item for item in suites})


@pytest.fixture
def verdict(evidence: Evidence) -> Verdict:
    waiver = Waiver(gate="gap", payload_digest=DIGEST, reason="known", until="2030-01-01", signer="ana")
    return judge(evidence, GATES, payload_digest=DIGEST, waivers=[waiver], created="2026-01-01T00:00:00+00:00")


def test_the_english_card_says_everything(verdict: Verdict, evidence: Evidence) -> None:
    card = render_scorecard(verdict, language="en", evidence=evidence)
    assert card.startswith("# Scorecard: REFUSED: 1 blocking gate(s)\n")
    assert "| flips | Predictions that change with the group word | 0.4 | [0.35, 0.45] | at most 0.1 |" in card
    assert "| 40 to 60 |" in card
    assert "## Not applicable, by declaration\n\n- **exposure**" in card
    assert "no canaries \\| were planted" in card
    assert "## Waived\n\n- **gap**: waived by ana" in card
    assert "## Warnings\n\n- **calibration**" in card
    assert "- crows_pairs: &lt;crows_pairs>" in card
    rows = [line for line in card.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) == 1 + 6


def test_the_chinese_card_has_the_same_rows(verdict: Verdict) -> None:
    card = render_scorecard(verdict, language="zh")
    assert card.startswith("# 评分卡: 拒绝：1 个阻断性门禁\n")
    for text in ("至多 0.1", "更换群体词后预测改变的比例", "✗ 不通过", "已豁免", "不适用", "✓ 通过", "? 证据不足"):
        assert text in card
    assert card.count("\n| ") == render_scorecard(verdict, language="en").count("\n| ")


def test_the_verdict_folder_reads_back(verdict: Verdict, tmp_path: Path) -> None:
    summary = write_verdict(verdict, out_dir=tmp_path).summary
    assert read_verdict(tmp_path) == verdict
    document = read_json(tmp_path / "verdict.json")
    assert document["schema"] == "touchstone.verdict/1"
    assert document["gates"][2]["threshold"] == {"low": 40.0, "high": 60.0}
    assert set(document["gates"][0]) >= {"name", "suite", "slice", "metric", "value", "ci_low", "ci_high", "n",
                                         "min_n", "threshold", "direction", "champion", "severity", "decision",
                                         "reason", "next"}  # fmt: skip
    assert summary == {
        "decision": "fail",
        "gates": {"fail": 1, "inconclusive": 1, "not_applicable": 1, "pass": 2, "waived": 1},
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scorecard.md", "scorecard.zh.md", "verdict.json"]


def test_the_plan_knows_the_published_half_widths(evidence: Evidence) -> None:
    """95 % half-widths in points at a share of one half: 9.6 at n = 105, 6.05 at 262, 2.5 at 1508."""
    for n, points in ((105, 9.6), (262, 6.05), (1508, 2.5)):
        rows = GATES.model_copy(update={"gates": (GATES.gates[2].model_copy(update={"min_n": n}),)})
        planned = plan_table(rows)[0]
        assert planned.threshold == {"low": 40.0, "high": 60.0}
        assert planned.half_width == pytest.approx(points * math.sqrt(0.4 * 0.6) / 0.5, abs=0.06)
    measured = plan_table(GATES, evidence=evidence)
    assert [row.n for row in measured] == [400, 400, 400, 100, 400, 100]
    assert measured[0].half_width == pytest.approx(0.03)
    assert measured[0].minimum_detectable_effect == pytest.approx(0.03 * (1.959964 + 0.841621) / 1.959964, rel=1e-5)
    assert measured[3].half_width is None
    assert plan_as_data(measured)[3]["gate"] == "exposure"
