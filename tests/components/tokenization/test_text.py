"""Sentences and Chinese words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.tokenization.text import chinese_words, language_of, split_sentences


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ('He said "no." She left.', ['He said "no."', "She left."]),
        ("今天很好。明天呢？走吧！", ["今天很好。", "明天呢？", "走吧！"]),
        ("他说：“好。”然后走了。", ["他说：“好。”", "然后走了。"]),
        ("a line\n\nanother", ["a line", "another"]),
        ("Version 3.5 is out", ["Version 3.5 is out"]),
        ("no end", ["no end"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_split_sentences(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


@given(st.text(alphabet='ab .!?。！？…\n”"中文', max_size=60))
def test_no_character_but_white_space_is_lost(text: str) -> None:
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())


def test_chinese_words_join_to_the_text() -> None:
    text = "我们在北京大学学习计算机科学。"
    words = chinese_words(text)
    assert "".join(words) == text
    assert "北京大学" in words
    assert "学习" in words


def test_language_of() -> None:
    assert language_of({"text": "hello"}) == "en"
    assert language_of({"text": "hello 世界"}) == "zh"
    assert language_of({"text": "世界", "lang": "en"}) == "en"
