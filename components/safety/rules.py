"""Rules: lexicons of harmful phrases matched over the views of a text.

In: a folder of YAML lexicons, one a category::

    category: threat
    terms: {en: [i will kill you], zh: [杀了你]}
    allow: {en: [you kill me with your jokes], zh: []}
    slots: {en: {hate: [hate, despise]}}      # optional; "i {hate} them" stands for every filling

Out: hits with the category, the rule's name and the span in the original text.

Steps: 1 Aho-Corasick over the readings of the text (``readings``); 2 a hit inside an allowed phrase is dropped; 3 of
overlapping hits of one category the longest stays.
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
from components.safety.normaliser import Views, make_views, squeezed_text
from components.safety.readings import Match, Reading, Term, gate, readings

__all__ = ["RuleHit", "RuleSet", "Term", "load_lexicons", "unshielded"]

_SLOT = re.compile(r"\{(\w+)\}")


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
        self.readings = readings(terms)
        self._without_chinese = gate(terms)

    def find(self, text: str | Views) -> list[RuleHit]:
        """Hits in a text, sorted by start; of overlapping hits of one category the longest."""
        found = self.matches(text if isinstance(text, Views) else make_views(text))
        return _longest(unshielded(found)) if found else []

    def matches(self, views: Views) -> list[Match]:
        """Every term in every view, allowed ones too, in no order."""
        return [match for reading in self._needed(views) for match in reading.matches(views)]

    def _needed(self, views: Views) -> list[Reading]:
        """The readings that could find something; a glance that spares most messages most of the work."""
        quick = not views.has_chinese and not self._without_chinese.occurs(views.squeezed_text)
        return [r for r in self.readings if r.applies(views) and not (quick and r.behind_gate)]


def unshielded(matches: list[Match]) -> list[RuleHit]:
    """Matches of terms that no match of an allowed phrase holds."""
    shields = [(match.start, match.end) for match in matches if match.term.allowed]
    return [
        RuleHit(term.category, term.rule, start, end)
        for term, start, end in matches
        if not term.allowed and not any(low <= start and end <= high for low, high in shields)
    ]


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


def _longest(hits: list[RuleHit]) -> list[RuleHit]:
    kept: list[RuleHit] = []
    for hit in sorted(hits, key=lambda h: (h.start - h.end, h.start, h.rule)):
        if not any(hit.category == k.category and hit.start < k.end and k.start < hit.end for k in kept):
            kept.append(hit)
    return sorted(kept, key=lambda h: (h.start, h.end, h.rule))
