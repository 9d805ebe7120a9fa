"""Ways of reading a text for phrases: a view, an automaton over it, and what makes a find there a match.

1. ``plain``: Latin phrases between word edges.
2. ``squeezed``: Chinese phrases, whatever stands between their characters, also with a character split into its parts
   or exchanged for a look-alike; Latin phrases whose surface looks disguised, so that joining innocent neighbours
   accuses nobody.
3. ``pinyin``: Chinese phrases spelled out, or written with other characters of the same sound. Short ones need a
   character of their own beside the spelling, since many innocent words share two syllables.
4. ``emoji``: both with emoji read as words.

A text without a find costs one pass of an Aho-Corasick automaton over each view that applies to it.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from components.safety.characters import PINYIN, is_chinese, rewritten_characters
from components.safety.normaliser import View, Views, plain_text, plain_view, squeezed_text, squeezed_view

_MIN_DISGUISED_LETTERS = 4  # shorter disguised terms are found by accident in codes and abbreviations
_MIN_LETTERS_ACROSS_WORDS = 8
_MIN_SINGLE_LETTERS = 3
_MIN_SYLLABLES_SPELLED = 3  # all in Latin letters
_MIN_SYLLABLES_SAME_SOUND = 4  # all in other characters
_MIN_SYLLABLES_MIXED = 2
_STRETCHED = re.compile(r"([^\W\d_])\1\1")


@dataclass(frozen=True, slots=True)
class Term:
    """One phrase of a lexicon. ``allowed`` phrases take back what they contain."""

    category: str
    language: str
    phrase: str
    allowed: bool

    @property
    def rule(self) -> str:
        """Name of the rule, for instance ``threat/en/i will kill you``."""
        return f"{self.category}/{self.language}/{self.phrase}"

    @property
    def is_chinese(self) -> bool:
        """Whether the phrase holds a Han character: then it needs no word edges."""
        return any(map(is_chinese, self.phrase))


class Match(NamedTuple):
    """A term found in the original text, ``[start, end)`` in code points."""

    term: Term
    start: int
    end: int


class Automaton:
    """pyahocorasick over phrases; an empty one finds nothing."""

    def __init__(self, entries: Iterable[tuple[str, Term]]) -> None:
        """Phrases as the view spells them, with their terms."""
        import ahocorasick

        self._machine: Any = ahocorasick.Automaton()
        self.longest = 0
        for phrase, term in entries:
            if phrase and (length_and_term := (len(phrase), term)) not in (known := self._machine.get(phrase, ())):
                self._machine.add_word(phrase, (*known, length_and_term))
                self.longest = max(self.longest, len(phrase))
        if self.longest:
            self._machine.make_automaton()

    def occurs(self, text: str) -> bool:
        """Whether any phrase stands in the text."""
        return self.longest > 0 and next(self._machine.iter(text), None) is not None

    def scan(self, text: str) -> Iterator[tuple[int, int, Term]]:
        """Every occurrence: begin, stop and term."""
        if self.longest:
            for last, found in self._machine.iter(text):
                for length, term in found:
                    yield last + 1 - length, last + 1, term

    def open_ends(self, text: str) -> Iterator[int]:
        """Ascending positions from which the text runs, to its end, along a phrase: more text could complete it."""
        if self.longest:
            for begin in range(max(0, len(text) - self.longest), len(text)):
                if self._machine.match(text[begin:]):
                    yield begin


class Reading:
    """One way to read; the base reads the plain view."""

    behind_gate = False  # whether ``gate`` tells, in a text without Chinese, that there is nothing to find

    def __init__(self, entries: Iterable[tuple[str, Term]]) -> None:
        """Phrases as this reading's view spells them."""
        entries = list(entries)
        self.automaton = Automaton(entries)
        self._entries = entries

    @cached_property
    def allowed(self) -> Automaton:
        """Allowed phrases alone."""
        return Automaton(entry for entry in self._entries if entry[1].allowed)

    @cached_property
    def harmful(self) -> Automaton:
        """Harmful phrases alone."""
        return Automaton(entry for entry in self._entries if not entry[1].allowed)

    def matches(self, views: Views) -> list[Match]:
        """All matches in a text."""
        if not self.automaton.occurs(self.text(views)):
            return []
        view = self.view(views)
        found = (self.judge(views, view, begin, stop, term) for begin, stop, term in self.automaton.scan(view.text))
        return [match for match in found if match]

    def applies(self, views: Views) -> bool:
        """Whether this reading could find anything in a text of these scripts."""
        return views.has_latin

    def text(self, views: Views) -> str:
        """The view's text."""
        return views.plain_text

    def view(self, views: Views) -> View:
        """The view with its offsets in the original."""
        return views.plain

    def judge(self, views: Views, view: View, begin: int, stop: int, term: Term) -> Match | None:  # noqa: ARG002
        """A match if the occurrence counts."""
        if is_edge(view.text, begin - 1) and is_edge(view.text, stop):
            return Match(term, *view.span(begin, stop))
        return None

    def may_begin(self, views: Views, view: View, begin: int) -> bool:  # noqa: ARG002
        """Whether an occurrence that begins here could count, whatever follows."""
        return is_edge(view.text, begin - 1)


class SqueezedReading(Reading):
    """Reads without separators."""

    behind_gate = True

    def applies(self, views: Views) -> bool:  # noqa: ARG002
        """Letters may be drawn with anything."""
        return True

    def text(self, views: Views) -> str:
        """The view's text."""
        return views.squeezed_text

    def view(self, views: Views) -> View:
        """The view with its offsets in the original."""
        return views.squeezed

    def judge(self, views: Views, view: View, begin: int, stop: int, term: Term) -> Match | None:
        """Chinese counts anywhere, Latin where disguised."""
        start, end = view.span(begin, stop)
        if term.is_chinese or _is_disguise(*_surface(views, start, end), term.phrase):
            return Match(term, start, end)
        return None

    def may_begin(self, views: Views, view: View, begin: int) -> bool:
        """Latin phrases at the edge of a word, Chinese ones anywhere."""
        if self._chinese_anywhere or is_chinese(view.text[begin]):
            return True
        folded, low, _ = _surface(views, view.starts[begin], view.starts[begin])
        return is_edge(folded, low - 1)

    @cached_property
    def _chinese_anywhere(self) -> bool:
        """Whether a Chinese phrase begins with a Latin letter, which then needs no edge."""
        return any(term.is_chinese and not is_chinese(phrase[0]) for phrase, term in self._entries)


class PinyinReading(SqueezedReading):
    """Reads aloud."""

    def text(self, views: Views) -> str:
        """The view's text."""
        return views.pinyin_text

    def view(self, views: Views) -> View:
        """The view with its offsets in the original."""
        return views.pinyin

    def judge(self, views: Views, view: View, begin: int, stop: int, term: Term) -> Match | None:
        """Whole characters and whole words only, and enough syllables to be no accident."""
        if not self.may_begin(views, view, begin) or not _is_whole(view, stop):
            return None
        start, end = view.span(begin, stop)
        folded, low, high = _surface(views, start, end)
        surface = folded[low:high]
        own = sum(character in term.phrase for character in set(surface) if is_chinese(character))
        spelled = any("a" <= character <= "z" for character in surface)
        foreign = any(map(is_chinese, surface))
        least = _MIN_SYLLABLES_SAME_SOUND
        if spelled:
            if not is_word_edge(folded, high):
                return None
            least = _MIN_SYLLABLES_MIXED if own else _MIN_SYLLABLES_SPELLED
        if not foreign and not spelled:
            return None
        return Match(term, start, end) if sum(map(is_chinese, term.phrase)) >= least else None

    def may_begin(self, views: Views, view: View, begin: int) -> bool:
        """Not inside the spelling of one character, nor inside a Latin word."""
        if begin and view.starts[begin - 1] == view.starts[begin]:
            return False
        folded, low, _ = _surface(views, view.starts[begin], view.starts[begin])
        return is_word_edge(folded, low)


class WordedReading(Reading):
    """Reads emoji as English words."""

    def applies(self, views: Views) -> bool:
        """Only where there are emoji."""
        return views.has_emoji

    def text(self, views: Views) -> str:
        """The view's text."""
        return self.view(views).text

    def view(self, views: Views) -> View:
        """The view with its offsets in the original."""
        return plain_view(views.worded("en"))


class ChineseWordedReading(SqueezedReading):
    """Reads emoji as Chinese words."""

    behind_gate = False

    def applies(self, views: Views) -> bool:
        """Only where there are emoji."""
        return views.has_emoji

    def text(self, views: Views) -> str:
        """The view's text."""
        return self.view(views).text

    def view(self, views: Views) -> View:
        """The view with its offsets in the original."""
        return squeezed_view(views.worded("zh"))


def readings(terms: list[Term]) -> tuple[Reading, ...]:
    """All readings of some terms."""
    latin = [(plain_text(term.phrase), term) for term in terms if not term.is_chinese]
    chinese = [(spelling, term) for term in terms if term.is_chinese for spelling in _spellings(term.phrase)]
    return (
        Reading(latin),
        SqueezedReading(_disguised(terms) + chinese),
        PinyinReading(_aloud(terms)),
        WordedReading(latin),
        ChineseWordedReading(chinese),
    )


def gate(terms: list[Term]) -> Automaton:
    """What the squeezed or the pinyin reading could find in a text without Chinese, where both views are one text."""
    return Automaton(_disguised(terms) + _aloud(terms))


def _disguised(terms: list[Term]) -> list[tuple[str, Term]]:
    """Latin phrases as the squeezed view spells them."""
    spelled = [(squeezed_text(term.phrase), term) for term in terms if not term.is_chinese]
    return [(phrase, term) for phrase, term in spelled if len(phrase) >= _MIN_DISGUISED_LETTERS]


def _aloud(terms: list[Term]) -> list[tuple[str, Term]]:
    """Chinese phrases as the pinyin view spells them."""
    return [(squeezed_text(term.phrase).translate(PINYIN), term) for term in terms if term.is_chinese]


def is_edge(text: str, index: int) -> bool:
    """Whether the character at an index does not continue a Latin word. Chinese neighbours do not."""
    if not 0 <= index < len(text):
        return True
    return not text[index].isalnum() or is_chinese(text[index])


def is_word_edge(text: str, index: int) -> bool:
    """Whether no Latin word or number runs across the place before an index."""
    return is_edge(text, index - 1) or is_edge(text, index)


def _spellings(phrase: str) -> Iterator[str]:
    """A Chinese phrase, with one character rewritten, and with all that can be."""
    rewritten = rewritten_characters()
    squeezed = squeezed_text(phrase)
    yield squeezed
    for index, character in enumerate(squeezed):
        for other in rewritten.get(character, ()):
            yield squeezed[:index] + squeezed_text(other) + squeezed[index + 1 :]
    yield "".join(squeezed_text(rewritten[c][0]) if c in rewritten else c for c in squeezed)


def _is_whole(view: View, stop: int) -> bool:
    return stop == len(view.text) or view.starts[stop - 1] != view.starts[stop]


def _surface(views: Views, start: int, end: int) -> tuple[str, int, int]:
    """The folded text and where in it the original's ``[start, end)`` lies."""
    folded = views.folded
    return folded.text, bisect_left(folded.starts, start), bisect_left(folded.starts, end)


def _is_disguise(folded: str, start: int, end: int, phrase: str) -> bool:
    """Whether a piece of folded text hides a Latin phrase rather than containing its letters by accident.

    It must stand alone, hold a letter, and show a sign: digits or symbols inside, a stretched letter, or letters
    set apart. Words run together across plain spaces count only if spelled out or long.
    """
    surface = folded[start:end]
    if not is_edge(folded, start - 1) or not is_edge(folded, end) or not any(c.isalpha() for c in surface):
        return False
    expected_spaces = phrase.count(" ")
    odd = [c for c in surface if not c.isalpha() and not c.isspace()]
    pieces = surface.split()
    if len(pieces) - 1 > expected_spaces:
        single = sum(len(piece) == 1 for piece in pieces)
        return single >= _MIN_SINGLE_LETTERS or len(squeezed_text(phrase)) >= _MIN_LETTERS_ACROSS_WORDS
    foreign = any(c.isalpha() and not c.isascii() for c in surface)
    return bool(odd or foreign or _STRETCHED.search(surface) or len(pieces) - 1 < expected_spaces)
