"""The decoder against all sequences there are, one by one."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.scrubbing.tagger.decode import MAX_RUN, decode
from components.scrubbing.tagger.labels import TAG_COUNT, TAGGER_LABELS, begin_tag

PERSON, PLACE = begin_tag("PERSON"), begin_tag("LOCATION")
SOME_TAGS = (0, PERSON, PERSON + 1, PLACE, PLACE + 1)


def best_by_enumeration(logs: np.ndarray) -> float:
    def legal(tags: tuple[int, ...]) -> bool:
        return all(tag % 2 == 1 or tag == 0 or (at and tags[at - 1] in {tag, tag - 1}) for at, tag in enumerate(tags))

    sequences = itertools.product(SOME_TAGS, repeat=len(logs))
    return max(sum(logs[at, tag] for at, tag in enumerate(tags)) for tags in sequences if legal(tags))


def scores_of(values: list[list[float]]) -> np.ndarray:
    scores = np.full((len(values), TAG_COUNT), -60.0, dtype=np.float32)
    scores[:, SOME_TAGS] = values
    return scores


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.floats(-1.5, 1.5, width=32), min_size=5, max_size=5), min_size=1, max_size=5))
def test_the_spans_are_those_of_the_best_legal_sequence(values: list[list[float]]) -> None:
    scores = scores_of(values)
    spans = decode(scores, np.arange(len(values)), 0.0)
    logs = scores.astype(float)
    total = logs[:, 0].copy()
    for first, last, label in zip(spans.first, spans.last, spans.label, strict=True):
        begin = 2 * label + 1
        total[first : last + 1] = logs[first : last + 1, begin + 1]
        total[first] = logs[first, begin]
    assert abs(total.sum() - best_by_enumeration(logs)) < 1e-4


def test_spans_end_at_gaps_between_positions() -> None:
    scores = scores_of([[-9, 9, 0, 0, 0], [-9, 0, 9, 0, 0]])
    together = decode(scores, np.array([7, 8]), 0.0)
    apart = decode(scores, np.array([7, 9]), 0.0)
    assert (together.first.tolist(), together.last.tolist()) == ([7], [8])
    assert (apart.first.tolist(), apart.last.tolist()) == ([7, 9], [7, 9])
    assert [TAGGER_LABELS[label] for label in together.label] == ["PERSON"]


def test_bias_lets_more_in() -> None:
    scores = scores_of([[1.0, 0.0, -9, -9, -9]])
    assert len(decode(scores, np.array([0]), 0.0).first) == 0
    found = decode(scores, np.array([0]), 2.0)
    assert len(found.first) == 1
    # Log-odds 0 - 1 + 2 in favour of a person.
    assert found.score[0] == pytest.approx(0.7311, abs=1e-4)


def test_endless_runs_are_cut() -> None:
    count = 3 * MAX_RUN + 5
    values = [[-9.0, 9, 0, 0, 0]] + [[-9.0, 0, 9, 0, 0]] * (count - 1)
    spans = decode(scores_of(values), np.arange(count), 0.0)
    assert spans.first.tolist() == [0, MAX_RUN, 2 * MAX_RUN, 3 * MAX_RUN]
    assert spans.last.tolist()[-1] == count - 1


def test_nothing_in_nothing_out() -> None:
    assert len(decode(np.zeros((0, TAG_COUNT), dtype=np.float32), np.zeros(0, dtype=np.int64), 0.0).first) == 0
