"""Distances between two samples, each beside what chance alone would give.

A distance between two samples of one population is never zero: it is the larger, the smaller the samples and the more
categories there are, so a fixed limit on it fires on small samples. A p-value does the opposite: with enough records
any difference, however slight, is significant. So the records are dealt to the two sides again and again at random
(a permutation test, https://doi.org/10.1002/0471721433): the mean over these draws is what chance gives and is taken
off the distance, their 99th percentile is how far chance reaches. The distance left is an effect size that a limit can
be put on; where chance reaches beyond the limit, the samples are too small to tell.

Records of one user or one document are dealt together, since they are alike. With fewer than ten such units a side,
or where random draws are already half as far apart as can be, the draws tell nothing, and neither does the distance.

Letters: ``P`` draws, the first being the sides as they are; ``N`` records of both sides; ``K`` categories or words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DRAWS = 200
REACH = 0.99
MIN_UNITS = 10
_MAX_EXPECTED_BITS = 0.5  # of the 1 bit that lies between samples with nothing in common
_CHUNK = 32  # draws at a time, which bounds memory to a few dozen megabytes


@dataclass(frozen=True, slots=True)
class Measured:
    """A distance less what chance gives on average, and how far chance reaches beyond that.

    ``reason`` says why the two mean nothing; empty where they do mean something.
    """

    score: float
    chance: float
    reason: str = ""


def deal(units: Ints, is_current: Bools, *, seed: int, draws: int = DRAWS) -> Bools:
    """Which records are on the current side, bool ``[P, N]``; row 0 is the sides as they are.

    Whole units are dealt, until the current side has about as many records as it has in row 0. ``units`` int ``[N]``
    are numbered from 0 without gaps.
    """
    generator = np.random.default_rng(seed)
    sizes = np.bincount(units)
    rows_PN = np.empty((draws + 1, len(units)), dtype=bool)
    rows_PN[0] = is_current
    wanted = int(is_current.sum())
    for row in range(1, draws + 1):
        order = generator.permutation(len(sizes))
        totals = np.cumsum(sizes[order])
        taken = int(np.argmin(np.abs(totals - wanted))) + 1
        chosen = np.zeros(len(sizes), dtype=bool)
        chosen[order[: min(taken, len(sizes) - 1)]] = True
        rows_PN[row] = chosen[units]
    return rows_PN


def category_distance(codes: Ints, dealt_PN: Bools) -> Measured:
    """Jensen-Shannon distance of two category mixes, in [0, 1]; ``codes`` int ``[N]``, from 0."""
    one_hot_NK = np.zeros((len(codes), int(codes.max()) + 1), dtype=np.float32)
    one_hot_NK[np.arange(len(codes)), codes] = 1
    return _distance(_divergences(lambda rows: rows.astype(np.float32) @ one_hot_NK, one_hot_NK, dealt_PN))


def count_distance(counts_NK: Any, dealt_PN: Bools) -> Measured:
    """Jensen-Shannon distance of how often each of K words is used, in [0, 1]; ``counts_NK`` a scipy sparse matrix."""
    turned = counts_NK.T.tocsr().astype(np.float32)
    return _distance(_divergences(lambda rows: (turned @ rows.T.astype(np.float32)).T, counts_NK, dealt_PN))


def order_distance(values: Floats, dealt_PN: Bools) -> Measured:
    """Wasserstein distance of two samples of numbers, in their unit."""
    order = np.argsort(values, kind="stable")
    steps = np.diff(values[order])
    found = []
    for rows in _chunks(dealt_PN):
        inside = rows[:, order]
        current = np.cumsum(inside, axis=1, dtype=np.float64)[:, :-1] / inside.sum(axis=1, keepdims=True)
        reference = np.cumsum(~inside, axis=1, dtype=np.float64)[:, :-1] / (~inside).sum(axis=1, keepdims=True)
        found.append(np.abs(current - reference) @ steps)
    return _less_chance(np.concatenate(found))


def mean_rise(values: Floats, dealt_PN: Bools) -> Measured:
    """How much higher the mean of the current side is; a fall counts as zero."""
    rows = dealt_PN.astype(np.float64)
    sizes = rows.sum(axis=1)
    sums = rows @ values
    rises = sums / sizes - (values.sum() - sums) / (len(values) - sizes)
    return _less_chance(rises)


def divergence(first: Floats, second: Floats) -> Floats:
    """Jensen-Shannon divergence in bits between rows of counts ``[P, K]``, in [0, 1]."""
    p = first / np.maximum(first.sum(axis=-1, keepdims=True), 1e-12)
    q = second / np.maximum(second.sum(axis=-1, keepdims=True), 1e-12)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.where(p > 0, p * np.log2(p / middle), 0.0).sum(axis=-1)
        right = np.where(q > 0, q * np.log2(q / middle), 0.0).sum(axis=-1)
    result: Floats = np.clip((left + right) / 2, 0.0, 1.0)
    return result


def _divergences(count: Callable[[Bools], Any], all_NK: Any, dealt_PN: Bools) -> Floats:
    total = np.asarray(all_NK.sum(axis=0), dtype=np.float64).ravel()
    found = []
    for rows in _chunks(dealt_PN):
        current = np.asarray(count(rows), dtype=np.float64)
        found.append(divergence(current, total - current))
    return np.concatenate(found)


def _chunks(dealt_PN: Bools) -> list[Bools]:
    return [dealt_PN[start : start + _CHUNK] for start in range(0, len(dealt_PN), _CHUNK)]


def _less_chance(values: Floats) -> Measured:
    drawn = values[1:]
    expected = float(drawn.mean())
    reach = float(np.quantile(drawn, REACH))
    return Measured(score=max(0.0, float(values[0]) - expected), chance=max(0.0, reach - expected))


def _distance(divergences: Floats) -> Measured:
    """From divergences in bits to a distance, unless the draws are so far apart that nothing more could be seen."""
    measured = _less_chance(divergences)
    expected = float(divergences[1:].mean())
    reason = f"random draws already differ by {expected:.2f} of 1 bit" if expected > _MAX_EXPECTED_BITS else ""
    return Measured(score=measured.score**0.5, chance=measured.chance**0.5, reason=reason)
