"""Plots of a training from its two journals: PNG for a glance, one HTML page to look into, which needs no network.

In: rows of ``metrics.jsonl`` and ``performance.jsonl``. Out, under a folder: ``loss.png``, ``learning_rate.png``,
``throughput.png``, ``pair_loss.png`` where pairs are trained, and ``training.html``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core.jsonfiles import read_jsonl
from components.modeling.journals import JOURNAL_FILE, PERFORMANCE_FILE

Row = Mapping[str, Any]

_QUIET = "#5b6670"
_COLOURS = ("#0b6e99", "#b8541a", "#4d7a2d", "#7a3e8c")


@dataclass(frozen=True)
class Panel:
    """One plot: curves by name, each steps and values; ``level`` is a value to compare with, and what it is."""

    name: str
    title: str
    unit: str
    curves: dict[str, tuple[list[int], list[float]]]
    level: tuple[float, str] | None = None

    @property
    def heading(self) -> str:
        """The title with its unit."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


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
    """Words and pairs apart: their losses differ tenfold. The sum of both is drawn where it is all there is."""
    names = {name for row in journal for name in row if name.endswith("loss")}
    pairs = sorted(names & {"nsp_loss", "sop_loss"})
    words = sorted(names - {*pairs, "loss"}) or sorted(names - set(pairs))
    yield Panel("loss", "Loss", "nats a target", _curves(journal, words))
    yield Panel("pair_loss", "Loss of pairs", "nats a pair", _curves(journal, pairs), (math.log(2), "by chance"))
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
        axes.plot(steps, values, label=_words(name), color=colour, linewidth=1.8)
        axes.annotate(
            f"{values[-1]:.4g}",
            (steps[-1], values[-1]),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
        )
    if panel.level is not None:
        value, what = panel.level
        axes.axhline(value, color=_QUIET, linewidth=1, linestyle="--")
        axes.annotate(
            what,
            (0, value),
            xycoords=("axes fraction", "data"),
            xytext=(4, 3),
            textcoords="offset points",
            color=_QUIET,
        )
    axes.set_title(panel.heading, loc="left", fontsize=12)
    axes.set_xlabel("step", color=_QUIET)
    axes.tick_params(colors=_QUIET, length=0)
    axes.grid(axis="y", alpha=0.35)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_QUIET)
    axes.set_xlim(left=0)
    if panel.name != "loss":
        highest = max([panel.level[0] if panel.level else 0.0, *(max(values) for _, values in panel.curves.values())])
        axes.set_ylim(0, 1.12 * highest or None)
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
        vertical_spacing=0.18 / len(panels),
        subplot_titles=[panel.heading for panel in panels],
    )
    for number, panel in enumerate(panels, start=1):
        for (name, (steps, values)), colour in zip(panel.curves.items(), _COLOURS, strict=False):
            line = go.Scatter(
                x=steps,
                y=values,
                name=_words(name),
                mode="lines",
                line={"color": colour, "width": 2},
                showlegend=False,
            )
            figure.add_trace(line, row=number, col=1)
        if panel.level is not None:
            figure.add_hline(
                y=panel.level[0],
                line={"color": _QUIET, "width": 1, "dash": "dash"},
                annotation={"text": panel.level[1], "font": {"color": _QUIET}, "xanchor": "right"},
                row=number,
                col=1,
            )
        figure.update_yaxes(rangemode="normal" if panel.name == "loss" else "tozero", row=number, col=1)
    for title in figure.layout.annotations[: len(panels)]:
        title.update(x=0, xanchor="left", font={"size": 15})
    figure.update_layout(
        template="plotly_white",
        title={"text": "Pretraining", "x": 0, "xref": "paper", "font": {"size": 22}},
        height=260 * len(panels) + 120,
        margin={"l": 64, "r": 32, "t": 96, "b": 56},
        hovermode="x unified",
    )
    figure.update_xaxes(title_text="step", row=len(panels), col=1)
    # The library's script stands in the file: a page from a run opens without a network.
    figure.write_html(
        str(path), include_plotlyjs=True, full_html=True, div_id="training", config={"displaylogo": False}
    )
    return path


def _words(name: str) -> str:
    return name.replace("_", " ")
