"""Small charts as SVG text: bars with their numbers beside them, so that nothing is read off a colour alone.

No script, no font, no reference to the outside; colours come from the page's style sheet (``frame.STYLE``).
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH = 640
_LABEL_WIDTH = 170
_VALUE_WIDTH = 110
_BAR = 12
_GAP = 10


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a row: how long, in which colour class, and the number that stands beside it."""

    value: float
    colour: str
    text: str


def bar_chart(rows: Sequence[tuple[str, Sequence[Bar]]], *, title: str, top: float | None = None) -> str:
    """Rows of bars from the left, one under the other; ``top`` is the value of a full bar, else the largest.

    Values are not negative; a row has at least one bar.
    """
    full = top or max((bar.value for _, bars in rows for bar in bars), default=0.0) or 1.0
    room = _WIDTH - _LABEL_WIDTH - _VALUE_WIDTH
    parts: list[str] = []
    y = 4
    for label, bars in rows:
        middle = y + len(bars) * _BAR / 2 + 4
        parts.append(
            f'<text x="{_LABEL_WIDTH - 8}" y="{middle:g}" text-anchor="end">{html.escape(_short(label))}</text>'
        )
        for bar in bars:
            width = max(0.0, min(1.0, bar.value / full)) * room
            parts.append(
                f'<rect class="{bar.colour}" x="{_LABEL_WIDTH}" y="{y}" width="{width:.1f}" height="{_BAR - 2}"/>'
                f'<text class="v" x="{_LABEL_WIDTH + width + 5:.1f}" y="{y + 9}">{html.escape(bar.text)}</text>'
            )
            y += _BAR
        y += _GAP
    return _svg(parts, y, title)


def stacked_chart(rows: Sequence[tuple[str, Sequence[Bar]]], *, title: str) -> str:
    """Rows of bars laid end to end; the text of each non-empty bar stands at the right, in order."""
    full = max((sum(bar.value for bar in bars) for _, bars in rows), default=0.0) or 1.0
    room = _WIDTH - _LABEL_WIDTH - _VALUE_WIDTH
    height = 18
    parts: list[str] = []
    y = 4
    for label, bars in rows:
        parts.append(f'<text x="{_LABEL_WIDTH - 8}" y="{y + 13}" text-anchor="end">{html.escape(_short(label))}</text>')
        x = float(_LABEL_WIDTH)
        for bar in bars:
            width = bar.value / full * room
            parts.append(f'<rect class="{bar.colour}" x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}"/>')
            x += width
        words = " / ".join(bar.text for bar in bars if bar.text)
        parts.append(f'<text class="v" x="{x + 6:.1f}" y="{y + 13}">{html.escape(words)}</text>')
        y += height + _GAP
    return _svg(parts, y, title)


def _svg(parts: Sequence[str], height: int, title: str) -> str:
    name = html.escape(title)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{name}"><title>{name}</title>'
        + "".join(parts)
        + "</svg>"
    )


def _short(label: str) -> str:
    """A label that fits: a Chinese character is as wide as two Latin letters."""
    room, out = 25, ""
    for char in label:
        room -= 2 if ord(char) > 0x2E80 else 1
        if room < 0:
            return out + "…"
        out += char
    return out
