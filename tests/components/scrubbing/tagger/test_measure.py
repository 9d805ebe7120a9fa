"""Figures against small cases counted by hand."""

from __future__ import annotations

import pytest

from components.scrubbing.tagger.measure import MaskCounts, SpanCounts, bootstrap, f_score, wilson


def test_span_counts() -> None:
    counts = SpanCounts()
    gold = [(0, 4, "PERSON"), (10, 20, "LOCATION"), (30, 34, "PERSON")]
    found = [(0, 4, "PERSON"), (10, 16, "LOCATION"), (30, 34, "LOCATION"), (40, 41, "PERSON")]
    counts.add(gold, found, overlap=0.5)
    score = counts.score(beta=2.0)
    assert (score["precision"], score["recall"], score["n"]) == (2 / 4, 2 / 3, 3)
    assert score["f"] == pytest.approx(5 * 0.5 * (2 / 3) / (4 * 0.5 + 2 / 3))
    assert counts.score(["PERSON"], beta=1.0)["recall"] == 0.5


def test_one_gold_span_counts_once() -> None:
    counts = SpanCounts()
    counts.add([(0, 10, "PERSON")], [(0, 6, "PERSON"), (5, 10, "PERSON")], overlap=0.5)
    assert counts.score(beta=1.0)["precision"] == 0.5


def test_mask_counts() -> None:
    counts = MaskCounts()
    counts.add(20, [(0, 5), (3, 8)], [(0, 10)], {"DIRECT": [[(0, 4), (5, 8)], [(9, 10)]], "QUASI": []})
    assert counts.score() == {"precision": 1.0, "recall": 0.8, "f": f_score(1.0, 0.8, beta=1.0), "n": 10}
    assert counts.entities == {"DIRECT": [True, False]}


def test_wilson_is_the_published_interval() -> None:
    # Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662.
    assert wilson(81, 263) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))
    assert wilson(0, 0) == (0.0, 1.0)


def test_bootstrap_of_equal_units_is_a_point() -> None:
    unit = SpanCounts()
    unit.add([(0, 1, "PERSON"), (2, 3, "PERSON")], [(0, 1, "PERSON")], overlap=0.5)
    low, high = bootstrap([unit] * 5, beta=1.0)
    assert low == high == pytest.approx(2 / 3)
