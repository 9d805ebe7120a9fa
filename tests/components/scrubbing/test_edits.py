"""Edits carried back to the input do what the edits one after the other did."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from components.scrubbing.edits import Edit, apply_edits, join_edits
from components.scrubbing.spans import Span


@st.composite
def edits_of(draw: st.DrawFn, length: int) -> list[Edit]:
    cuts = sorted(draw(st.sets(st.integers(0, length), max_size=8)))
    ranges = list(zip(cuts[::2], cuts[1::2], strict=False))
    return [Edit(Span(a, b, "X", 1.0, "d"), draw(st.text("xyz", min_size=1, max_size=4))) for a, b in ranges]


@given(st.data(), st.text("abc", min_size=1, max_size=20))
def test_joined_edits_give_the_same_text(data: st.DataObject, text: str) -> None:
    first = data.draw(edits_of(len(text)))
    middle = apply_edits(text, first)
    second = data.draw(edits_of(len(middle)))
    joined = join_edits(first, middle, second)
    assert apply_edits(text, joined) == apply_edits(middle, second)
    assert all(a.span.end <= b.span.start for a, b in pairwise(joined))
    assert all(edit.span.end <= len(text) for edit in joined)


def test_an_edit_that_reaches_over_an_earlier_one_takes_it_in() -> None:
    text = "see Ann Street now"
    first = [Edit(Span(4, 7, "PERSON", 0.9, "names"), "Tarwick")]
    second = [Edit(Span(4, 18, "LOCATION", 0.8, "tagger"), "Oakhurst Street")]
    joined = join_edits(first, apply_edits(text, first), second)
    assert joined == [Edit(Span(4, 14, "PERSON", 0.9, "names"), "Oakhurst Street")]
