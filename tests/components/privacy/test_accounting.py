from __future__ import annotations

import math

import pytest

pytest.importorskip("dp_accounting", reason="needs the extra `privacy`")

from components.privacy.accounting import Mechanism, check_accountants, compose, solve_noise

# units, units a step, noise multiplier, delta, steps: epsilon by dp-accounting 0.6 PLD and by Opacus 1.6 PRV
GOLDEN = [
    (67349, 1024, 0.8, 7.42e-6, 197, 2.6318, 2.6422),
    (60000, 256, 1.1, 1e-5, 3515, 1.1337, 1.1438),
    (50000, 512, 1.0, 1e-5, 2929, 3.2369, 3.2471),
    (2000, 64, 1.0, 2.5e-4, 156, 1.9875, 1.9978),
]


@pytest.mark.parametrize("row", GOLDEN, ids=str)
def test_golden_epsilons(row: tuple[int, int, float, float, int, float, float]) -> None:
    units, batch, sigma, delta, steps, pld, prv = row
    mechanism = Mechanism(batch / units, sigma, steps)
    first, second = check_accountants(mechanism, delta)
    assert first == pytest.approx(pld, abs=1e-3)
    assert second == pytest.approx(prv, abs=1e-3)


@pytest.mark.parametrize(("epsilon", "sigma"), [(1.0, 1.166), (8.0, 0.544)])
def test_golden_noise_of_an_sst2_sized_set(epsilon: float, sigma: float) -> None:
    units, batch = 67349, 1000
    found = solve_noise(batch / units, round(3 * units / batch), epsilon=epsilon, delta=1 / (2 * units))
    assert found == pytest.approx(sigma, abs=1e-3)


def test_solved_noise_never_costs_more_than_asked() -> None:
    sigma = solve_noise(0.05, 100, epsilon=2.0, delta=1e-5)
    assert compose([Mechanism(0.05, sigma, 100)], 1e-5).epsilon <= 2.0
    assert compose([Mechanism(0.05, sigma * 0.995, 100)], 1e-5).epsilon > 2.0


def test_full_batch_gaussian_against_the_closed_form() -> None:
    """Balle and Wang 2018, theorem 8: delta = Phi(1/2s - e s) - exp(e) Phi(-1/2s - e s)."""

    def phi(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    sigma, steps, delta = 4.0, 4, 1e-5
    epsilon = compose([Mechanism(1.0, sigma, steps)], delta).epsilon
    s = sigma / math.sqrt(steps)
    assert phi(0.5 / s - epsilon * s) - math.exp(epsilon) * phi(-0.5 / s - epsilon * s) == pytest.approx(
        delta, rel=1e-2
    )


def test_composition_in_parts_is_composition_whole() -> None:
    whole = compose([Mechanism(0.02, 1.1, 300)], 1e-5)
    parts = compose([Mechanism(0.02, 1.1, 100), Mechanism(0.02, 1.1, 200)], 1e-5)
    assert parts == whole
    assert compose([], 1e-5).epsilon == 0
    assert compose([Mechanism(0.02, 0.0, 1)], 1e-5).epsilon == math.inf


def test_many_mechanisms_fall_back_to_a_larger_bound_and_say_so() -> None:
    mechanisms = [Mechanism(0.01 + place * 1e-6, 1.0, 10) for place in range(25)]
    many, one = compose(mechanisms, 1e-5), compose([Mechanism(0.01, 1.0, 250)], 1e-5)
    assert (many.accountant, one.accountant) == ("rdp", "pld")
    assert many.epsilon > one.epsilon
