"""Scores of found spans against annotated ones. Counts first, ratios last, so that folds can be added up."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

Place = tuple[int, int, str]


@dataclass
class SpanCounts:
    """Spans found and right, found, and annotated, by label."""

    right: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    found: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    gold: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, gold: Sequence[Place], found: Sequence[Place], *, overlap: float) -> None:
        """One text: a found span is right if it shares label and at least ``overlap`` (IoU) with a free gold span."""
        free = list(gold)
        for span in gold:
            self.gold[span[2]] += 1
        for span in found:
            self.found[span[2]] += 1
            best = max((other for other in free if other[2] == span[2]), key=lambda o: _shared(o, span), default=None)
            if best is not None and _shared(best, span) >= overlap:
                free.remove(best)
                self.right[span[2]] += 1

    def score(self, labels: Iterable[str] | None = None, *, beta: float) -> dict[str, float]:
        """Precision, recall and F over ``labels`` (None: all), and n, the number of annotated spans."""
        chosen = set(labels) if labels is not None else {*self.gold, *self.found}
        right, found, gold = (
            sum(counts[label] for label in chosen if label in counts) for counts in (self.right, self.found, self.gold)
        )
        precision, recall = right / found if found else 0.0, right / gold if gold else 0.0
        return {"precision": precision, "recall": recall, "f": f_score(precision, recall, beta=beta), "n": gold}


def _shared(one: Place, other: Place) -> float:
    inner = min(one[1], other[1]) - max(one[0], other[0])
    return inner / (max(one[1], other[1]) - min(one[0], other[0])) if inner > 0 else 0.0


def f_score(precision: float, recall: float, *, beta: float) -> float:
    """Weighted harmonic mean; ``beta`` above 1 leans to recall."""
    weight = beta * beta
    bottom = weight * precision + recall
    return (1 + weight) * precision * recall / bottom if bottom else 0.0


def wilson(right: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    if not n:
        return 0.0, 1.0
    share = right / n
    middle, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def bootstrap(counts: Sequence[SpanCounts], *, beta: float, rounds: int = 1000, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of F when whole units (templates, documents) are drawn again with replacement."""
    import numpy as np

    table = np.array([[sum(part.values()) for part in (unit.right, unit.found, unit.gold)] for unit in counts])
    drawn = np.random.default_rng(seed).integers(0, len(table), (rounds, len(table)))
    right, found, gold = table[drawn].sum(axis=1).T
    precision, recall = right / np.maximum(found, 1), right / np.maximum(gold, 1)
    weight = beta * beta
    scores = (1 + weight) * precision * recall / np.maximum(weight * precision + recall, 1e-9)
    low, high = np.quantile(scores, [0.025, 0.975])
    return float(low), float(high)


@dataclass
class MaskCounts:
    """Characters masked and to be masked, and entities of which every mention is masked."""

    both: int = 0
    masked: int = 0
    wanted: int = 0
    entities: dict[str, list[bool]] = field(default_factory=lambda: defaultdict(list))

    def add(
        self,
        length: int,
        masks: Sequence[tuple[int, int]],
        wanted: Sequence[tuple[int, int]],
        entities: Mapping[str, Iterable[Sequence[tuple[int, int]]]],
    ) -> None:
        """One text; ``entities``: kind of identifier to the mentions of each entity of that kind."""
        hidden, gold = bytearray(length), bytearray(length)
        for start, end in masks:
            hidden[start:end] = b"\x01" * (end - start)
        for start, end in wanted:
            gold[start:end] = b"\x01" * (end - start)
        self.both += sum(a & b for a, b in zip(hidden, gold, strict=True))
        self.masked += sum(hidden)
        self.wanted += sum(gold)
        for kind, mentions in entities.items():
            for of_entity in mentions:
                self.entities[kind].append(all(all(hidden[start:end]) for start, end in of_entity))

    def score(self) -> dict[str, float]:
        """Precision, recall and F1 over characters, and n, the characters to be masked."""
        precision = self.both / self.masked if self.masked else 0.0
        recall = self.both / self.wanted if self.wanted else 0.0
        return {
            "precision": precision,
            "recall": recall,
            "f": f_score(precision, recall, beta=1.0),
            "n": self.wanted,
        }
