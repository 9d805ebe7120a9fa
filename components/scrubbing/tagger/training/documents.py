"""Annotated documents: what every reader and generator of training text yields."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from components.scrubbing.tagger.labels import TAGGER_LABELS

ALL_LABELS = frozenset(TAGGER_LABELS)
# What this program's templates and presidio-research mark: all but sums of money.
ALL_BUT_MONEY = ALL_LABELS - {"MONEY"}
NAMES = frozenset({"PERSON", "LOCATION", "ORGANIZATION"})


@dataclass(frozen=True)
class Gold:
    """Characters ``start`` to ``end`` of a document, and their label; ``None``: whatever they are, it is not judged."""

    start: int
    end: int
    label: str | None


@dataclass(frozen=True)
class Document:
    """A text and what was annotated in it. ``known`` are the labels that its annotators marked at all.

    Where ``known`` lacks a label, text outside the spans may or may not bear it, and training does not hold either
    against the model.
    """

    text: str
    spans: tuple[Gold, ...]
    known: frozenset[str]
    source: str
    lang: str
    group: str = ""
    """Documents of one group (a template) belong to the same fold."""


_NO_SPACE_BEFORE = frozenset(",.!?;:%)]}'’”…") | {"n't", "'s", "'re", "'ve", "'ll", "'d", "'m", "’s", "``", "''"}
_NO_SPACE_AFTER = frozenset("([{$£#@“‘")


def join_tokens(words: Iterable[str], tags: Iterable[str], *, spaced: bool) -> tuple[str, list[tuple[int, int, str]]]:
    """Text of a tokenised sentence, set as people type it, and the (start, end, tag) of each token."""
    parts: list[str] = []
    places: list[tuple[int, int, str]] = []
    at, glue = 0, True
    for word, tag in zip(words, tags, strict=True):
        gap = "" if glue or not spaced or word in _NO_SPACE_BEFORE else " "
        parts.append(gap + word)
        at += len(gap)
        places.append((at, at + len(word), tag))
        at += len(word)
        glue = word in _NO_SPACE_AFTER
    return "".join(parts), places


def merge_tags(places: Iterable[tuple[int, int, str]], labels: dict[str, str | None]) -> tuple[Gold, ...]:
    """Spans of BIO, IOB1 or BMES tags; ``labels`` maps the published name to ours, absent ones to nothing."""
    spans: list[Gold] = []
    open_name = ""
    for start, end, tag in places:
        prefix, _, name = tag.partition("-")
        if name not in labels:
            open_name = ""
        elif open_name == name and prefix in {"I", "M", "E"}:
            spans[-1] = Gold(spans[-1].start, end, spans[-1].label)
        else:
            spans.append(Gold(start, end, labels[name]))
            open_name = name
    return tuple(spans)
