"""More documents from those there are: other names in the same sentence, other letter case, values already replaced."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from functools import partial

from components.scrubbing.tagger.training.documents import Document, Gold
from components.scrubbing.tagger.training.templates import Values

_HOLE = "\ufffc"
_SLOTS_ZH = {"PERSON": ("person",), "LOCATION": ("city",), "ORGANIZATION": ("org",)}


def swap_names(
    documents: Iterable[Document], values: Values, rng: random.Random, *, share: float
) -> Iterator[Document]:
    """A copy of ``share`` of the documents with every name of person, place and organisation drawn anew."""
    for document in documents:
        swappable = any(span.label in _SLOTS_ZH for span in document.spans)
        if swappable and rng.random() < share:
            yield _replaced(document, partial(_new_value, lang=document.lang, values=values, rng=rng))


def dig_holes(documents: Iterable[Document], rng: random.Random, *, share: float) -> Iterator[Document]:
    """A copy of ``share`` of the documents in which some values are U+FFFC, as the engine leaves them."""
    for document in documents:
        if document.spans and rng.random() < share:
            yield _replaced(document, lambda _, value: (_HOLE, None) if rng.random() < 0.5 else (value, "same"))


def change_case(documents: Iterable[Document], rng: random.Random, *, lower: float, upper: float) -> Iterator[Document]:
    """Copies in small letters (``lower`` of them) and in capitals (``upper``)."""
    for document in documents:
        roll = rng.random()
        text = document.text.lower() if roll < lower else document.text.upper() if roll < lower + upper else ""
        if document.spans and len(text) == len(document.text):
            yield Document(text, document.spans, document.known, document.source, document.lang, document.group)


def _new_value(span: Gold, value: str, *, lang: str, values: Values, rng: random.Random) -> tuple[str, str | None]:
    if span.label not in _SLOTS_ZH:
        return value, "same"
    if lang == "zh":
        slot = (
            "person_foreign"
            if span.label == "PERSON" and (len(value) > 3 or "·" in value)
            else _SLOTS_ZH[span.label][0]
        )
        return values.draw(slot)[0][0], "same"
    if span.label == "PERSON":
        titles = ("Mr ", "Mrs ", "Ms ", "Dr ", "Mr. ", "Mrs. ", "Dr. ")
        title = next((title for title in titles if value.startswith(title)), "")
        words = value[len(title) :].split()
        slot = "person" if len(words) > 1 else rng.choice(("first", "last"))
        new = title + values.draw(slot)[0][0]
    else:
        new = values.draw("org" if span.label == "ORGANIZATION" else rng.choice(("city", "city", "country")))[0][0]
    return (new.lower() if value.islower() else new.upper() if value.isupper() and len(value) > 4 else new), "same"


def _replaced(document: Document, change: Callable[[Gold, str], tuple[str, str | None]]) -> Document:
    """The document with each span's value changed; a label of None makes the new text plain."""
    parts: list[str] = []
    spans: list[Gold] = []
    at = position = 0
    for span in document.spans:
        before = document.text[position : span.start]
        value, fate = change(span, document.text[span.start : span.end])
        parts += [before, value]
        at += len(before)
        if fate == "same":
            spans.append(Gold(at, at + len(value), span.label))
        at += len(value)
        position = span.end
    parts.append(document.text[position:])
    return Document("".join(parts), tuple(spans), document.known, document.source, document.lang, document.group)


def may_join(label: str, between: str) -> bool:
    """Whether two values of a label are one: blanks between them, line breaks in addresses and places only."""
    return not between.strip() and (label in {"STREET_ADDRESS", "LOCATION"} or "\n" not in between)


def merge_neighbours(document: Document) -> Document:
    """Spans of one label with nothing but blanks between them become one, as the engine treats them."""
    merged: list[Gold] = []
    for span in document.spans:
        last = merged[-1] if merged else None
        between = document.text[last.end : span.start] if last else "|"
        if last and span.label and last.label == span.label and may_join(span.label, between):
            merged[-1] = Gold(last.start, span.end, span.label)
        else:
            merged.append(span)
    return Document(document.text, tuple(merged), document.known, document.source, document.lang, document.group)
