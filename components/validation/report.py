"""The validation report: three states, counts only, and a page that needs no network."""

from __future__ import annotations

import html
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from components.core.jsonfiles import write_json


class State(StrEnum):
    """Outcome of an expectation or a suite. ``error``: it could not be judged, which is no pass."""

    PASS = "pass"
    FAIL = "fail"
    ERROR = "error"


class ExpectationResult(BaseModel):
    """One expectation: what was observed, the limit, and over how many records."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: str
    state: State
    observed: float | None = Field(description="A count or a share; None if it could not be computed.")
    limit: float
    side: str = Field(description="max: observed may not exceed the limit; min: nor fall below it.")
    n: int = Field(ge=0, description="Records that had a value.")
    reason: str = ""


class ValidationResult(BaseModel):
    """A suite's outcome."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    suite: str
    state: State
    rows: int
    expectations: list[ExpectationResult]

    @property
    def summary(self) -> dict[str, object]:
        """Counts for people."""
        states = [expectation.state for expectation in self.expectations]
        return {
            "state": str(self.state),
            **{str(state): states.count(state) for state in State},
            "not_passed": [item.name for item in self.expectations if item.state is not State.PASS],
        }


def combine(states: list[State]) -> State:
    """The worst of the states; no state at all is an error, since an empty suite proves nothing."""
    if not states or State.ERROR in states:
        return State.ERROR
    return State.FAIL if State.FAIL in states else State.PASS


def write_report(result: ValidationResult, out_dir: Path) -> None:
    """``report.json`` and ``report.html``."""
    write_json(result, out_dir / "report.json")
    (out_dir / "report.html").write_text(render_page(result), encoding="utf-8")


_STYLE = """
body { font: 15px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; margin: 2rem auto; max-width: 60rem; color: #1b1f24 }
table { border-collapse: collapse; width: 100% } td, th { padding: .4rem .6rem; border-bottom: 1px solid #d0d7de }
th { text-align: left } td.n { text-align: right; font-variant-numeric: tabular-nums }
.pass { color: #116329 } .fail { color: #a40e26; font-weight: 600 } .error { color: #7d4e00; font-weight: 600 }
"""
_HEAD = ("Expectation · 期望", "State · 结果", "Observed · 观测", "Limit · 限值", "Records · 条数", "Reason · 原因")
_STATES = {State.PASS: "pass · 通过", State.FAIL: "fail · 未通过", State.ERROR: "error · 无法判断"}


def render_page(result: ValidationResult) -> str:
    """One HTML document without scripts or outside references."""
    rows = "\n".join(_render_row(item) for item in result.expectations)
    head = "".join(f"<th>{title}</th>" for title in _HEAD)
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{html.escape(result.suite)}</title>\n'
        f"<style>{_STYLE}</style>\n<h1>Data quality · 数据质量</h1>\n"
        f"<p>Suite · 检查：{html.escape(result.suite)} — records · 条数：{result.rows} — "
        f'<span class="{result.state}">{_STATES[result.state]}</span></p>\n'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}\n</tbody></table>\n</html>\n"
    )


def _render_row(item: ExpectationResult) -> str:
    observed = "–" if item.observed is None else f"{item.observed:.6g}"
    side = "≤" if item.side == "max" else "≥"
    return (
        f'<tr><td>{html.escape(item.name)}</td><td class="{item.state}">{_STATES[item.state]}</td>'
        f'<td class="n">{observed}</td><td class="n">{side} {item.limit:.6g}</td><td class="n">{item.n}</td>'
        f"<td>{html.escape(item.reason)}</td></tr>"
    )
