"""Normalisation: a table of what changes, and the properties that it promises."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cleaning.normalise import normalise_text, strip_unusable

TRICKY = st.text(
    st.sampled_from(
        "ae字。 \t\n\r"
        "\u00a0\u3000\u200b\u200c\u200d\u202e\u0301\u00ad\ufeff\ufe0f\ufe00👩💻🏴1\x00\x07\u2028\u2029\ud800"
        "\u0915\u094d\u0937\u06cc\u0647\u180b\u1820\U000e0067\U000e007f\U000e0101\u093c\u0f71\u0f72"
    ),
    max_size=20,
)
ENGLAND = "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain text", "plain text"),
        ("  two  spaces\tand tab ", "two spaces and tab"),
        ("cafe\u0301", "café"),
        ("caf\u200be\u0301", "café"),
        ("zero\u200bwidth\ufeff so\u00adft", "zerowidth soft"),
        ("bi\u202edi\u2069", "bidi"),
        ("nul\x00 bell\x07", "nul bell"),
        ("a\r\nb\rc\u2028d\u2029e", "a\nb\nc\nd\n\ne"),
        ("a\n\n\n\n\nb \n c", "a\n\nb\nc"),
        ("\u3000\u3000第一段\u3000文字", "第一段 文字"),
        ("half \ud800 pair", "half pair"),
        ("👩\u200d💻 and a\u200db", "👩\u200d💻 and ab"),
        ("❤\ufe0f\u200d🔥", "❤\ufe0f\u200d🔥"),
        ("👨\u200d👩\u200d👧\u200d👦!", "👨\u200d👩\u200d👧\u200d👦!"),
        ("🧑🏽\u200d🚀", "🧑🏽\u200d🚀"),
        ("1\ufe0f\u20e3 and ©\ufe0f", "1\ufe0f\u20e3 and ©\ufe0f"),
        ("a\ufe0fb and 😀\ufe0f\ufe0f\ufe0e", "ab and 😀\ufe0f"),
        (f"{ENGLAND} wins", f"{ENGLAND} wins"),
        ("hidden\U000e0067\U000e0062 tags", "hidden tags"),
        ("😀\U000e0101\U000e0102", "😀"),
        ("葛\U000e0100城", "葛\U000e0100城"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("می\u200c\u200cخواهم", "می\u200cخواهم"),
        ("क्\u200dष and क्\u200cष", "क्\u200dष and क्\u200cष"),
        ("ශ්\u200dරී", "ශ්\u200dරී"),
        ("ᠠ\u180b", "ᠠ\u180b"),
        ("微服私访", "微服私访"),
        ("ＦＵＬＬ width stays", "ＦＵＬＬ width stays"),
        ("\u200b \u200b", ""),
    ],
)
def test_table(text: str, expected: str) -> None:
    assert normalise_text(text) == expected


@given(st.one_of(st.text(), TRICKY))
def test_twice_is_once_and_nothing_invisible_is_left(text: str) -> None:
    once = normalise_text(text)
    assert normalise_text(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert not any(unicodedata.category(sign) in {"Cc", "Cs"} and sign != "\n" for sign in once)
    assert not set("\u200b\u200e\u200f\u202a\u202e\u2060\u2066\ufeff\u00ad\u00a0\u3000") & set(once)
    assert "  " not in once and "\n\n\n" not in once and once == once.strip()
    once.encode("utf-8")


@given(TRICKY)
def test_no_two_invisible_characters_in_a_row(text: str) -> None:
    invisible = set("\u200c\u200d\ufe00\ufe0f\u180b\U000e0101")
    once = normalise_text(text)
    pairs = [pair for pair in pairwise(once) if set(pair) <= invisible]
    assert set(pairs) <= {("\ufe0f", "\u200d")}  # the joined emoji with a selector


@given(st.text("abc 字。，\n", max_size=80))
def test_visible_characters_stay(text: str) -> None:
    assert normalise_text(text).split() == text.split()


def test_minimal_keeps_all_but_nul_and_surrogates() -> None:
    assert strip_unusable(" a\x00\u200b  \ud800\n") == " a\u200b  \n"
