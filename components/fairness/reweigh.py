"""Reweighing after Kamiran and Calders 2012 (https://doi.org/10.1007/s10115-011-0463-8, section 4).

A record of group a and label y weighs P(a) P(y) / P(a, y): under these weights group and label are independent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

Cell = tuple[str, str]


def cell_weights(counts: Mapping[Cell, int], *, max_weight: float) -> dict[Cell, float]:
    """A weight for each (group, label) that occurs: at most ``max_weight``, mean 1 over the records.

    ``max_weight`` is at least 1.
    """
    total = sum(counts.values())
    groups, labels = Counter[str](), Counter[str]()
    for (group, label), count in counts.items():
        groups[group] += count
        labels[label] += count
    weights = {
        (group, label): groups[group] * labels[label] / (total * count)
        for (group, label), count in sorted(counts.items())
        if count
    }
    return _cap(weights, counts, max_weight)


def _cap(weights: dict[Cell, float], counts: Mapping[Cell, int], max_weight: float) -> dict[Cell, float]:
    """Weights above the cap set to it, the others scaled so that the mean stays 1, until none is above."""
    total = sum(counts.values())
    capped: set[Cell] = set()
    while True:
        free = {cell: weight for cell, weight in weights.items() if cell not in capped}
        mass = sum(counts[cell] * weight for cell, weight in free.items())
        scale = (total - max_weight * sum(counts[cell] for cell in capped)) / mass if mass else 0.0
        above = {cell for cell, weight in free.items() if weight * scale > max_weight}
        if not above:
            return {cell: max_weight if cell in capped else weights[cell] * scale for cell in weights}
        capped |= above
