"""Distances against scipy, chance against theory, and the rule at small and at large n."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.sparse import csr_matrix
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from components.validation.drift_report import DriftTest, TestState, combine, judge
from components.validation.drift_statistics import (
    category_distance,
    count_distance,
    deal,
    divergence,
    mean_rise,
    order_distance,
)


def sides(n_current: int, n_reference: int) -> np.ndarray:
    return np.arange(n_current + n_reference) < n_current


def dealt(n_current: int, n_reference: int, *, draws: int = 200) -> np.ndarray:
    is_current = sides(n_current, n_reference)
    return deal(np.arange(len(is_current)), is_current, seed=1, draws=draws)


def test_divergence_is_scipys_in_bits() -> None:
    first, second = np.array([[6.0, 3.0, 1.0]]), np.array([[1.0, 0.0, 9.0]])
    assert divergence(first, second)[0] == pytest.approx(jensenshannon(first[0], second[0], base=2) ** 2, rel=1e-9)
    assert divergence(first, first)[0] == 0
    assert divergence(np.array([[1.0, 0.0]]), np.array([[0.0, 5.0]]))[0] == pytest.approx(1)


def test_half_against_six_tenths_is_the_number_in_the_config() -> None:
    """The words of ``max_language_distance``: 50:50 to 60:40 is 0.09."""
    assert math.sqrt(divergence(np.array([[50.0, 50.0]]), np.array([[60.0, 40.0]]))[0]) == pytest.approx(
        0.0855, abs=1e-3
    )


def test_order_distance_without_chance_is_scipys() -> None:
    """Against a slow road: scipy's distance for the sides as they are and for each draw."""
    generator = np.random.default_rng(3)
    values = np.concatenate([generator.normal(1, 1, 60), generator.normal(0, 1, 90)])
    rows = dealt(60, 90, draws=50)
    slow = [wasserstein_distance(values[row], values[~row]) for row in rows]
    found = order_distance(values, rows)
    assert found.score == pytest.approx(slow[0] - np.mean(slow[1:]), rel=1e-9)
    assert found.chance == pytest.approx(np.quantile(slow[1:], 0.99) - np.mean(slow[1:]), rel=1e-9)


def test_category_and_word_distances_agree_with_a_slow_road() -> None:
    generator = np.random.default_rng(4)
    codes = np.concatenate([generator.integers(0, 3, 80), generator.integers(0, 5, 70)])
    rows = dealt(80, 70, draws=50)
    slow = [
        jensenshannon(np.bincount(codes[row], minlength=5), np.bincount(codes[~row], minlength=5), base=2) ** 2
        for row in rows
    ]
    expected = math.sqrt(slow[0] - np.mean(slow[1:]))
    assert category_distance(codes, rows).score == pytest.approx(expected, rel=1e-5)
    one_hot = csr_matrix(np.eye(5)[codes])
    assert count_distance(one_hot, rows).score == pytest.approx(expected, rel=1e-5)


def test_mean_rise_by_hand() -> None:
    values = np.array([0.5] * 50 + [0.2] * 50)
    assert mean_rise(values, dealt(50, 50)).score == pytest.approx(0.3, abs=0.01)
    assert mean_rise(1 - values, dealt(50, 50)).score == 0  # a fall


def test_expected_chance_of_a_divergence_follows_theory() -> None:
    """The mean of 2 N D ln 2 under chance is (K - 1), a chi-square's (N the harmonic size): Lin 1991, Menendez 1997."""
    generator = np.random.default_rng(5)
    n, categories = 4_000, 10
    codes = generator.integers(0, categories, 2 * n)
    rows = dealt(n, n)
    values = divergence(
        np.stack([np.bincount(codes[row], minlength=categories) for row in rows]).astype(float),
        np.stack([np.bincount(codes[~row], minlength=categories) for row in rows]).astype(float),
    )
    # D ~ chi2(K-1) / (8 N ln 2) with 1/N = 1/n + 1/n
    theory = (categories - 1) / (8 * (n / 2) * math.log(2))
    assert values[1:].mean() == pytest.approx(theory, rel=0.15)


@pytest.mark.parametrize("n", [100, 1_000, 20_000])
def test_two_samples_of_one_population_never_drift_and_a_real_shift_does_not_depend_on_n(n: int) -> None:
    generator = np.random.default_rng(n)
    draws = 40 if n > 10_000 else 200
    same = generator.choice(2, 2 * n, p=[0.5, 0.5])
    moved = np.concatenate([generator.choice(2, n, p=[0.2, 0.8]), generator.choice(2, n, p=[0.5, 0.5])])
    rows = dealt(n, n, draws=draws)
    quiet, loud = category_distance(same, rows), category_distance(moved, rows)
    assert judge(quiet.score, quiet.chance, 0.1)[0] is not TestState.DRIFTED
    assert judge(loud.score, loud.chance, 0.1)[0] is TestState.DRIFTED
    exact = jensenshannon([0.2, 0.8], [0.5, 0.5], base=2)
    assert loud.score == pytest.approx(exact, abs=3 / math.sqrt(n))


def test_a_significant_but_slight_difference_is_no_drift() -> None:
    """51 to 49 in 40,000 records has a p-value below 1e-4, and is nothing to retrain for."""
    from scipy.stats import chi2_contingency

    codes = np.array([0] * 10_200 + [1] * 9_800 + [0] * 9_800 + [1] * 10_200)
    assert chi2_contingency([[10_200, 9_800], [9_800, 10_200]]).pvalue < 1e-4
    found = category_distance(codes, dealt(20_000, 20_000, draws=40))
    assert judge(found.score, found.chance, 0.1)[0] is TestState.SAME


def test_records_of_one_writer_are_dealt_together() -> None:
    """Two writers a side: whatever differs between writers cannot be told from what differs between sides."""
    units = np.repeat(np.arange(4), 50)
    is_current = sides(100, 100)
    rows = deal(units, is_current, seed=2)
    for row in rows:
        assert all(len(set(row[units == unit])) == 1 for unit in range(4))
        assert 0 < row.sum() < 200
    codes = units % 4
    together = category_distance(codes, rows)
    alone = category_distance(codes, dealt(100, 100))
    assert judge(alone.score, alone.chance, 0.3)[0] is TestState.DRIFTED
    assert alone.reason == ""
    assert together.score == 0
    assert together.reason == "random draws already differ by 1.00 of 1 bit"


@pytest.mark.parametrize(
    ("score", "chance", "state"),
    [
        (0.30, 0.05, TestState.DRIFTED),
        (0.20, 0.05, TestState.SAME),  # at the limit is not beyond it
        (0.00, 0.20, TestState.SAME),
        (0.25, 0.30, TestState.UNRESOLVED),
        (0.00, 0.30, TestState.UNRESOLVED),
        (0.40, 0.30, TestState.DRIFTED),
    ],
)
def test_the_rule(score: float, chance: float, state: TestState) -> None:
    assert judge(score, chance, 0.2)[0] is state


def a_test(name: str, state: TestState) -> DriftTest:
    return DriftTest(
        name=name, statistic="mean_rise", score=0.1, chance=0.1, threshold=0.1, n_current=1, n_reference=1, state=state
    )


@pytest.mark.parametrize(
    ("states", "outcome"),
    [
        ([TestState.SAME, TestState.NOT_JUDGED], "no_drift"),
        ([TestState.SAME, TestState.UNRESOLVED], "error"),
        ([TestState.DRIFTED, TestState.UNRESOLVED], "drift"),
        ([TestState.NOT_JUDGED], "error"),
        ([], "error"),
    ],
)
def test_no_vacuous_pass(states: list[TestState], outcome: str) -> None:
    assert combine([a_test(f"t{n}", state) for n, state in enumerate(states)])[0] == outcome
