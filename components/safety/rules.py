"""Rules: lexicons of harmful phrases matched over the views of a text.

In: a folder of YAML lexicons, one a category::

    category: threat
    terms: {en: [i will kill you], zh: [杀了你]}
    allow: {en: [you kill me with your jokes], zh: []}
    slots: {en: {hate: [hate, despise]}}      # optional; "i {hate} them" stands for every filling

Out: hits with the category, the rule's name and the span in the original text.

Steps: 1 Aho-Corasick over the plain view, word boundaries for Latin terms; 2 the same over the squeezed view, where a
hit of a Latin term counts only if its surface looks disguised, so that joining innocent neighbours accuses nobody;
3 Chinese terms over the squeezed view, which has no separators between characters; 4 of overlapping hits of one
category the longest stays; 5 a hit inside an allowed phrase is dropped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from components.core.errors import ConfigError
from components.safety.normaliser import Views, is_chinese, make_views, plain_text, squeezed_text

_MIN_DISGUISED_LETTERS = 4  # shorter disguised terms are found by accident in codes and abbreviations
_MIN_LETTERS_ACROSS_WORDS = 8
_MIN_SINGLE_LETTERS = 3
_SLOT = re.compile(r"\{(\w+)\}")
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


@dataclass(frozen=True, slots=True)
class RuleHit:
    """A term found in the original text, ``[start, end)`` in code points."""

    category: str
    rule: str
    start: int
    end: int


def load_lexicons(folder: Path, categories: tuple[str, ...]) -> list[Term]:
    """The terms of a folder's lexicons in the given categories. Raises ConfigError naming file and key."""
    terms: list[Term] = []
    for path in sorted(folder.glob("*.yaml")):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(document, dict) or set(document) - {"slots"} != {"category", "terms", "allow"}:
            raise ConfigError(f"{path}: a lexicon has the keys category, terms, allow and maybe slots, and no other")
        if document["category"] in categories:
            terms.extend(_terms(document, path))
    return terms


class RuleSet:
    """Compiled lexicons."""

    def __init__(self, terms: list[Term]) -> None:
        """Compile; terms that mean the same after normalising are joined."""
        self._plain = _Automaton()
        self._squeezed = _Automaton()
        for term in terms:
            squeezed = squeezed_text(term.phrase)
            if not any(map(is_chinese, term.phrase)):
                self._plain.add(plain_text(term.phrase), term)
                if len(squeezed) < _MIN_DISGUISED_LETTERS:
                    continue
            self._squeezed.add(squeezed, term)
        self._plain.compile()
        self._squeezed.compile()

    def find(self, text: str | Views) -> list[RuleHit]:
        """Hits in a text, sorted by start; of overlapping hits of one category the longest."""
        views = text if isinstance(text, Views) else make_views(text)
        found = [*self._find_plain(views), *self._find_squeezed(views)]
        shields = [(start, end) for term, start, end in found if term.allowed]
        hits = [
            RuleHit(term.category, term.rule, start, end)
            for term, start, end in found
            if not term.allowed and not any(low <= start and end <= high for low, high in shields)
        ]
        return _longest(hits)

    def _find_plain(self, views: Views) -> Iterator[tuple[Term, int, int]]:
        text = views.plain.text
        for start, end, term in self._plain.scan(text):
            if _is_edge(text, start - 1) and _is_edge(text, end):
                yield (term, *views.plain.span(start, end))

    def _find_squeezed(self, views: Views) -> Iterator[tuple[Term, int, int]]:
        for begin, stop, term in self._squeezed.scan(views.squeezed.text):
            start, end = views.squeezed.span(begin, stop)
            if any(map(is_chinese, term.phrase)) or _is_disguise(views.folded.text, start, end, term.phrase):
                yield (term, *views.folded.span(start, end))


class _Automaton:
    """pyahocorasick over phrases; an empty one finds nothing."""

    def __init__(self) -> None:
        import ahocorasick

        self._machine: Any = ahocorasick.Automaton()

    def add(self, phrase: str, term: Term) -> None:
        if phrase:
            known = self._machine.get(phrase, ())
            self._machine.add_word(phrase, (*known, (len(phrase), term)))

    def compile(self) -> None:
        self._machine.make_automaton()

    def scan(self, text: str) -> Iterator[tuple[int, int, Term]]:
        if len(self._machine):
            for last, matches in self._machine.iter(text):
                for length, term in matches:
                    yield last + 1 - length, last + 1, term


def _terms(document: dict[str, Any], path: Path) -> Iterator[Term]:
    for key in ("terms", "allow"):
        for language, templates in document[key].items():
            slots = document.get("slots", {}).get(language, {})
            for template in templates:
                if not isinstance(template, str) or not squeezed_text(template):
                    raise ConfigError(f"{path}: {key}.{language} holds {template!r}; write text in quotes")
                for phrase in _fill(template, slots, f"{path}: {key}.{language}"):
                    yield Term(document["category"], language, phrase, key == "allow")


def _fill(template: str, slots: dict[str, list[str]], where: str) -> Iterator[str]:
    """Every filling of a template's slots, in order."""
    names = _SLOT.findall(template)
    if unknown := [name for name in names if name not in slots]:
        raise ConfigError(f"{where}: {template!r} names the slot {unknown[0]}, which slots does not have; add it")
    for words in product(*(slots[name] for name in names)):
        filled = iter(words)
        yield _SLOT.sub(lambda _, filled=filled: next(filled), template)  # type: ignore[misc]


def _is_edge(text: str, index: int) -> bool:
    """Whether the character at an index does not continue a Latin word. Chinese neighbours do not."""
    if not 0 <= index < len(text):
        return True
    return not text[index].isalnum() or is_chinese(text[index])


def _is_disguise(folded: str, start: int, end: int, phrase: str) -> bool:
    """Whether a piece of folded text hides a Latin phrase rather than containing its letters by accident.

    It must stand alone, hold a letter, and show a sign: digits or symbols inside, a stretched letter, or letters
    set apart. Words run together across plain spaces count only if spelled out or long.
    """
    surface = folded[start:end]
    if not _is_edge(folded, start - 1) or not _is_edge(folded, end) or not any(c.isalpha() for c in surface):
        return False
    expected_spaces = phrase.count(" ")
    odd = [c for c in surface if not c.isalpha() and not c.isspace()]
    pieces = surface.split()
    if len(pieces) - 1 > expected_spaces:
        single = sum(len(piece) == 1 for piece in pieces)
        return single >= _MIN_SINGLE_LETTERS or len(squeezed_text(phrase)) >= _MIN_LETTERS_ACROSS_WORDS
    foreign = any(c.isalpha() and not c.isascii() for c in surface)
    return bool(odd or foreign or _STRETCHED.search(surface) or len(pieces) - 1 < expected_spaces)


def _longest(hits: list[RuleHit]) -> list[RuleHit]:
    kept: list[RuleHit] = []
    for hit in sorted(hits, key=lambda h: (h.start - h.end, h.start, h.rule)):
        if not any(hit.category == k.category and hit.start < k.end and k.start < hit.end for k in kept):
            kept.append(hit)
    return sorted(kept, key=lambda h: (h.start, h.end, h.rule))
