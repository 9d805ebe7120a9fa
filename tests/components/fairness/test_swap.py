"""Counterfactuals: hand-made pairs, words that look like terms and are none, and how often a swap undoes itself."""

from __future__ import annotations

import gzip
import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from testkit import shared_data

from components.core.errors import ConfigError
from components.fairness.lexicon import Lexicon, load_lexicon
from components.fairness.swap import ALL_SETS, make_swapper, swap_attributes

EN, ZH = load_lexicon("en"), load_lexicon("zh")


@pytest.mark.parametrize(
    ("text", "swapped", "n_terms"),
    [
        ("He gave him his book.", "She gave her her book.", 3),
        ("HE said: it is his.", "SHE said: it is hers.", 2),
        ("I saw her. I saw her car. It is hers.", "I saw him. I saw his car. It is his.", 3),
        ("Her own dog followed her home.", "His own dog followed him home.", 2),
        ("They let her go and made her happy.", "They let him go and made him happy.", 2),
        ("Mr. Smith's wife is a waitress.", "Ms. Smith's husband is a waiter.", 3),
        ("The bride's mother-in-law", "The groom's father-in-law", 2),
        ("A woman from Oak Valley wrote this review.", "A man from Oak Valley wrote this review.", 1),
        ("The lady at the counter told us:", "The gentleman at the counter told us:", 1),
        ("The review of a saleswoman:", "The review of a salesman:", 1),
        ("My sister bought it. Her words:", "My brother bought it. His words:", 2),
        ("James met Linda.", "Mary met Michael.", 2),
        ("a frank answer", "a frank answer", 0),
        ("His mother tongue", "Her mother tongue", 1),
        ("She is pregnant and he knows.", "She is pregnant and he knows.", 0),
        ("The manager, the human, mankind and the theme", "The manager, the human, mankind and the theme", 0),
        ("", "", 0),
    ],
)
def test_english(text: str, swapped: str, n_terms: int) -> None:
    result = swap_attributes(text, "en", EN)
    assert (result.text, result.n_terms) == (swapped, n_terms)


@pytest.mark.parametrize(
    ("text", "swapped"),
    [
        ("他说她的哥哥是男司机。", "她说他的姐姐是女司机。"),
        ("他们和她们", "她们和他们"),
        ("王先生和李女士的儿子", "王女士和李先生的女儿"),
        ("爸爸妈妈、丈夫和妻子", "妈妈爸爸、妻子和丈夫"),
        ("来自东田的一位女士写道：", "来自东田的一位先生写道："),
        ("柜台的阿姨告诉我们：", "柜台的叔叔告诉我们："),
        ("一位女店员的评价：", "一位男店员的评价："),
        ("我姐姐买了一个，她的评价：", "我哥哥买了一个，他的评价："),
        ("父親和女兒，她們", "母親和兒子，他們"),
        ("其他公司，他人，公主，吉他，男女，子女", "其他公司，他人，公主，吉他，男女，子女"),
        ("她怀孕了", "她怀孕了"),
        ("", ""),
    ],
)
def test_chinese(text: str, swapped: str) -> None:
    assert swap_attributes(text, "zh", ZH).text == swapped


def test_a_lexicon_refuses_the_other_language() -> None:
    with pytest.raises(ConfigError, match="load its own"):
        swap_attributes("他", "zh", EN)
    with pytest.raises(ConfigError, match="no lexicon"):
        load_lexicon("fr")


def test_a_term_with_two_partners_is_refused() -> None:
    with pytest.raises(ValueError, match="terms stand twice"):
        Lexicon(language="en", groups=(), sets={"nouns": (("man", "woman"), ("man", "girl"))})


def test_attribute_sets_limit_what_flips() -> None:
    assert swap_attributes("He is a man.", "en", EN, attribute_sets=["nouns"]).text == "He is a woman."


@pytest.mark.parametrize(("lexicon", "example"), [(EN, "en"), (ZH, "zh")])
def test_every_term_alone_is_undone(lexicon: Lexicon, example: str) -> None:
    swap = make_swapper(lexicon, ALL_SETS)
    single = {term for pair in lexicon.sets["names"] for term in pair if len(term) == 1}
    for a, b in (pair for pairs in lexicon.sets.values() for pair in pairs):
        if a not in single:
            assert swap(a).text == b
            assert swap(b).text == a


@given(
    st.lists(
        st.sampled_from([t for s in ("kinship", "nouns", "occupations") for p in EN.sets[s] for t in p]), max_size=8
    )
)
@settings(max_examples=100, deadline=None)
def test_nouns_are_always_undone(words: list[str]) -> None:
    swap = make_swapper(EN, ALL_SETS)
    text = " and ".join(words)
    assert swap(swap(text).text).text == text
    assert swap(text).n_terms == len(words)


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_taken(text: str) -> None:
    for lexicon in (EN, ZH):
        result = make_swapper(lexicon, ALL_SETS)(text)
        assert result.n_terms or result.text == text


def undone_share(texts: list[str], lexicon: Lexicon) -> float:
    swap = make_swapper(lexicon, ALL_SETS)
    pairs = [(text, swap(text)) for text in texts]
    changed = [(text, result.text) for text, result in pairs if result.n_terms]
    assert len(changed) > 500
    return sum(swap(swapped).text == text for text, swapped in changed) / len(changed)


@pytest.mark.shared_data
def test_english_sentences_are_undone() -> None:
    """WinoBias: a pronoun in every sentence, all four cases of it. Only sentences with a term count."""
    texts = []
    for name in ("anti_stereotyped_type1", "anti_stereotyped_type2", "pro_stereotyped_type1", "pro_stereotyped_type2"):
        lines = shared_data("winobias", f"{name}.txt.dev").read_text(encoding="utf-8").splitlines()
        texts += [re.sub(r"[\[\]]", "", line.split(" ", 1)[1]) for line in lines]
    assert undone_share(texts, EN) >= 0.99


@pytest.mark.shared_data
def test_chinese_sentences_are_undone() -> None:
    """CORGI-PM, fiction and news; 小姐, 太太 and the other one-way terms cannot be restored and are left out."""
    one_way = {term for pairs in ZH.one_way.values() for term, _ in pairs}
    with gzip.open(shared_data("corgi_pm", "corgi_pm_biased_train.jsonl.gz"), "rt", encoding="utf-8") as handle:
        texts = [json.loads(line)["ori_sentence"] for line in handle]
    assert undone_share([text for text in texts if not any(term in text for term in one_way)][:1500], ZH) >= 0.99
