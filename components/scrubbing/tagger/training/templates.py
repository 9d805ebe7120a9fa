"""Templates into annotated documents: slots filled, offsets kept."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from importlib import resources
from typing import Protocol

import yaml

from components.scrubbing.tagger.training.documents import ALL_BUT_MONEY, Document, Gold

# The label of a value that training neither rewards nor punishes.
UNJUDGED = "?"
_SLOT = re.compile(r"\{(\w+)\}")


class Values(Protocol):
    """Draws the pieces of a slot's value."""

    def draw(self, slot: str) -> list[tuple[str, str | None]]:
        """Text and label of each piece; None: no label, UNJUDGED: any."""
        ...


def load_words(lang: str) -> dict[str, list[str]]:
    """Lists of words that values are put together from, as packaged."""
    text = resources.files(__package__).joinpath(f"words_{lang}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, list[str]] = yaml.safe_load(text)
    return loaded


def load_templates(lang: str) -> dict[str, list[str]]:
    """Genre to templates, as packaged."""
    text = resources.files(__package__).joinpath(f"templates_{lang}.yaml").read_text(encoding="utf-8")
    loaded: dict[str, list[str]] = yaml.safe_load(text)
    return loaded


def fill(template: str, values: Values) -> tuple[str, list[Gold]]:
    """One template with its slots filled, and the spans of those that have a label."""
    parts: list[str] = []
    spans: list[Gold] = []
    at = 0

    def put(piece: str, label: str | None) -> None:
        nonlocal at
        if label and piece:
            spans.append(Gold(at, at + len(piece), None if label == UNJUDGED else label))
        parts.append(piece)
        at += len(piece)

    position = 0
    for slot in _SLOT.finditer(template):
        put(template[position : slot.start()], None)
        for piece, label in values.draw(slot[1]):
            put(piece, label)
        position = slot.end()
    put(template[position:], None)
    return "".join(parts), spans


def make_documents(lang: str, values: Values, count: int, rng: random.Random, *, joiner: str) -> Iterator[Document]:
    """``count`` documents of one to four filled templates; genres are drawn evenly."""
    genres: Sequence[list[str]] = list(load_templates(lang).values())
    flat = [template for genre in genres for template in genre]
    for number in range(count):
        texts: list[str] = []
        spans: list[Gold] = []
        at = 0
        for _ in range(rng.choices((1, 2, 3), (6, 3, 1))[0]):
            text, found = fill(rng.choice(rng.choice(genres) if rng.random() < 0.3 else flat), values)
            spans += [Gold(at + span.start, at + span.end, span.label) for span in found]
            texts.append(text)
            at += len(text) + len(joiner)
        yield Document(joiner.join(texts), tuple(spans), ALL_BUT_MONEY, f"templates-{lang}", lang, str(number))
