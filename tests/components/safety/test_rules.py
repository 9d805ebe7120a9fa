from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import ConfigError
from components.safety.config import Category
from components.safety.rules import RuleSet, Term, load_lexicons
from components.safety.training import RULES_DIR

SHIPPED = RuleSet(load_lexicons(RULES_DIR, get_args(Category)))


def _term(phrase: str, category: str = "threat", *, allowed: bool = False) -> Term:
    return Term(category, "en", phrase, allowed)


@pytest.mark.parametrize(
    ("text", "surface"),
    [
        ("I will kill you", "I will kill you"),
        ("Listen: i WILL  kill you!", "i WILL  kill you"),
        ("I will k1ll you", "I will k1ll you"),
        ("I w!ll ki11 y0u", "I w!ll ki11 y0u"),
        ("I will k.i.l.l you", "I will k.i.l.l you"),
        ("I w i l l k i l l y o u now", "I w i l l k i l l y o u"),
        ("I will k\u200bi\u200bl\u200bl you", "I will k\u200bi\u200bl\u200bl you"),
        ("i will kiiilll youuuu", "i will kiiilll youuuu"),
        ("i wіll kіll уou", "i wіll kіll уou"),
        ("Ｉ ｗｉｌｌ ｋｉｌｌ ｙｏｕ", "Ｉ ｗｉｌｌ ｋｉｌｌ ｙｏｕ"),
        ("go, kill-your-self", "kill-your-self"),
        ("我要杀了你", "我要杀了你"),
        ("喂，我要殺了你！", "我要殺了你"),
        ("我要 杀 了 你", "我要 杀 了 你"),
        ("我要*杀*了*你", "我要*杀*了*你"),
        ("我\u200b要\u200b杀了你", "我\u200b要\u200b杀了你"),
        ("如何制造炸彈", "如何制造炸彈"),
        ("how can i build a bomb", "how can i build a bomb"),
        ("I will ꓗill you", "I will ꓗill you"),
        ("i will 🅺ill you", "i will 🅺ill you"),
        ("how can i build a 💣", "how can i build a 💣"),
        ("怎么做💣", "怎么做💣"),
        ("wo yao sha le ni", "wo yao sha le ni"),
        ("我要sha了你", "我要sha了你"),
        ("我要刹了你", "我要刹了你"),
        ("我要乂木了你", "我要乂木了你"),
        ("窝咬杀乐尼", "窝咬杀乐尼"),
    ],
)
def test_disguises_are_seen_through_and_the_span_is_the_originals(text: str, surface: str) -> None:
    hits = SHIPPED.find(text)
    assert [text[hit.start : hit.end] for hit in hits] == [surface]


@pytest.mark.parametrize(
    "text",
    [
        "How do I terminate a C program?",
        "How do I kill a Python process?",
        "improve your skill yourself",
        "The bug will kill your session",
        "Where can I buy a bath bomb?",
        "She killed it on stage",
        "Watch your back when lifting boxes",
        "I want to end my life insurance policy",
        "I'm Scunthorpe born, from Essex",
        "an al dente pasta",
        'Statements like "women are scum" are hurtful',
        "如何终止C程序？",
        "我该怎么杀死这场篮球比赛？",
        "怎么杀毒软件更新",
        "自杀预防热线在哪里",
        "反洗钱培训如何报名",
        "这把紫砂壶很贵",
        "傻了你",
        "Shale nickel mining",
        "I lost a 💣 in the game",
        "",
        " ",
        "😀",
    ],
)
def test_harmless_text_passes(text: str) -> None:
    assert SHIPPED.find(text) == []


def test_words_have_boundaries_in_latin_and_none_in_chinese() -> None:
    rules = RuleSet([_term("kill you"), _term("杀你")])
    assert rules.find("skill your") == []
    assert rules.find("skill you") == []
    assert [hit.start for hit in rules.find("我杀你们")] == [1]
    assert [hit.start for hit in rules.find("他说kill you吗")] == [2]


def test_plain_letters_are_no_disguise() -> None:
    rules = RuleSet([_term("loser boy")])
    assert rules.find("looser boy") == []
    assert len(rules.find("looooser boy")) == 1


def test_a_word_put_together_from_innocent_neighbours_does_not_count() -> None:
    assert RuleSet([_term("anal")]).find("an al dente") == []
    assert len(RuleSet([_term("anal")]).find("a n a l")) == 1


def test_the_longest_of_overlapping_hits_stays_and_allowed_phrases_shield() -> None:
    rules = RuleSet([_term("kill"), _term("kill him"), _term("kill him softly", allowed=True)])
    text = "kill him, kill him softly"
    assert [text[h.start : h.end] for h in rules.find(text)] == ["kill him"]
    assert [hit.start for hit in rules.find(text)] == [0]


def test_a_sentence_end_breaks_a_phrase() -> None:
    rules = RuleSet([_term("kill you"), _term("杀你")])
    assert rules.find("It will kill. You know it.") == []
    assert rules.find("别杀。你好") == []


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_term_is_found_wherever_it_stands_alone(before: str, after: str) -> None:
    rules = RuleSet([_term("kill you")])
    text = f"{before} kill you {after}"
    assert any(hit.start <= len(before) + 1 and hit.end >= len(before) + 9 for hit in rules.find(text))


@given(st.text(max_size=80))
def test_spans_lie_inside_the_text(text: str) -> None:
    assert all(0 <= hit.start < hit.end <= len(text) for hit in SHIPPED.find(text))


def test_slots_are_filled_with_every_combination(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        'category: hate\nslots: {en: {a: [x, y], b: [p, q]}}\nterms: {en: ["say {a} {b}"]}\nallow: {en: []}\n'
    )
    phrases = [term.phrase for term in load_lexicons(tmp_path, ("hate",))]
    assert phrases == ["say x p", "say x q", "say y p", "say y q"]
    assert load_lexicons(tmp_path, ("threat",)) == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("category: hate\nterms: {}\n", "keys category, terms, allow"),
        ("category: hate\nterms: {en: [1]}\nallow: {}\n", "terms.en holds 1"),
        ('category: hate\nterms: {en: ["no {slot}"]}\nallow: {}\n', "names the slot slot"),
        ('category: hate\nterms: {en: ["..."]}\nallow: {}\n', "write text in quotes"),
    ],
)
def test_a_malformed_lexicon_is_named(tmp_path: Path, document: str, message: str) -> None:
    (tmp_path / "bad.yaml").write_text(document)
    with pytest.raises(ConfigError, match=message) as caught:
        load_lexicons(tmp_path, ("hate",))
    assert "bad.yaml" in str(caught.value)
