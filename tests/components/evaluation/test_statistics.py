"""Intervals against other libraries, closed forms and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from components.evaluation import statistics as ours


@pytest.mark.parametrize(("hits", "n"), [(0, 20), (1, 20), (10, 20), (20, 20), (444, 752), (3, 600)])
def test_share_intervals_equal_statsmodels(hits: int, n: int) -> None:
    wilson, exact = ours.wilson_interval(hits, n), ours.clopper_pearson_interval(hits, n)
    assert (wilson.low, wilson.high) == pytest.approx(proportion_confint(hits, n, method="wilson"), abs=1e-12)
    assert (exact.low, exact.high) == pytest.approx(proportion_confint(hits, n, method="beta"), abs=1e-12)
    assert wilson.value == exact.value == hits / n


@pytest.mark.parametrize(("hits", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(hits: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes"):
        ours.wilson_interval(hits, n)
    with pytest.raises(ValueError, match="successes"):
        ours.clopper_pearson_interval(hits, n)


def test_bootstrap_agrees_with_the_normal_theory_and_with_scipy() -> None:
    data = np.random.default_rng(1).exponential(size=400)
    error = data.std(ddof=1) / 20
    plain = ours.bootstrap_mean(data, seed=3, resamples=4000)
    assert (plain.low, plain.high) == pytest.approx((data.mean() - 1.96 * error, data.mean() + 1.96 * error), abs=0.02)
    bca = ours.bootstrap_mean(data, seed=3, resamples=8000, method="bca")
    theirs = stats.bootstrap((data,), np.mean, n_resamples=8000, method="BCa", rng=np.random.default_rng(5))
    assert (bca.low, bca.high) == pytest.approx(tuple(theirs.confidence_interval), abs=0.01)


def test_bootstrap_draws_are_means_of_resamples_and_repeat() -> None:
    data = np.arange(10.0)
    draws = ours.bootstrap_means(data, seed=4, resamples=500)
    assert np.array_equal(draws, ours.bootstrap_means(data, seed=4, resamples=500))
    assert not np.array_equal(draws, ours.bootstrap_means(data, seed=5, resamples=500))
    random = np.random.default_rng(4)
    assert draws == pytest.approx(data[random.integers(0, 10, (500, 10))].mean(axis=1))


def test_chunked_bootstrap_has_the_spread_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    data = np.random.default_rng(0).normal(size=(50, 2))
    monkeypatch.setattr(ours, "_CHUNK_CELLS", 500)
    draws = ours.bootstrap_means(data, seed=4, resamples=3000)
    assert draws.std(axis=0) == pytest.approx(data.std(axis=0) / math.sqrt(50), rel=0.06)


def test_clusters_widen_the_interval_as_the_design_effect_says() -> None:
    """Twenty identical copies of each of 50 values hold the evidence of 50, not of 1000."""
    values = np.random.default_rng(2).normal(size=50)
    copies, clusters = np.repeat(values, 20), list(np.repeat(np.arange(50), 20))
    clustered = ours.cluster_bootstrap_mean(copies, clusters, seed=1, resamples=4000)
    alone = ours.bootstrap_mean(values, seed=1, resamples=4000)
    assert (clustered.value, clustered.low, clustered.high) == pytest.approx((alone.value, alone.low, alone.high))
    naive = ours.bootstrap_mean(copies, seed=1, resamples=4000)
    assert (clustered.high - clustered.low) / (naive.high - naive.low) == pytest.approx(math.sqrt(20), rel=0.1)


def test_cluster_sums_by_hand() -> None:
    sums, counts = ours.cluster_sums([1, 2, 3, 4], ["b", "a", "b", "c"])
    assert list(sums) == [4, 2, 4]
    assert list(counts) == [2, 1, 1]


def test_no_hits_are_not_certainty() -> None:
    interval = ours.clustered_share_interval(np.zeros(100), list(range(100)), seed=1)
    assert interval.low == interval.value == 0
    assert interval.high == pytest.approx(proportion_confint(0, 100, method="wilson")[1])


@given(st.lists(st.integers(0, 6), min_size=2, max_size=30), st.lists(st.integers(0, 6), min_size=2, max_size=30))
@settings(max_examples=60, deadline=None)
def test_area_under_curve_counts_pairs(positives: list[int], negatives: list[int]) -> None:
    wins = sum((p > n) + 0.5 * (p == n) for p in positives for n in negatives)
    found = ours.area_under_curve(positives, negatives)
    assert found.value == pytest.approx(wins / len(positives) / len(negatives))
    truth = [1] * len(positives) + [0] * len(negatives)
    assert found.value == pytest.approx(roc_auc_score(truth, positives + negatives))


def test_delong_interval_covers_as_often_as_it_says() -> None:
    random = np.random.default_rng(7)
    true_auc = stats.norm.cdf(0.5 / math.sqrt(2))
    hits = 0
    for _ in range(400):
        found = ours.area_under_curve(random.normal(0.5, 1, 60), random.normal(0, 1, 80))
        hits += found.low <= true_auc <= found.high
    assert 0.92 <= hits / 400 <= 0.98


def test_newcombe_difference_equals_statsmodels() -> None:
    candidate, champion = ours.wilson_interval(30, 200), ours.wilson_interval(22, 180)
    theirs = confint_proportions_2indep(30, 200, 22, 180, method="newcomb")
    found = ours.newcombe_difference(candidate, champion)
    assert (found.low, found.high) == pytest.approx(theirs, abs=1e-9)


def test_paired_difference_sees_what_separate_intervals_cannot() -> None:
    base = np.random.default_rng(3).normal(scale=10, size=200)
    found = ours.paired_difference(base, base + 0.5 + np.random.default_rng(4).normal(scale=0.1, size=200), seed=1)
    assert 0.45 < found.low < found.value < found.high < 0.55


def test_mann_whitney_is_one_sided() -> None:
    high, low = np.arange(50) + 10.0, np.arange(50) * 1.0
    assert ours.mann_whitney_p(high, low) < 0.01
    assert ours.mann_whitney_p(low, high) > 0.99


def test_minimum_detectable_effect_of_a_share() -> None:
    """Known: 95 % half-width of +-6.05 points at n = 262, p = 0.5; power adds 0.84 standard errors."""
    half_width = 1.959964 * 0.5 / math.sqrt(262)
    assert half_width == pytest.approx(0.0605, abs=1e-4)
    found = ours.minimum_detectable_effect(0.5, 262)
    assert found == pytest.approx(half_width + 0.841621 * 0.5 / math.sqrt(262), rel=1e-5)


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("data", [[0.0], [1.0, 1.0, 1.0], [0.0, 1.0]])
def test_tiny_and_constant_samples_stay_finite(data: list[float], method: str) -> None:
    found = ours.bootstrap_mean(data, seed=0, method=method)
    assert found.low <= found.value <= found.high
    assert all(map(math.isfinite, (found.low, found.value, found.high)))


def test_nothing_has_no_interval() -> None:
    with pytest.raises(ValueError, match="no values"):
        ours.bootstrap_mean([], seed=0)
    with pytest.raises(ValueError, match="undefined"):
        ours.ratio_interval([], [], seed=0)
    with pytest.raises(ValueError, match="two of each"):
        ours.area_under_curve([1.0], [0.0, 1.0])
