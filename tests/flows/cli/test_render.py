"""The gate table at 100 columns, with Chinese, and refusals in plain words."""

from __future__ import annotations

import io

from rich.console import Console

from flows.cli import render


def _gate(**changes: object) -> dict:
    gate = {
        "name": "flips[zh]", "suite": "counterfactual", "slice": "zh", "metric": "flip_rate", "value": 0.64,
        "ci_low": 0.6, "ci_high": 0.68, "n": 600, "min_n": 100, "threshold": 0.1, "direction": "max", "champion": None,
        "severity": "block", "decision": "fail", "reason": "all of it is above 0.1", "next": "balance: 平衡语料",
    }  # fmt: skip
    return gate | changes


RAW = {"name": "raw", "decision": "refused", "gates": [_gate(), _gate(name="auc", severity="warn", decision="pass")]}
BAND = {"low": 45.0, "high": 55.0}
CLEAN = {
    "name": "clean",
    "decision": "promoted",
    "alias": "demo@production",
    "version": "1",
    "gates": [
        _gate(value=0.005, ci_low=0.0, ci_high=0.012, decision="pass"),
        _gate(name="auc", severity="warn", decision="not_applicable", reason="没有金丝雀，无法测量"),
        _gate(
            name="ss", direction="within", threshold={"low": 45.0, "high": 55.0}, value=None, decision="inconclusive"
        ),
    ],
}


def _shown(width: int = 100) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width)
    console.print(render.gate_table([RAW, CLEAN], title="touchstone demo"))
    return out.getvalue()


def test_every_value_is_whole_at_100_columns() -> None:
    text = _shown()
    for part in (
        "0.640 [0.600, 0.680] ✗",
        "0.005 [0, 0.012] ✓",
        "≤ 0.100",
        "45.0 … 55.0",
        "no value ?",
        "not applicable",
        "auc (reported)",
        "REFUSED (1 gate)",
        "PROMOTED demo@production v1",
    ):
        assert part in text
    assert max(map(len, text.splitlines())) <= 100


def test_refusals_name_number_side_and_next_step() -> None:
    lines = [line.plain for line in render.refusal_lines(RAW)]
    assert lines == [
        "✗ flips[zh]: flip_rate on zh is 0.640 [0.600, 0.680] over 600 items; it must not be above 0.100.",
        "    why:  all of it is above 0.1",
        "    mend: balance the training text: balance.counterfactual_probability above 0",
        "    next: balance: 平衡语料",
    ]
    assert [line.plain for line in render.declared_lines(CLEAN)] == ["not applicable: auc: 没有金丝雀，无法测量"]


def test_numbers_keep_three_figures() -> None:
    assert [render.number(x) for x in (0.0131, 0.9, 3.41, 59.04, 1204.2, -0.5)] == [
        "0.013", "0.900", "3.41", "59.0", "1204", "-0.500",
    ]  # fmt: skip
    assert [render.number(x) for x in (0.0, -0.0001, 1.0)] == ["0", "0.000", "1.000"]
    assert render.measured({"value": 5.0, "ci_low": 5.0, "ci_high": 5.0}) == "5"
    assert [render.seconds_text(x) for x in (8.34, 125, 4320)] == ["8.3 s", "2 min 05 s", "1 h 12 min"]
    assert [render.signed(x) for x in (0.03, -1.5)] == ["+0.030", "−1.50"]
