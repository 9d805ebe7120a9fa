"""Plots of a training from its two journals: PNG for a glance, one HTML page to look into, which needs no network.

In: rows of ``metrics.jsonl`` and ``performance.jsonl``. Out, under a folder: ``loss.png``, ``learning_rate.png``,
``throughput.png`` and ``training.html``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core.jsonfiles import read_jsonl
from components.modeling.loop_callbacks import JOURNAL_FILE
from components.modeling.performance import PERFORMANCE_FILE

Row = Mapping[str, Any]

_COLOURS = ("#0b6e99", "#b8541a", "#4d7a2d", "#7a3e8c")


@dataclass(frozen=True)
class Panel:
    """One plot: curves by name, each steps and values."""

    name: str
    title: str
    unit: str
    curves: dict[str, tuple[list[int], list[float]]]


def write_plots(work_dir: Path, out_dir: Path) -> list[Path]:
    """Draw what the journals of a work folder hold; nothing is drawn where they hold nothing."""
    rows = {name: _rows(work_dir / name) for name in (JOURNAL_FILE, PERFORMANCE_FILE)}
    panels = [panel for panel in _panels(rows[JOURNAL_FILE], rows[PERFORMANCE_FILE]) if panel.curves]
    if not panels:
        return []
    out_dir.mkdir(parents=True, exist_ok=True)
    return [*(_draw(panel, out_dir) for panel in panels), _page(panels, out_dir / "training.html")]


def _rows(path: Path) -> list[Row]:
    return list(read_jsonl(path)) if path.is_file() else []


def _panels(journal: Sequence[Row], performance: Sequence[Row]) -> Iterator[Panel]:
    losses = sorted({name for row in journal for name in row if name.endswith("loss")})
    yield Panel("loss", "Loss", "nats", _curves(journal, losses))
    yield Panel("learning_rate", "Learning rate", "", _curves(journal, ["learning_rate"]))
    yield Panel("throughput", "Throughput", "real tokens a second", _curves(performance, ["tokens_per_second"]))


def _curves(rows: Sequence[Row], names: Sequence[str]) -> dict[str, tuple[list[int], list[float]]]:
    found = {}
    for name in names:
        points = [(int(row["step"]), float(row[name])) for row in rows if name in row]
        if points:
            found[name] = ([step for step, _ in points], [value for _, value in points])
    return found


def _draw(panel: Panel, out_dir: Path) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    for (name, (steps, values)), colour in zip(panel.curves.items(), _COLOURS, strict=False):
        axes.plot(steps, values, label=_words(name), color=colour, linewidth=1.5)
    axes.set_title(panel.title, loc="left")
    axes.set_xlabel("step")
    axes.set_ylabel(panel.unit or panel.title.lower())
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if panel.name != "loss":
        axes.set_ylim(bottom=0)
    if len(panel.curves) > 1:
        axes.legend(frameon=False)
    path = out_dir / f"{panel.name}.png"
    figure.savefig(path, metadata={"Software": None})
    return path


def _page(panels: Sequence[Panel], path: Path) -> Path:
    import plotly.graph_objects as go
    from plotly.subplots import make_subplots

    figure = make_subplots(
        rows=len(panels),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.08,
        subplot_titles=[f"{panel.title} ({panel.unit})" if panel.unit else panel.title for panel in panels],
    )
    for number, panel in enumerate(panels, start=1):
        for (name, (steps, values)), colour in zip(panel.curves.items(), _COLOURS, strict=False):
            line = go.Scatter(
                x=steps,
                y=values,
                name=_words(name),
                mode="lines",
                line={"color": colour},
                showlegend=len(panel.curves) > 1,
            )
            figure.add_trace(line, row=number, col=1)
    figure.update_layout(
        template="plotly_white",
        title="Pretraining",
        height=300 * len(panels) + 80,
        hovermode="x unified",
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.03, "x": 1, "xanchor": "right"},
    )
    figure.update_annotations(x=0, xanchor="left")
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(title_text="step", row=len(panels), col=1)
    # The library's script stands in the file: a page from a run opens without a network.
    figure.write_html(
        str(path), include_plotlyjs=True, full_html=True, div_id="training", config={"displaylogo": False}
    )
    return path


def _words(name: str) -> str:
    return name.replace("_", " ")
