"""Edits of a text that is looked at more than once: later edits are carried back to the offsets of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from components.scrubbing.spans import Span


@dataclass(frozen=True, slots=True)
class Edit:
    """``made`` stands for the characters that ``span`` covers."""

    span: Span
    made: str


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """The text with all edits done. They are sorted and do not overlap."""
    parts: list[str] = []
    position = 0
    for edit in edits:
        parts += [text[position : edit.span.start], edit.made]
        position = edit.span.end
    return "".join([*parts, text[position:]])


def join_edits(earlier: Sequence[Edit], edited: str, later: Sequence[Edit]) -> list[Edit]:
    """The edits of the input that do what ``earlier`` and then ``later`` do.

    ``edited`` is the text after ``earlier``, whose offsets ``later`` has. Where the two overlap they become one edit
    of the input, under the label that was found first.
    """
    placed: list[_Placed] = [_Placed(edit.span.start, edit.span.end, edit, None) for edit in later]
    shift = 0
    for edit in earlier:
        start = edit.span.start + shift
        shift += len(edit.made) - (edit.span.end - edit.span.start)
        placed.append(_Placed(start, start + len(edit.made), edit, shift))
    joined: list[Edit] = []
    group: list[_Placed] = []
    shift, end = 0, 0
    for item in sorted(placed, key=lambda item: (item.start, item.end)):
        if group and item.start >= end:
            joined.append(_join_group(group, edited, shift))
            shift = _shift_after(group, shift)
            group, end = [], 0
        group.append(item)
        end = max(end, item.end)
    return [*joined, _join_group(group, edited, shift)] if group else joined


@dataclass(frozen=True, slots=True)
class _Placed:
    """An edit at its offsets in the edited text; ``shift`` is how far text behind an earlier one has moved."""

    start: int
    end: int
    edit: Edit
    shift: int | None


def _shift_after(group: Sequence[_Placed], before: int) -> int:
    shifts = [item.shift for item in group if item.shift is not None]
    return shifts[-1] if shifts else before


def _join_group(group: Sequence[_Placed], edited: str, shift: int) -> Edit:
    """One edit for edits that overlap in the edited text; text before the group has moved by ``shift``."""
    new = [item for item in group if item.shift is None]
    old = [item for item in group if item.shift is not None]
    if not new:
        return old[0].edit
    start, end = min(item.start for item in group), max(item.end for item in group)
    first = (old or new)[0].edit.span
    span = Span(start - shift, end - _shift_after(group, shift), first.label, first.score, first.detector)
    local = [Edit(_moved(item.edit.span, -start), item.edit.made) for item in new]
    return Edit(span, apply_edits(edited[start:end], local))


def _moved(span: Span, by: int) -> Span:
    return Span(span.start + by, span.end + by, span.label, span.score, span.detector)
