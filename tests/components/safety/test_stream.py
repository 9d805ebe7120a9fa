from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from components.safety.rules import RuleSet, Term
from components.safety.stream import MAX_HELD_CHARACTERS, StreamFilter, cut_text

RULES = RuleSet(
    [
        *(Term("threat", "en", phrase, False) for phrase in ("kill you", "ab ab", "loser")),
        *(Term("threat", "zh", phrase, False) for phrase in ("杀了你", "怎么自杀", "打死")),
        Term("threat", "en", "not kill you", True),
        Term("threat", "en", "kill you softly", True),
        Term("threat", "zh", "打死结", True),
        Term("threat", "en", "knife fight", False),
    ]
)
STRICT = RuleSet([Term("threat", "en", phrase, False) for phrase in ("kill you", "ab ab", "loser", "杀了你", "打死")])
PARTS = (
    *"kilyouabnt aa@!1.,-。\n杀了你怎么自打死结\u200b\u0301Ｋк🅰",
    "kill", " you", "kill you", "k i l l", "not ", " softly", "ab ", "l0ser", "sha le", "zisha", "🔪", " fight", ". ",
    "刹了", "殺", "kiiill", "乂木", "    ", "loooser",
)  # fmt: skip
TEXT = st.lists(st.sampled_from(PARTS), max_size=14).map("".join)


def _stream(text: str, cuts: list[int]) -> tuple[StreamFilter, list[str]]:
    stream = StreamFilter(RULES)
    bounds = [0, *sorted({min(cut, len(text)) for cut in cuts}), len(text)]
    shown = [stream.push(text[a:b]) for a, b in pairwise(bounds)]
    return stream, [*shown, stream.close()]


@settings(max_examples=400, deadline=None)
@given(TEXT, st.lists(st.integers(0, 60), max_size=12))
@example("x@    ab ab", [6])
@example("a" + "\u200b" * 9 + "ab ab", [5])
@example("a 你 ab-ab", [2])
@example("do not kill you ab ab", [3, 7, 9])
@example("not kill you softly, not ki11 you kill you", [5])
def test_what_is_shown_is_the_whole_texts_result_for_every_cut(text: str, cuts: list[int]) -> None:
    expected = cut_text(RULES, text)
    stream, shown = _stream(text, cuts)
    assert "".join(shown) == expected
    assert (stream.end is not None) == (expected != text)
    _, one_by_one = _stream(text, list(range(len(text))))
    assert "".join(one_by_one) == expected


_ENDINGS = ("kill you", "ab ab", "loser", "杀了你", "打死", "shaleni")
_STARTS = ("", "x", " x", *(phrase[n:] for phrase in _ENDINGS for n in range(len(phrase))))
SUFFIXES = tuple(start + tail for start in _STARTS for tail in ("", "!!!", start[-1:] * 3))


@pytest.mark.parametrize("text", ["I will ki", "I will k1l", "no skill, k", "they l", "我要杀", "他打"])
def test_what_is_held_back_some_suffix_would_take_away(text: str) -> None:
    """Tight: were one character more shown, there would be a text for which it is wrong."""
    shown = StreamFilter(STRICT).push(text)
    assert 0 < len(shown) < len(text)
    assert min(len(cut_text(STRICT, text + suffix)) for suffix in SUFFIXES) == len(shown)


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["I will ", "ki", "ll", " yo", "ur bug"], ["I will ", "", "", "", "kill your bug"]),
        (["I will kill y", "ou now"], ["I will ", ""]),
        (["I will kill you", " softly", " now"], ["I will ", "", "kill you softly now"]),
        (["not ", "kill you", " x"], ["not ", "", "kill you x"]),
        (["他打", "死", "了"], ["他", "", ""]),
        (["他打死", "结了"], ["他", "打死结了"]),
        (["plain words are shown at once", " all of them"], ["plain words are shown at once", " all of them"]),
    ],
)
def test_what_is_shown_when(pieces: list[str], shown: list[str]) -> None:
    stream = StreamFilter(RULES)
    assert [stream.push(piece) for piece in pieces] == shown


def test_the_match_is_named_in_the_whole_texts_offsets() -> None:
    text = "a long text with nothing in it, then I will k1ll you. And more"
    stream, shown = _stream(text, list(range(0, 60, 7)))
    assert stream.end is not None and stream.end.hit is not None
    assert text[stream.end.hit.start : stream.end.hit.end] == "k1ll you"
    assert stream.push("more") == stream.close() == ""
    assert "".join(shown) == text[: text.index("k1ll")]


def test_too_much_held_back_is_cut() -> None:
    stream = StreamFilter(RULES)
    assert stream.push("k" + " " * (MAX_HELD_CHARACTERS + 1)) == ""
    assert stream.end is not None and stream.end.hit is None
