"""A template grammar that remembers where personal data went.

A template holds ``{slot}`` marks. Lower-case slots take a word (drawn once a document for document slots, anew
otherwise), may nest, and are plain text; upper-case slots are personal data and come back as gold spans.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import yaml

from components.ingestion.embedded.personal_data import make_value

_SLOT = re.compile(r"\{([A-Za-z_]+)\}")
SENTENCE_GAP = {"en": " ", "zh": ""}


@dataclass(frozen=True)
class GoldSpan:
    """Where personal data stands: code points, end exclusive."""

    start: int
    end: int
    label: str


@dataclass
class Passage:
    """Text under construction, with its gold spans."""

    text: str = ""
    spans: list[GoldSpan] = field(default_factory=list)

    def add(self, other: Passage, gap: str) -> None:
        """Append a passage, moving its spans."""
        shift = len(self.text) + len(gap) if self.text else 0
        self.text = f"{self.text}{gap}{other.text}" if self.text else other.text
        self.spans += [GoldSpan(span.start + shift, span.end + shift, span.label) for span in other.spans]


class Grammar:
    """The words and templates of one language."""

    def __init__(self, lang: str) -> None:
        """Reads the packaged YAML of ``en`` or ``zh``."""
        source = resources.files("components.ingestion.embedded").joinpath(f"{lang}.yaml")
        self.lang = lang
        self.data: dict[str, Any] = yaml.safe_load(source.read_text(encoding="utf-8"))
        self.gap = SENTENCE_GAP[lang]

    def bind(self, rng: random.Random) -> dict[str, str]:
        """One value for each document slot, so that a document speaks of one thing."""
        return {slot: rng.choice(words) for slot, words in self.data["document"].items()}

    def expand(self, template: str, bound: dict[str, str], rng: random.Random) -> Passage:
        """A sentence from a template, with a capital letter first."""
        passage = self._fill(template, bound, rng)
        passage.text = passage.text[:1].upper() + passage.text[1:]
        return passage

    def _fill(self, template: str, bound: dict[str, str], rng: random.Random) -> Passage:
        passage, position = Passage(), 0
        for match in _SLOT.finditer(template):
            passage.text += template[position : match.start()]
            slot = match.group(1)
            if slot in bound:
                passage.text += bound[slot]
            elif slot.isupper():
                value = make_value(slot, self.lang, self.data["names"], rng)
                passage.spans.append(GoldSpan(len(passage.text), len(passage.text) + len(value), slot))
                passage.text += value
            else:
                passage.text += self._fill(rng.choice(self.data["words"][slot]), bound, rng).text
            position = match.end()
        passage.text += template[position:]
        return passage

    def join(self, passages: list[Passage]) -> Passage:
        """Sentences one after the other, as the language sets them."""
        whole = Passage()
        for passage in passages:
            whole.add(passage, self.gap)
        return whole
