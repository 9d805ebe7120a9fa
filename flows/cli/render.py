"""Tables for people: the gate table (a row a gate, a column a candidate), refusals in plain words, lists of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

# A gate as `GateResult` dumps to JSON, and a candidate as `CandidateResult` does: what is read back from
# runs/<name>.json has the same shape as what a run just returned.
Gate = Mapping[str, Any]
Candidate = Mapping[str, Any]

_MARKS = {
    "pass": ("✓", "green"),
    "fail": ("✗", "bold red"),
    "inconclusive": ("?", "yellow"),
    "not_applicable": ("not applicable", "bold magenta"),
    "waived": ("waived", "bold magenta"),
}
DECISION_STYLES = {"refused": "bold red", "pending": "bold yellow", "promoted": "bold green"}
OPEN = frozenset({"fail", "inconclusive"})


def gate_table(candidates: Sequence[Candidate], *, title: str) -> Table:
    """The table that a run ends with: value, interval and outcome of each gate for each candidate."""
    table = Table(title=title, title_style="bold", title_justify="left", header_style="bold", expand=False)
    table.add_column("gate", overflow="fold", min_width=14)
    table.add_column("threshold", no_wrap=True, justify="right")
    for candidate in candidates:
        table.add_column(str(candidate["name"]), no_wrap=True, justify="right")
    by_name = [{gate["name"]: gate for gate in candidate["gates"]} for candidate in candidates]
    names = list(dict.fromkeys(name for gates in by_name for name in gates))
    for position, name in enumerate(names):
        gates = [each.get(name) for each in by_name]
        some = next(gate for gate in gates if gate is not None)
        label = Text(name) if some["severity"] == "block" else Text(f"{name} (reported)", style="dim")
        cells = [gate_cell(gate) if gate is not None else Text("–", style="dim") for gate in gates]
        table.add_row(label, threshold_text(some), *cells, end_section=position == len(names) - 1)
    table.add_row(Text("decision", style="bold"), "", *(decision_text(candidate) for candidate in candidates))
    return table


def gate_cell(gate: Gate) -> Text:
    """``0.640 [0.600, 0.680] ✗``."""
    mark, style = _MARKS[gate["decision"]]
    if gate["decision"] == "not_applicable":
        return Text(mark, style=style)
    return Text.assemble(measured(gate), " ", (mark, style))


def measured(gate: Gate) -> str:
    """Value and interval, or what is missing."""
    if gate["value"] is None:
        return "no value"
    interval = ""
    if gate["ci_low"] == gate["ci_high"] == gate["value"]:
        return f"{gate['value']:g}"  # a count
    if gate["ci_low"] is not None and gate["ci_high"] is not None:
        interval = f" [{number(gate['ci_low'])}, {number(gate['ci_high'])}]"
    return number(gate["value"]) + interval


def threshold_text(gate: Gate) -> str:
    """``≤ 0.10``, ``≥ 0.80`` or ``45.0 … 55.0``."""
    threshold = gate["threshold"]
    if threshold is None:
        return "none"
    if isinstance(threshold, Mapping):
        return f"{number(threshold['low'])} … {number(threshold['high'])}"
    return f"{'≤' if gate['direction'] == 'max' else '≥'} {number(threshold)}"


def decision_text(candidate: Candidate) -> Text:
    """``REFUSED (3 gates)``, ``PENDING v2``, ``PROMOTED demo@production v1``."""
    decision = candidate["decision"]
    count = len(refusals(candidate))
    words = decision.upper()
    if decision == "refused":
        words += f" ({count} gate{'s' * (count != 1)})"
    elif candidate.get("alias"):
        words += f" {candidate['alias']} v{candidate['version']}"
    elif candidate.get("version"):
        words += f" v{candidate['version']}"
    return Text(words, style=DECISION_STYLES.get(decision, "bold"))


def refusals(candidate: Candidate) -> list[Gate]:
    """Blocking gates that did not pass."""
    return [gate for gate in candidate["gates"] if gate["severity"] == "block" and gate["decision"] in OPEN]


# What usually changes a suite's figure, in the order worth trying.
_MENDS = {
    "data_quality": "the validation page under data/ in MLflow names what failed; mend the source or cleaning.yaml",
    "perplexity": "train longer or on more text: pretraining.max_steps, pretraining.sources",
    "task_quality": "more labelled rows, more steps or a better checkpoint: finetuning.sources, finetuning.epochs",
    "counterfactual": "balance the training text: balance.counterfactual_probability above 0",
    "group_fairness": "balance and reweigh the training text: balance.counterfactual_probability, balance.reweigh",
    "exposure": "scrub and deduplicate before training, train fewer steps, or train privately: pretraining.privacy",
    "membership": "fewer epochs, more rows, or private training: finetuning.privacy",
    "pii_extraction": "scrub the text before training (scrubbing.detectors finds more names), train fewer steps",
    "crows_pairs": "balance the pretraining text, or pretrain on more of it",
    "stereoset": "balance the pretraining text, or pretrain on more of it",
}


def refusal_lines(candidate: Candidate) -> list[Text]:
    """Every refusal in plain words with what to do next."""
    lines: list[Text] = []
    for gate in refusals(candidate):
        mark, style = _MARKS[gate["decision"]]
        side = {"max": "must not be above", "min": "must not be below", "within": "must lie within"}[gate["direction"]]
        bound = threshold_text(gate).lstrip("≤≥ ")
        where = "" if gate["slice"] == "all" else f" on {gate['slice']}"
        lines.append(Text.assemble((f"{mark} {gate['name']}", style), f": {gate['metric']}{where} is {measured(gate)} "
                                   f"over {gate['n']} items; it {side} {bound}."))  # fmt: skip
        lines.append(Text(f"    why:  {gate['reason']}"))
        if mend := _MENDS.get(gate["suite"]):
            lines.append(Text(f"    mend: {mend}"))
        if gate["next"]:
            lines.append(Text(f"    next: {gate['next']}"))
    return lines


def declared_lines(candidate: Candidate) -> list[Text]:
    """Gates that were declared not applicable, or waived: whoever approves must see them."""
    return [
        Text.assemble((f"{gate['decision'].replace('_', ' ')}: ", "bold magenta"), f"{gate['name']}: {gate['reason']}")
        for gate in candidate["gates"]
        if gate["decision"] in {"not_applicable", "waived"}
    ]


def number(value: float) -> str:
    """Three figures that matter: 0.013, 3.41, 59.0, 1204."""
    size = abs(value)
    if size < 0.0005:
        return "0" if value == 0 else "0.000"
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size > 1 else f"{value:.3f}"


def signed(value: float) -> str:
    """A difference with its sign: +0.031."""
    return ("+" if value >= 0 else "−") + number(abs(value))


def seconds_text(seconds: float) -> str:
    """``8.3 s``, ``2 min 05 s``, ``1 h 12 min``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def plain_table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]], *, title: str | None = None) -> Table:
    """A table of text, the last column folding."""
    table = Table(title=title, title_style="bold", title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table
