"""A verdict on one page, in English or Chinese Markdown: the decision, every gate, what was declared or waived."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Literal

from components.core.evidence import Band, Evidence, GateDecision, GateResult, Verdict
from components.core.jsonfiles import write_json
from components.core.store import StageReport
from components.evaluation import SUITES

Language = Literal["en", "zh"]

_TEXTS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Scorecard",
        "pass": "PASS: no blocking gate refused",
        "fail": "REFUSED: {count} blocking gate(s)",
        "payload": "Payload",
        "gates": "Gates file",
        "created": "Judged at",
        "header": "| gate | what | value | 95 % interval | allowed | n | champion | decision |",
        "why": "Why it was refused",
        "warnings": "Warnings",
        "declared": "Not applicable, by declaration",
        "waived": "Waived",
        "missing": "–",
        "next": "Next",
        "max": "at most {x}",
        "min": "at least {x}",
        "within": "{low} to {high}",
        "rule": "A gate passes only if its whole interval is on the good side of the threshold.",
        "notes": "Notes of the measurements",
    },
    "zh": {
        "title": "评分卡",
        "pass": "通过：没有阻断性门禁拒绝",
        "fail": "拒绝：{count} 个阻断性门禁",
        "payload": "载荷",
        "gates": "门禁文件",
        "created": "判定时间",
        "header": "| 门禁 | 内容 | 数值 | 95% 区间 | 允许范围 | n | 现役 | 结论 |",
        "why": "拒绝原因",
        "warnings": "警告",
        "declared": "声明为不适用",
        "waived": "已豁免",
        "missing": "–",
        "next": "下一步",
        "max": "至多 {x}",
        "min": "至少 {x}",
        "within": "{low} 至 {high}",
        "rule": "只有整个区间都在阈值的好侧，门禁才算通过。",
        "notes": "测量说明",
    },
}

_DECISIONS: dict[str, dict[GateDecision, str]] = {
    "en": {
        GateDecision.PASS: "✓ pass",
        GateDecision.FAIL: "✗ fail",
        GateDecision.INCONCLUSIVE: "? inconclusive",
        GateDecision.NOT_APPLICABLE: "NOT APPLICABLE",
        GateDecision.WAIVED: "WAIVED",
    },
    "zh": {
        GateDecision.PASS: "✓ 通过",
        GateDecision.FAIL: "✗ 不通过",
        GateDecision.INCONCLUSIVE: "? 证据不足",
        GateDecision.NOT_APPLICABLE: "不适用",
        GateDecision.WAIVED: "已豁免",
    },
}


def write_verdict(verdict: Verdict, *, out_dir: Path, evidence: Evidence | None = None) -> StageReport:
    """Write ``verdict.json``, ``scorecard.md`` and ``scorecard.zh.md``; ``evidence`` adds its notes to the cards."""
    pages = {
        "scorecard.md": render_scorecard(verdict, language="en", evidence=evidence),
        "scorecard.zh.md": render_scorecard(verdict, language="zh", evidence=evidence),
    }
    for name, page in pages.items():
        (out_dir / name).write_text(page, encoding="utf-8")
    write_json(verdict, out_dir / "verdict.json")
    decisions = Counter(gate.decision.value for gate in verdict.gates)
    summary: dict[str, object] = {"decision": verdict.decision, "gates": dict(sorted(decisions.items()))}
    return StageReport(rows=len(verdict.gates), summary=summary)


def render_scorecard(verdict: Verdict, *, language: Language, evidence: Evidence | None = None) -> str:
    """Markdown of one page. ``evidence`` adds the measurements' own notes."""
    text = _TEXTS[language]
    headline = text["fail"].format(count=len(verdict.refusals)) if verdict.decision == "fail" else text["pass"]
    lines = [
        f"# {text['title']}: {headline}",
        "",
        f"- {text['payload']}: `{verdict.payload_digest}`",
        f"- {text['gates']}: `{verdict.config_digest}`",
        f"- {text['created']}: {verdict.created}",
        "",
        text["header"],
        "| --- " * 8 + "|",
        *(_row(gate, language) for gate in verdict.gates),
        "",
        text["rule"],
    ]
    declared = [gate for gate in verdict.gates if gate.decision is GateDecision.NOT_APPLICABLE]
    waived = [gate for gate in verdict.gates if gate.decision is GateDecision.WAIVED]
    open_ = {GateDecision.FAIL, GateDecision.INCONCLUSIVE}
    warnings = [gate for gate in verdict.gates if gate.severity == "warn" and gate.decision in open_]
    for title, gates in (("why", verdict.refusals), ("declared", declared), ("waived", waived), ("warnings", warnings)):
        if gates:
            lines += ["", f"## {text[title]}", "", *(_explain(gate, text) for gate in gates)]
    lines += _notes(evidence, text)
    return "\n".join(lines) + "\n"


def _row(gate: GateResult, language: Language) -> str:
    text = _TEXTS[language]
    info = SUITES.get(gate.suite, {}).get(gate.metric)
    what = gate.metric if info is None else info.english if language == "en" else info.chinese
    interval = text["missing"]
    if gate.ci_low is not None and gate.ci_high is not None:
        interval = f"[{gate.ci_low:.4g}, {gate.ci_high:.4g}]"
    cells = [
        gate.name,
        what,
        _number(gate.value, text),
        interval,
        _allowed(gate, text),
        f"{gate.n} (≥ {gate.min_n})",
        _number(gate.champion, text),
        _DECISIONS[language][gate.decision],
    ]
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _number(value: float | None, text: dict[str, str]) -> str:
    return text["missing"] if value is None else f"{value:.4g}"


def _allowed(gate: GateResult, text: dict[str, str]) -> str:
    if isinstance(gate.threshold, Band):
        return text["within"].format(low=f"{gate.threshold.low:.4g}", high=f"{gate.threshold.high:.4g}")
    return text["missing"] if gate.threshold is None else text[gate.direction].format(x=f"{gate.threshold:.4g}")


def _explain(gate: GateResult, text: dict[str, str]) -> str:
    step = f" {text['next']}: `{gate.next}`" if gate.next else ""
    return f"- **{_cell(gate.name)}**: {_cell(gate.reason)}.{step}"


def _notes(evidence: Evidence | None, text: dict[str, str]) -> list[str]:
    if evidence is None:
        return []
    notes = [f"- {suite}: {_cell(note)}" for suite, report in evidence.suites.items() for note in report.notes]
    return ["", f"## {text['notes']}", "", *notes] if notes else []


def _cell(text: str) -> str:
    """Text that cannot break out of a table cell."""
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
