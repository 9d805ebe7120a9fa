from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from components.core.errors import ContractError
from components.privacy.audit import Coins, audit, chance, lower_bound


@pytest.mark.parametrize(
    ("right", "canaries", "epsilon"),
    [(100, 100, 3.49), (200, 200, 4.19), (500, 500, 5.10), (1000, 1000, 5.78), (75, 100, 0.70), (300, 500, 0.25)],
)
def test_what_so_many_canaries_can_prove(right: int, canaries: int, epsilon: float) -> None:
    """Golden figures at 95 % and delta 1e-5."""
    assert lower_bound(right, canaries, canaries, delta=1e-5) == pytest.approx(epsilon, abs=6e-3)


def test_chance_against_a_plain_loop() -> None:
    """The sum of the published pseudocode, term by term."""
    right, guesses, canaries, epsilon, delta = 70, 90, 120, 0.8, 1e-3
    share = np.exp(epsilon) / (1 + np.exp(epsilon))
    weights = [binom.pmf(count, guesses, share) for count in range(guesses + 1)]
    total = slope = 0.0
    for below in range(1, right + 1):
        total += weights[right - below]
        slope = max(slope, total / below)
    expected = sum(weights[right:]) + slope * delta * 2 * canaries
    assert chance(right, guesses, canaries, epsilon=epsilon, delta=delta) == pytest.approx(expected, rel=1e-9)


def test_randomised_response_is_never_accused_wrongly_too_often() -> None:
    """A mechanism that is exactly epsilon-private: the bound exceeds it in at most 5 % of the audits."""
    epsilon, generator = 1.0, np.random.default_rng(3)
    share, accused, bounds = 1 / (1 + np.exp(-epsilon)), 0, []
    for _ in range(200):
        coins = Coins.throw(300, generator)
        told = np.where(generator.random(300) < share, coins.included_M, ~coins.included_M)
        found = audit(told + generator.random(300) * 1e-3, coins, delta=0.0)
        accused += found.epsilon > epsilon
        bounds.append(found.epsilon)
    assert accused <= 18  # 10 expected at most; binomial(200, 0.05) exceeds 18 once in 200
    assert np.median(bounds) > 0.6  # and it is not blind


def test_scores_that_know_nothing_prove_nothing() -> None:
    generator = np.random.default_rng(4)
    coins = Coins.throw(400, generator)
    assert audit(np.full(400, np.nan), coins, delta=1e-5).epsilon < 0.3
    assert audit(generator.random(400), coins, delta=1e-5).epsilon < 0.3
    assert audit(coins.included_M.astype(float), coins, delta=1e-5, guessed_share=0.5).right == 200


def test_few_canaries_and_missing_scores_are_refused() -> None:
    with pytest.raises(ContractError, match="at least 200"):
        Coins.throw(199, np.random.default_rng(0))
    coins = Coins.throw(200, np.random.default_rng(0))
    with pytest.raises(ContractError, match="give one each"):
        audit(np.zeros(199), coins, delta=1e-5)
