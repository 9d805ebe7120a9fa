"""Tokens against a naive loop, and offsets that point at what they say."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.scrubbing.tagger.tokens import GAP_NEWLINE, GAP_NONE, GAP_SPACE, PAD, PAD_COUNT, tokenise


def naive(text: str) -> list[tuple[int, int]]:
    """Tokens of one text, a character at a time."""
    tokens: list[tuple[int, int]] = []
    kinds = [kind_of(char) for char in text]
    for at, kind in enumerate(kinds):
        if kind == "space":
            continue
        if kind in {"letter", "digit"} and tokens and tokens[-1][1] == at and kinds[at - 1] == kind:
            tokens[-1] = (tokens[-1][0], at + 1)
        else:
            tokens.append((at, at + 1))
    return tokens


def kind_of(char: str) -> str:
    if char.isspace():
        return "space"
    code = ord(char)
    if 0x3040 <= code < 0x3100 or 0x3400 <= code < 0xA000 or 0xAC00 <= code < 0xD7B0 or 0xF900 <= code < 0xFB00:
        return "single"
    if code > 0xFFFE:
        return "single"
    if char.isdecimal():
        return "digit"
    if char.isalpha() or unicodedata.category(char) in {"Mn", "Mc"}:
        return "letter"
    return "single"


def found(texts: list[str]) -> list[list[tuple[int, int]]]:
    tokens = tokenise(texts)
    result: list[list[tuple[int, int]]] = []
    for text, offset in zip(texts, tokens.text_starts.tolist(), strict=True):
        inside = (tokens.starts_T >= offset) & (tokens.starts_T < offset + len(text))
        places = zip(tokens.starts_T[inside].tolist(), tokens.ends_T[inside].tolist(), strict=True)
        result.append([(start - offset, end - offset) for start, end in places])
    return result


@given(st.lists(st.text(max_size=40), min_size=1, max_size=4))
def test_tokens_are_those_of_a_loop(texts: list[str]) -> None:
    assert found(texts) == [naive(text) for text in texts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Anna-Lena O'Brien", ["Anna", "-", "Lena", "O", "'", "Brien"]),
        ("miller161@x.org", ["miller", "161", "@", "x", ".", "org"]),
        ("住在北京3号", ["住", "在", "北", "京", "3", "号"]),
        ("José 😀", ["José", "😀"]),
        ("", []),
        ("  \n ", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert [text[start:end] for start, end in found([text])[0]] == expected


def test_gaps_tell_glued_from_spaced_and_broken() -> None:
    tokens = tokenise(["a,b c\n  d"])
    gaps = tokens.gaps_T[(tokens.classes_T != PAD)].tolist()
    assert gaps == [GAP_NONE, GAP_NONE, GAP_NONE, GAP_SPACE, GAP_NEWLINE]


def test_padding_stands_around_every_text() -> None:
    tokens = tokenise(["a", "", "b"])
    assert (tokens.classes_T == PAD).sum() == 4 * PAD_COUNT
    assert tokens.classes_T[0] == tokens.classes_T[-1] == PAD


def test_lone_surrogates_are_read() -> None:
    assert found(["a \ud800 b"])[0] == [(0, 1), (2, 3), (4, 5)]
