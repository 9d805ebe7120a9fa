"""Reweighing after Kamiran and Calders 2012 (https://doi.org/10.1007/s10115-011-0463-8, section 4).

A record of group a and label y weighs P(a) P(y) / P(a, y): under these weights group and label are independent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

Cell = tuple[str, str]

_ROUNDS = 100


def cell_weights(counts: Mapping[Cell, int], *, max_weight: float) -> dict[Cell, float]:
    """A weight for each (group, label) that occurs: at most ``max_weight``, mean 1 over the records.

    Capping lowers the mean, and scaling it back may lift others above the cap, so both are repeated; with
    ``max_weight`` of at least 1 this ends.
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
    for _ in range(_ROUNDS):
        mean = sum(counts[cell] * weight for cell, weight in weights.items()) / total
        weights = {cell: min(weight / mean, max_weight) for cell, weight in weights.items()}
    return weights
