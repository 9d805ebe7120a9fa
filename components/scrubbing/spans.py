"""Spans: where something was found, never what it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Characters ``start`` to ``end`` (code points, end exclusive) of a text, and what they are.

    ``score`` is in [0, 1]: 1 a proof (checksum and shape), 0.5 a guess worth acting on.
    """

    start: int
    end: int
    label: str
    score: float
    detector: str

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError(f"span {self.start}:{self.end} is empty or reversed")

    def as_json(self) -> dict[str, int | float | str]:
        """The span as ``spans.jsonl`` writes it."""
        return {
            "start": self.start,
            "end": self.end,
            "label": self.label,
            "score": round(self.score, 4),
            "detector": self.detector,
        }

    def overlaps(self, other: Span) -> bool:
        """Whether the two share a character."""
        return self.start < other.end and other.start < self.end


def resolve_spans(spans: Iterable[Span]) -> list[Span]:
    """The best spans that do not overlap, sorted by start.

    Best is the higher score, then the longer, then the earlier, then the label's name; so the order of the
    detectors does not matter.
    """
    found = sorted(spans, key=_start)
    end = 0
    for span in found:
        if span.start < end:
            break
        end = span.end
    else:
        return found
    ranked = sorted(found, key=lambda span: (-span.score, span.start - span.end, span.start, span.label, span.detector))
    kept: list[Span] = []
    for span in ranked:
        if not any(span.overlaps(other) for other in kept):
            kept.append(span)
    return sorted(kept, key=_start)


def _start(span: Span) -> int:
    return span.start
