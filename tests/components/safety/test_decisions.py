"""Decisions of the served filter held against a limit: intervals decide, and nothing served is no pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.core.errors import ContractError
from components.core.jsonfiles import write_jsonl
from components.safety.decisions import HarmState, judge_decisions


def log(folder: Path, *, allowed: int, blocked: int, name: str = "a") -> None:
    rows = [{"action": "allow"}] * allowed + [{"action": "block"}] * blocked
    write_jsonl(rows, folder / f"decisions-{name}.jsonl")


@pytest.mark.parametrize(
    ("allowed", "blocked", "state"),
    [
        (1000, 0, HarmState.PASS),
        (900, 100, HarmState.FAIL),
        (50, 0, HarmState.INCONCLUSIVE),
        (0, 0, HarmState.INCONCLUSIVE),
    ],
)
def test_the_whole_interval_decides(tmp_path: Path, allowed: int, blocked: int, state: HarmState) -> None:
    log(tmp_path, allowed=allowed, blocked=blocked)
    report = judge_decisions(tmp_path, max_blocked_share=0.02)
    assert (report.state, report.n) == (state, allowed + blocked)


def test_all_logs_count_and_none_is_no_pass(tmp_path: Path) -> None:
    assert judge_decisions(tmp_path, max_blocked_share=0.5).state is HarmState.INCONCLUSIVE
    log(tmp_path, allowed=3, blocked=1, name="a")
    log(tmp_path, allowed=4, blocked=0, name="b")
    assert judge_decisions(tmp_path, max_blocked_share=0.5).actions == {"allow": 7, "block": 1}


def test_a_cut_log_is_named_by_line(tmp_path: Path) -> None:
    (tmp_path / "decisions-a.jsonl").write_text('{"action": "allow"}\n{"act', encoding="utf-8")
    with pytest.raises(ContractError, match=r"decisions-a\.jsonl, line 2"):
        judge_decisions(tmp_path, max_blocked_share=0.5)
