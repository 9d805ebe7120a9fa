"""Scores of tokens into spans: the best sequence of tags in which nothing goes on that did not begin.

Letters: ``T`` tokens, ``G`` tags, ``R`` runs of tokens that may bear a label, ``S`` steps within a run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.scrubbing.tagger.labels import OUTSIDE, TAG_COUNT

Floats = NDArray[np.float32]

# Below this probability of any label a token is outside; it ends the run on its left.
MIN_INSIDE = 0.02
# Longer runs are cut: the time of one step does not depend on how many runs there are.
MAX_RUN = 200
_NEVER = np.float32(-1e9)
_BEGIN = slice(1, TAG_COUNT, 2)
_GO_ON = slice(2, TAG_COUNT, 2)


@dataclass(frozen=True)
class TokenSpans:
    """Spans over tokens: ``first`` to ``last`` (inclusive), the label's number and its mean probability."""

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    label: NDArray[np.int64]
    score: Floats


def log_probabilities(scores_TG: Floats, recall_bias: float) -> Floats:
    """Log-softmax, after ``recall_bias`` (log-odds) was taken from the outside tag."""
    shifted = scores_TG.copy()
    shifted[:, OUTSIDE] -= np.float32(recall_bias)
    shifted -= shifted.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)), dtype=np.float32)


def decode(scores_TG: Floats, positions_T: NDArray[np.int64], recall_bias: float) -> TokenSpans:
    """Spans among the tokens at ``positions_T`` (rising); those that are not neighbours never share a span."""
    logs_TG = log_probabilities(scores_TG, recall_bias)
    inside_T = np.flatnonzero(logs_TG[:, OUTSIDE] < np.log1p(-MIN_INSIDE))
    if not len(inside_T):
        empty = np.zeros(0, dtype=np.int64)
        return TokenSpans(empty, empty, empty, np.zeros(0, dtype=np.float32))
    places = positions_T[inside_T]
    tags = _best_tags(logs_TG[inside_T], _run_numbers(places))
    return _spans_of(tags, places, np.exp(logs_TG[inside_T]))


def _run_numbers(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the run that each place belongs to, runs cut at MAX_RUN."""
    first = np.ones(len(places), dtype=bool)
    first[1:] = places[1:] != places[:-1] + 1
    starts = np.flatnonzero(first)
    within = np.arange(len(places)) - np.repeat(starts, np.diff(np.append(starts, len(places))))
    return np.cumsum(first | (within % MAX_RUN == 0)) - 1


def _best_tags(logs_NG: Floats, runs_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Viterbi over all runs at once, runs sorted by length so that each step touches only those that go on."""
    lengths_R = np.bincount(runs_N)
    order_R = np.argsort(-lengths_R, kind="stable")
    starts_R = (np.cumsum(lengths_R) - lengths_R)[order_R]
    lengths_R = lengths_R[order_R]
    back: list[NDArray[np.int64]] = []
    best_RG = np.full((len(lengths_R), TAG_COUNT), _NEVER, dtype=np.float32)
    first_RG = logs_NG[starts_R]
    best_RG[:, OUTSIDE] = first_RG[:, OUTSIDE]
    best_RG[:, _BEGIN] = first_RG[:, _BEGIN]
    for step in range(1, int(lengths_R[0])):
        alive = int(np.searchsorted(-lengths_R, -step, side="left"))
        pointers, moved = _step(best_RG[:alive], logs_NG[starts_R[:alive] + step])
        back.append(pointers)
        best_RG[:alive] = moved
    return _walk_back(best_RG.argmax(axis=1), back, starts_R, lengths_R, len(logs_NG))


def _step(best_RG: Floats, logs_RG: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Where each tag came from, and the best score of a sequence that ends with it."""
    rows = np.arange(len(best_RG))
    top_R = best_RG.argmax(axis=1)
    pointers = np.repeat(top_R[:, None], TAG_COUNT, axis=1)
    moved = best_RG[rows, top_R][:, None] + logs_RG
    began, went_on = best_RG[:, _BEGIN], best_RG[:, _GO_ON]
    numbers = np.arange(1, TAG_COUNT, 2)
    pointers[:, _GO_ON] = np.where(began >= went_on, numbers, numbers + 1)
    moved[:, _GO_ON] = np.maximum(began, went_on) + logs_RG[:, _GO_ON]
    return pointers, moved


def _walk_back(
    last_R: NDArray[np.int64],
    back: list[NDArray[np.int64]],
    starts_R: NDArray[np.int64],
    lengths_R: NDArray[np.int64],
    count: int,
) -> NDArray[np.int64]:
    tags = np.empty(count, dtype=np.int64)
    current = last_R
    for step in range(int(lengths_R[0]) - 1, -1, -1):
        alive = int(np.searchsorted(-lengths_R, -step, side="left"))
        tags[starts_R[:alive] + step] = current[:alive]
        if step:
            current = current.copy()
            current[:alive] = back[step - 1][np.arange(alive), current[:alive]]
    return tags


def _spans_of(tags: NDArray[np.int64], places: NDArray[np.int64], shares_NG: Floats) -> TokenSpans:
    inside = tags != OUTSIDE
    begins = np.flatnonzero(inside & (tags % 2 == 1))
    goes_on = np.zeros(len(tags) + 1, dtype=bool)
    goes_on[: len(tags)] = inside & (tags % 2 == 0)
    ends = begins.copy()
    moving = goes_on[ends + 1]
    while moving.any():
        ends = ends + moving
        moving = goes_on[ends + 1]
    labels = (tags[begins] - 1) // 2
    rows = np.arange(len(tags))
    own = np.where(inside, shares_NG[rows, tags] + shares_NG[rows, np.where(tags % 2 == 1, tags + 1, tags - 1)], 0)
    sums = np.concatenate(([0.0], np.cumsum(own, dtype=np.float64)))
    mean = (sums[ends + 1] - sums[begins]) / (ends + 1 - begins)
    return TokenSpans(places[begins], places[ends], labels, np.minimum(mean, 1.0).astype(np.float32))
