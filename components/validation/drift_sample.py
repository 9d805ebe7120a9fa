"""From a corpus to what drift is measured on: a bounded sample, its words, lengths, languages, labels and units.

Which records are drawn follows from a hash of their ids, so neither order nor worker count matters. Texts become
counts of words and are gone; placeholders of the scrubber are no words.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from components.core.corpus import LANGUAGES, Record, read_records
from components.core.seeds import derive_seed
from components.ingestion.languages import detect_language
from components.scrubbing.policy import PLACEHOLDER

_WORD = re.compile(r"[a-z\u00c0-\u024f]+|[\u3400-\u9fff]+")
OTHER = "other"


@dataclass(frozen=True, slots=True)
class Item:
    """One record, without its text."""

    unit: str  # the user, or the document that a record is a piece of: records of a unit are alike
    half: int  # 0 or 1, by the unit
    n_characters: int
    lang: str
    label: str | None
    words: Counter[str]


@dataclass(frozen=True, slots=True)
class Sample:
    """The drawn records of one side; ``rows`` counts all that there were."""

    rows: int
    items: list[Item]


def draw_sample(corpus: Path, max_rows: int, *, seed: int) -> Sample:
    """The ``max_rows`` records whose ids hash lowest. Raises: ContractError if the folder holds no shard."""
    rows = 0

    def counted() -> Iterator[tuple[int, str, Record]]:
        nonlocal rows
        for record in read_records(corpus):
            rows += 1
            name = str(record["id"])
            yield derive_seed(seed, "drift", name), name, record

    drawn = heapq.nsmallest(max_rows, counted(), key=lambda entry: entry[:2])
    return Sample(rows=rows, items=[_item(record) for _, _, record in drawn])


def _item(record: Record) -> Item:
    text = record["text"]
    user = record.get("user")
    unit = f"user/{user}" if user is not None else f"document/{str(record['id']).split('#', 1)[0]}"
    lang = record.get("lang") or detect_language(text)[0]
    label = record.get("label")
    return Item(
        unit=unit,
        half=derive_seed(0, "half", unit) & 1,
        n_characters=max(1, len(text)),
        lang=lang if lang in LANGUAGES else OTHER,
        label=None if label is None else str(label),
        words=Counter(find_words(text)),
    )


def find_words(text: str) -> list[str]:
    """Latin words in lower case, and each two neighbouring Chinese characters, which stand in for words."""
    words: list[str] = []
    for run in _WORD.findall(PLACEHOLDER.sub(" ", text).lower()):
        if run[0] < "\u3400" or len(run) == 1:
            words.append(run)
        else:
            words += [run[at : at + 2] for at in range(len(run) - 1)]
    return words


def new_word_shares(current: Iterable[Item], reference: Iterable[Item]) -> tuple[list[float], list[float]]:
    """The share of each record's words that the reference does not use, in [0, 1].

    A record must not vouch for its own words: the reference is halved by unit, and a record is held against the half
    that its unit is not in, on both sides alike.
    """
    halves: tuple[set[str], set[str]] = (set(), set())
    reference = list(reference)
    for item in reference:
        halves[item.half].update(item.words)

    def shares(items: Iterable[Item]) -> list[float]:
        return [_new_share(item, halves[1 - item.half]) for item in items]

    return shares(current), shares(reference)


def _new_share(item: Item, known: set[str]) -> float:
    total = item.words.total()
    return sum(count for word, count in item.words.items() if word not in known) / total if total else 0.0
