"""Counterfactual of a text: every attribute term becomes its partner, all together.

English pronouns have more forms on one side than on the other, so the next word decides:

- ``her`` is ``his`` before a word that can begin a noun phrase's inside (``her new car``), else ``him``;
- ``his`` is ``her`` before such a word, else ``hers``; ``him`` is ``her``; ``hers`` is ``his``.

A word can not begin the inside of a noun phrase if it is a function word (preposition, conjunction, article,
pronoun, auxiliary, common adverb) or if punctuation comes first. Verbs behind an object (``let her go``) are known
by a list of the verbs that take one (``let``, ``help``, ``make`` …). This is a rule, not a parser: Zhao et al. 2018
(https://arxiv.org/abs/1804.06876, gender swapping) use the same kind; the tests measure how often it inverts itself.

Chinese is cut into words first (jieba, with the lexicon's terms as words), since 他 stands inside 其他 and 公 inside
公司. A word is swapped whole; a word built of terms (爸爸妈妈) term by term; 王先生 and 大女儿 by the term at
their end; 男司机 and 女司机 by their first character.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from components.core.chinese import segmenter_with
from components.core.errors import ConfigError
from components.fairness.lexicon import Lexicon

ALL_SETS = ("pronouns", "nouns", "kinship", "titles", "occupations", "names")


@dataclass(frozen=True, slots=True)
class SwapResult:
    """The counterfactual and how many terms were flipped; 0 leaves the text as it was."""

    text: str
    n_terms: int


Swapper = Callable[[str], SwapResult]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORD = re.compile(r"[A-Za-z\u00c0-\u017f]+(?:['’][A-Za-z]+)*")
_FORMS = frozenset({"her", "his", "him", "hers"})
_NOT_INSIDE = _words(
    """
    a about above according across after again against ago all along also always among an and another any anyone
    anything apart are around as asked at away back be because been before behind being below beneath beside besides
    between beyond but by can close could did do does down during each either enough even ever every everything far
    first for from further get go had has have he here how however i if in inside into instead is it its just last
    later maybe me might more much must my near never next no nor not now of off often on once only onto or our out
    outside over perhaps quite rather really said saw she should since so some something soon still such than that
    the their them then there these they this those though through throughout till to today together tomorrow
    tonight too toward towards twice under unless until up upon us very was we well were what whatever when whenever
    where wherever whether which while who whom whose why will with within without would yes yesterday yet you your
    himself herself him he's she's alone like one round thus free most half somewhere nothing both two three straight
    alive aside forth forward home ashore asleep awake dead aloud less bad right
    """
)
_INSIDE_ANYWAY = frozenset(
    {"own", "last", "first", "next", "back", "close", "every", "inside", "outside", "much", "very"}
)
_TAKES_OBJECT_AND_VERB = _words("let lets letting help helps helped helping make makes made making watched hear heard")
_TAKES_TWO_OBJECTS = _words(
    "gave offer offers offered pay sell sold charge charged wish wished handed owe owed lend lent grant granted"
)


def swap_attributes(text: str, lang: str, lexicon: Lexicon, *, attribute_sets: Iterable[str] = ALL_SETS) -> SwapResult:
    """The counterfactual of a text.

    Case is kept (He, HE). A text with a word of ``skip_if`` comes back as it was. Raises: ConfigError if the
    lexicon is of another language than ``lang``.
    """
    if lang != lexicon.language:
        raise ConfigError(f"fairness: the lexicon is for {lexicon.language!r}, the text for {lang!r}; load its own")
    return make_swapper(lexicon, attribute_sets)(text)


def make_swapper(lexicon: Lexicon, attribute_sets: Iterable[str]) -> Swapper:
    """A function from text to its counterfactual, for many texts."""
    sets = tuple(sorted(set(attribute_sets)))
    return _english(lexicon, sets) if lexicon.language == "en" else _chinese(lexicon, sets)


def _any_of(phrases: Iterable[str], *, words: bool) -> re.Pattern[str] | None:
    alternatives = "|".join(re.escape(phrase) for phrase in sorted(phrases, key=len, reverse=True))
    if not alternatives:
        return None
    return re.compile(rf"\b(?:{alternatives})\b" if words else alternatives, re.IGNORECASE)


def _english(lexicon: Lexicon, sets: tuple[str, ...]) -> Swapper:
    table = {term: partner for term, partner in lexicon.pairs(sets).items() if term[0].islower()}
    names = {term: partner for term, partner in lexicon.pairs(sets).items() if term[0].isupper()}
    forms = _FORMS if "pronouns" in sets else frozenset[str]()
    skip, protected = _any_of(lexicon.skip_if, words=True), _any_of(lexicon.protected, words=True)

    def swap(text: str) -> SwapResult:
        if skip and skip.search(text):
            return SwapResult(text, 0)
        kept = [match.span() for match in protected.finditer(text)] if protected else []
        parts: list[str] = []
        position, n_terms = 0, 0
        words = list(_WORD.finditer(text))
        for index, match in enumerate(words):
            if any(start < match.end() and match.start() < end for start, end in kept):
                continue
            word, tail = _without_possessive(match.group())
            partner = names.get(word)
            if word.lower() in forms:
                partner = _like(_swap_form(text, words, index), word)
            elif partner is None and (found := table.get(word.lower().replace("’", "'"))):
                partner = _like(found, word)
            if partner is not None:
                parts += [text[position : match.start()], partner + tail]
                position, n_terms = match.end(), n_terms + 1
        return SwapResult("".join([*parts, text[position:]]), n_terms) if n_terms else SwapResult(text, 0)

    return swap


def _without_possessive(word: str) -> tuple[str, str]:
    if len(word) > 4 and word[-2:] in {"'s", "’s"} and word[:-2].lower() not in {"he", "she"}:
        return word[:-2], word[-2:]
    return word, ""


def _like(partner: str, example: str) -> str:
    if example.isupper() and len(example) > 1:
        return partner.upper()
    return partner[0].upper() + partner[1:] if example[0].isupper() else partner


def _swap_form(text: str, words: list[re.Match[str]], index: int) -> str:
    form = words[index].group().lower()
    if form == "him":
        return "her"
    if form == "hers":
        return "his"
    inside = _goes_inside(text, words, index)
    if form == "his":
        return "her" if inside else "hers"
    return "his" if inside else "him"


def _goes_inside(text: str, words: list[re.Match[str]], index: int) -> bool:
    """Whether what follows the word at ``index`` can be the inside of its noun phrase (``her |new car``)."""
    match = words[index]
    if index + 1 == len(words):
        return bool(re.match(r"\s*[\"“‘'(\[#$]?[\d\w]", text[match.end() :]))
    following = words[index + 1]
    between = text[match.end() : following.start()]
    if between.strip(" \n\t\"“‘'([-"):
        # his/her and "his, her" stand for the same phrase; digits (her 2 sons) begin one.
        return between.strip()[:1].isdigit() or (between.strip() == "/" and _is_coordinated(words, index))
    word = following.group().lower()
    if word in {"and", "or"} and _is_coordinated(words, index + 1):
        return words[index + 2].group().lower() in {"his", "her"} and _goes_inside(text, words, index + 2)
    if word in _INSIDE_ANYWAY:
        return _second_goes_inside(text, words, index)
    if word in _NOT_INSIDE:
        return False
    before = words[index - 1].group().lower() if index else ""
    return before not in _TAKES_TWO_OBJECTS and not (before in _TAKES_OBJECT_AND_VERB and word in _BARE_VERBS)


def _is_coordinated(words: list[re.Match[str]], index: int) -> bool:
    return index + 1 < len(words) and words[index + 1].group().lower() in _FORMS


def _second_goes_inside(text: str, words: list[re.Match[str]], index: int) -> bool:
    """``her own car`` and ``her last year``, but not ``saw her last``."""
    if index + 2 >= len(words):
        return words[index + 1].group().lower() == "own"
    between = text[words[index + 1].end() : words[index + 2].start()]
    return words[index + 1].group().lower() == "own" or (
        not between.strip() and words[index + 2].group().lower() not in _NOT_INSIDE
    )


_BARE_VERBS = _words(
    """
    feel go come know see find get be have do think understand look leave stay take keep make give try use become
    say tell talk speak sleep eat walk run move work learn read write win lose cry laugh smile sing play die live
    stand sit fall sound seem realize realise want need like love believe remember forget happy sad angry feel
    """
)


_HAN = re.compile("[\u4e00-\u9fff]+")
_lock = threading.Lock()


@lru_cache(maxsize=4)
def _tokenizer(words: tuple[str, ...]) -> Any:
    """A segmenter with the lexicon's terms as words."""
    with _lock:
        return segmenter_with(word for word in words if len(word) > 1)


def _chinese(lexicon: Lexicon, sets: tuple[str, ...]) -> Swapper:
    pairs = lexicon.pairs(sets)
    # A given name of one character (伟, 芳) is an ordinary word far more often than a name of its own.
    single_names = {term for pair in lexicon.sets.get("names", ()) for term in pair if len(term) == 1}
    table = {term: partner for term, partner in pairs.items() if term not in single_names}
    skip, protected = _any_of(lexicon.skip_if, words=False), _any_of(lexicon.protected, words=False)
    swap_word = _chinese_word_swapper(table, prefixed="nouns" in sets)
    cheap = re.compile("[" + "".join(sorted({term[-1] for term in table} | {"男", "女"})) + "]")
    words = tuple(sorted({*table, *lexicon.protected}))

    def swap(text: str) -> SwapResult:
        if not table or not cheap.search(text) or (skip and skip.search(text)):
            return SwapResult(text, 0)
        parts: list[str] = []
        n_terms = 0
        for piece, is_protected in _split(text, protected):
            for word in [piece] if is_protected else _tokenizer(words).cut(piece, HMM=False):
                partner = None if is_protected else swap_word(word)
                parts.append(word if partner is None else partner)
                n_terms += partner is not None
        return SwapResult("".join(parts), n_terms) if n_terms else SwapResult(text, 0)

    return swap


def _split(text: str, protected: re.Pattern[str] | None) -> Iterator[tuple[str, bool]]:
    """The text in pieces, and whether a piece is a protected phrase."""
    position = 0
    for match in protected.finditer(text) if protected else ():
        yield text[position : match.start()], False
        yield match.group(), True
        position = match.end()
    yield text[position:], False


def _chinese_word_swapper(table: dict[str, str], *, prefixed: bool) -> Callable[[str], str | None]:
    """A function from one word to its partner, or None where there is nothing to flip."""
    long_terms = [term for term in table if len(term) > 1]
    in_full = re.compile("|".join(sorted(long_terms, key=len, reverse=True)) or "(?!)")
    at_end = re.compile(f"(?:{in_full.pattern})(?=[们們]?$)")
    prefixes = {"男": "女", "女": "男"} if prefixed else {}

    def swap_word(word: str) -> str | None:
        if (partner := table.get(word)) is not None:
            return partner
        if len(word) == 1 or not _HAN.match(word):
            return None
        if in_full.sub("", word) == "":
            return in_full.sub(lambda match: table[match.group()], word)
        if word[0] in prefixes:
            return prefixes[word[0]] + word[1:]
        return at_end.sub(lambda match: table[match.group()], word) if at_end.search(word) else None

    return swap_word
