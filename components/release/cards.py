"""Model cards in English and Chinese, from facts alone: manifest, evidence, verdict and provenance.

Nothing is invented: what is not known is said to be not recorded. Markdown after the headings of
https://arxiv.org/abs/1810.03993.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from components.core.evidence import Band, Evidence, GateResult, Metric, Verdict
from components.core.payload import PayloadManifest

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "title": "Model card",
        "details": "Model details",
        "digest": "Payload digest",
        "task": "Task",
        "languages": "Languages",
        "labels": "Labels",
        "size": "Files and size",
        "use": "Intended use",
        "use_text": "Classifying text of the languages above, behind the safety filter in the same payload. "
        "Scores are of the texts it was evaluated on and say little about other kinds of text.",
        "decision": "Decision of the gates",
        "pass": "**passed**",
        "fail": "**refused**",
        "gates": "Gates",
        "gate_head": "| gate | value | interval | n | threshold | decision |",
        "not_applicable": "Declared not to apply",
        "evaluation": "Evaluation",
        "metric_head": "| suite | slice | metric | value | interval | n |",
        "overall": "all",
        "provenance": "Provenance",
        "limits": "Limits",
        "limits_text": "A gate shows that a number lies inside its margin on one set of texts. It does not show that "
        "the model is fair, private or safe elsewhere.",
        "absent": "not recorded",
        "judged": "Judged",
        "privacy": "Differential privacy of the training",
        "trained": "Training",
        "claimed": "Claimed epsilon",
        "second": "by a second accountant",
        "charged": "entered in the ledger, retries included",
        "audited": "Audited lower bound of epsilon",
        "not_audited": "not audited",
        "guessed": "canaries guessed right",
        "unit": "Unit",
        "neighbours": "Neighbouring data sets",
        "sampler": "Sampler and generators",
        "accountant": "Accountants",
        "not_covered": "Not covered",
    },
    "zh": {
        "title": "模型卡",
        "details": "模型信息",
        "digest": "载荷摘要",
        "task": "任务",
        "languages": "语言",
        "labels": "标签",
        "size": "文件数与大小",
        "use": "预期用途",
        "use_text": "在同一载荷的安全过滤器之后，对上述语言的文本分类。分数只针对评估所用的文本，不能说明其他文本。",
        "decision": "门禁结论",
        "pass": "**通过**",
        "fail": "**拒绝**",
        "gates": "门禁",
        "gate_head": "| 门禁 | 数值 | 区间 | n | 阈值 | 结论 |",
        "not_applicable": "已声明不适用",
        "evaluation": "评估",
        "metric_head": "| 套件 | 切片 | 指标 | 数值 | 区间 | n |",
        "overall": "全部",
        "provenance": "来源",
        "limits": "局限",
        "limits_text": "门禁只说明某个数值在一组文本上处于允许范围之内，并不说明模型在其他场合公平、保密或安全。",
        "absent": "未记录",
        "judged": "判定时间",
        "privacy": "训练的差分隐私",
        "trained": "训练",
        "claimed": "声称的 epsilon",
        "second": "第二种核算方法",
        "charged": "账本所记（含重试）",
        "audited": "审计得到的 epsilon 下界",
        "not_audited": "未审计",
        "guessed": "个金丝雀猜对",
        "unit": "保护单位",
        "neighbours": "相邻数据集",
        "sampler": "采样方式与随机数",
        "accountant": "核算方法",
        "not_covered": "不在保证之内",
    },
}


@dataclass(frozen=True)
class CardFacts:
    """What a card may say."""

    manifest: PayloadManifest
    evidence: Evidence
    verdict: Verdict
    provenance: Mapping[str, Any]
    privacy: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # claims, by part of the payload


def model_card(facts: CardFacts, lang: Literal["en", "zh"]) -> str:
    """The card as Markdown."""
    words = _WORDS[lang]
    parts = [
        f"# {words['title']}: {_cell(facts.manifest.name)}",
        _details(facts.manifest, words),
        f"## {words['use']}\n\n{words['use_text']}",
        _gates(facts.verdict, words),
        _evaluation(facts.evidence, words),
        *([_privacy(facts.privacy, words)] if facts.privacy else []),
        f"## {words['provenance']}\n\n{_tree(facts.provenance) or words['absent']}",
        f"## {words['limits']}\n\n{words['limits_text']}",
    ]
    return "\n\n".join(parts) + "\n"


def _details(manifest: PayloadManifest, words: Mapping[str, str]) -> str:
    size = sum(file.bytes for file in manifest.files.values())
    rows = [
        (words["digest"], f"`{manifest.digest()}`"),
        (words["task"], _cell(manifest.task)),
        (words["languages"], _cell(", ".join(manifest.languages))),
        (words["labels"], _cell(", ".join(manifest.labels))),
        (words["size"], f"{len(manifest.files)}, {size / 1e6:.1f} MB"),
    ]
    return f"## {words['details']}\n\n" + "\n".join(f"- {name}: {value}" for name, value in rows)


def _gates(verdict: Verdict, words: Mapping[str, str]) -> str:
    judged = [gate for gate in verdict.gates if gate.decision != "not_applicable"]
    rows = [words["gate_head"], "| --- | ---: | --- | ---: | --- | --- |", *map(_gate_row, judged)]
    excused = [f"- {_cell(g.name)}: {_cell(g.reason)}" for g in verdict.gates if g.decision == "not_applicable"]
    text = f"## {words['decision']}\n\n{words[verdict.decision]} · {words['judged']}: {_cell(verdict.created)}\n\n"
    text += "\n".join(rows)
    return text + (f"\n\n### {words['not_applicable']}\n\n" + "\n".join(excused) if excused else "")


def _gate_row(gate: GateResult) -> str:
    interval = _interval(gate.ci_low, gate.ci_high)
    cells = [gate.name, _number(gate.value), interval, str(gate.n), _threshold(gate), f"{gate.decision}"]
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _threshold(gate: GateResult) -> str:
    if isinstance(gate.threshold, Band):
        return f"{_number(gate.threshold.low)} … {_number(gate.threshold.high)}"
    sign = {"max": "≤", "min": "≥", "within": ""}[gate.direction]
    return f"{sign} {_number(gate.threshold)}".strip()


def _evaluation(evidence: Evidence, words: Mapping[str, str]) -> str:
    rows = [words["metric_head"], "| --- | --- | --- | ---: | --- | ---: |"]
    for name in sorted(evidence.suites):
        suite = evidence.suites[name]
        for part, metrics in [(words["overall"], suite.metrics), *sorted(suite.slices.items())]:
            rows += [_metric_row(name, part, key, metrics[key]) for key in sorted(metrics)]
    return f"## {words['evaluation']}\n\n" + "\n".join(rows)


def _privacy(claims: Mapping[str, Mapping[str, Any]], words: Mapping[str, str]) -> str:
    parts = [f"## {words['privacy']}"]
    for name in sorted(claims):
        claim = claims[name]
        audit = claim["audit"]
        found = words["not_audited"]
        if audit is not None:
            found = f"{audit['epsilon']:.3f} (95 %, {audit['right']}/{audit['guesses']} {words['guessed']})"
        rows = [
            (words["trained"], name),
            (
                words["claimed"],
                f"{claim['epsilon']:.4f} (delta {claim['delta']:g}; {words['second']}: "
                f"{claim['epsilon_second_opinion']:.4f}; {words['charged']}: {claim['epsilon_charged']:.4f})",
            ),
            (words["audited"], found),
            (words["unit"], f"{claim['unit']}, n = {claim['units']}, max {claim['max_rows_per_unit']}"),
            (words["neighbours"], claim["neighbours"]),
            (words["sampler"], f"{claim['sampler']}, q = {claim['sampling_rate']:.6g}; {claim['generators']}"),
            (words["accountant"], claim["accountant"]),
            (words["not_covered"], "; ".join(claim["not_covered"])),
        ]
        parts.append("\n".join(f"- {word}: {_cell(str(value))}" for word, value in rows))
    return "\n\n".join(parts)


def _metric_row(suite: str, part: str, name: str, metric: Metric) -> str:
    cells = [suite, part, name, _number(metric.value), _interval(metric.ci_low, metric.ci_high), str(metric.n)]
    return "| " + " | ".join(map(_cell, cells)) + " |"


def _tree(value: Any, depth: int = 0) -> str:
    """Nested mappings and lists as bullets."""
    indent = "  " * depth
    if isinstance(value, Mapping):
        lines = []
        for key in value:
            inner = value[key]
            nested = isinstance(inner, (Mapping, list, tuple)) and inner
            rest = f"\n{_tree(inner, depth + 1)}" if nested else f" {_cell(str(inner))}"
            lines.append(f"{indent}- {_cell(str(key))}:{rest}")
        return "\n".join(lines)
    if isinstance(value, (list, tuple)):
        return "\n".join(
            f"{indent}-\n{_tree(item, depth + 1)}" if isinstance(item, Mapping) else f"{indent}- {_cell(str(item))}"
            for item in value
        )
    return f"{indent}- {_cell(str(value))}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _interval(low: float | None, high: float | None) -> str:
    return "–" if low is None or high is None else f"[{_number(low)}, {_number(high)}]"


def _cell(text: str) -> str:
    """Text that can neither break a table nor bring markup along."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("|", "\\|")
    return " ".join(escaped.split())
