"""Scores of tokens into spans: the best sequence of tags in which nothing goes on that did not begin.

Letters: ``T`` tokens, ``G`` tags, ``R`` runs of tokens that may bear a label, ``S`` steps within a run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.scrubbing.tagger.labels import OUTSIDE, TAG_COUNT

Floats = NDArray[np.float32]

# A token whose best label lies further than this (log-odds) behind the outside tag is outside and ends a run.
MIN_MARGIN = -4.0
# Longer runs are cut: the time of one step does not depend on how many runs there are.
MAX_RUN = 200
# Confidence is looked up by margin, in steps; so no library's exponential takes part in a decision.
_STEPS_PER_UNIT = 32
_MAX_MARGIN = 16
_WHOLE = 10_000
_CONFIDENCE = np.rint(
    _WHOLE
    / (1 + np.exp(-np.arange(-_MAX_MARGIN * _STEPS_PER_UNIT, _MAX_MARGIN * _STEPS_PER_UNIT + 1) / _STEPS_PER_UNIT))
).astype(np.int64)
_NEVER = np.float32(-1e9)
_BEGIN = slice(1, TAG_COUNT, 2)
_GO_ON = slice(2, TAG_COUNT, 2)


@dataclass(frozen=True)
class TokenSpans:
    """Spans over tokens: ``first`` to ``last`` (inclusive), the label's number and its confidence.

    The confidence of a token is the logistic function of the lead that its label has over the best other one; that of
    a span is the mean over its tokens, in steps of 1/10,000.
    """

    first: NDArray[np.int64]
    last: NDArray[np.int64]
    label: NDArray[np.int64]
    score: NDArray[np.float64]


def decode(scores_TG: Floats, positions_T: NDArray[np.int64], recall_bias: float) -> TokenSpans:
    """Spans among the tokens at ``positions_T`` (rising); those that are not neighbours never share a span.

    ``recall_bias`` (log-odds) is taken from the outside tag.
    """
    biased_TG = scores_TG.copy()
    biased_TG[:, OUTSIDE] -= np.float32(recall_bias)
    margins_T = biased_TG[:, 1:].max(axis=1, initial=_NEVER) - biased_TG[:, OUTSIDE]
    inside_T = np.flatnonzero(margins_T > MIN_MARGIN)
    if not len(inside_T):
        empty = np.zeros(0, dtype=np.int64)
        return TokenSpans(empty, empty, empty, np.zeros(0))
    places, scores_NG = positions_T[inside_T], biased_TG[inside_T]
    tags = _best_tags(scores_NG, _run_numbers(places))
    return _spans_of(tags, places, _confidences(scores_NG, tags))


def _confidences(scores_NG: Floats, tags: NDArray[np.int64]) -> NDArray[np.int64]:
    """In 1/10,000, 0 outside."""
    labels_NL = np.maximum(scores_NG[:, _BEGIN], scores_NG[:, _GO_ON])
    inside = tags != OUTSIDE
    rows, own = np.flatnonzero(inside), (tags[inside] - 1) // 2
    chosen = labels_NL[rows, own]
    others_NL = labels_NL[rows]
    others_NL[np.arange(len(rows)), own] = _NEVER
    lead = chosen - np.maximum(others_NL.max(axis=1), scores_NG[rows, OUTSIDE])
    steps = np.rint(lead.clip(-_MAX_MARGIN, _MAX_MARGIN) * _STEPS_PER_UNIT).astype(np.int64)
    confidences = np.zeros(len(tags), dtype=np.int64)
    confidences[rows] = _CONFIDENCE[steps + _MAX_MARGIN * _STEPS_PER_UNIT]
    return confidences


def _run_numbers(places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of the run that each place belongs to, runs cut at MAX_RUN."""
    first = np.ones(len(places), dtype=bool)
    first[1:] = places[1:] != places[:-1] + 1
    starts = np.flatnonzero(first)
    within = np.arange(len(places)) - np.repeat(starts, np.diff(np.append(starts, len(places))))
    return np.cumsum(first | (within % MAX_RUN == 0)) - 1


def _best_tags(scores_NG: Floats, runs_N: NDArray[np.int64]) -> NDArray[np.int64]:
    """Viterbi over all runs at once, runs sorted by length so that each step touches only those that go on."""
    lengths_R = np.bincount(runs_N)
    order_R = np.argsort(-lengths_R, kind="stable")
    starts_R = (np.cumsum(lengths_R) - lengths_R)[order_R]
    lengths_R = lengths_R[order_R]
    back: list[NDArray[np.int64]] = []
    best_RG = np.full((len(lengths_R), TAG_COUNT), _NEVER, dtype=np.float32)
    first_RG = scores_NG[starts_R]
    best_RG[:, OUTSIDE] = first_RG[:, OUTSIDE]
    best_RG[:, _BEGIN] = first_RG[:, _BEGIN]
    for step in range(1, int(lengths_R[0])):
        alive = int(np.searchsorted(-lengths_R, -step, side="left"))
        pointers, moved = _step(best_RG[:alive], scores_NG[starts_R[:alive] + step])
        back.append(pointers)
        best_RG[:alive] = moved
    return _walk_back(best_RG.argmax(axis=1), back, starts_R, lengths_R, len(scores_NG))


def _step(best_RG: Floats, scores_RG: Floats) -> tuple[NDArray[np.int64], Floats]:
    """Where each tag came from, and the best score of a sequence that ends with it."""
    rows = np.arange(len(best_RG))
    top_R = best_RG.argmax(axis=1)
    pointers = np.repeat(top_R[:, None], TAG_COUNT, axis=1)
    moved = best_RG[rows, top_R][:, None] + scores_RG
    began, went_on = best_RG[:, _BEGIN], best_RG[:, _GO_ON]
    numbers = np.arange(1, TAG_COUNT, 2)
    pointers[:, _GO_ON] = np.where(began >= went_on, numbers, numbers + 1)
    moved[:, _GO_ON] = np.maximum(began, went_on) + scores_RG[:, _GO_ON]
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


def _spans_of(tags: NDArray[np.int64], places: NDArray[np.int64], confidences: NDArray[np.int64]) -> TokenSpans:
    begins = np.flatnonzero(tags % 2 == 1)
    # What goes on goes on from its beginning, so a span ends before the next beginning or outside token.
    stops = np.flatnonzero(np.append((tags % 2 == 1) | (tags == OUTSIDE), True))
    ends = stops[np.searchsorted(stops, begins, side="right")]
    sums = np.concatenate(([0], np.cumsum(confidences)))
    means = (sums[ends] - sums[begins]) // (ends - begins) / _WHOLE
    return TokenSpans(places[begins], places[ends - 1], (tags[begins] - 1) // 2, means)
