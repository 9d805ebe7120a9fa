"""What steps cost: privacy loss distributions of the Poisson-sampled Gaussian mechanism, add or remove one unit.

First accountant: dp-accounting's PLD (Doroshenko et al. 2022, https://arxiv.org/abs/2207.04380). Second: Opacus' PRV
(Gopi et al. 2021, https://arxiv.org/abs/2106.02848). Both round up. Many different mechanisms take PLD long; beyond
``_MAX_MECHANISMS`` Renyi's bound is used instead, which is larger, and the answer says so.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from components.core.errors import ConfigError

Accountant = Literal["pld", "rdp"]

NEIGHBOURS = "add or remove one unit"
_FINE, _COARSE = 1e-4, 1e-3  # width of a bin of privacy loss, in nats; a wider one only rounds up more
_FINE_MECHANISMS, _MAX_MECHANISMS = 3, 24
_SIGMA_TOLERANCE = 1e-4  # relative; the larger end is taken
_MAX_SIGMA = 1e4


@dataclass(frozen=True)
class Mechanism:
    """Steps of one kind: each draws every unit with ``sampling_rate`` and adds noise of ``noise_multiplier`` clips."""

    sampling_rate: float
    noise_multiplier: float
    steps: int


@dataclass(frozen=True)
class Spent:
    """An epsilon and how it was computed."""

    epsilon: float
    delta: float
    accountant: Accountant


def compose(mechanisms: Iterable[Mechanism], delta: float) -> Spent:
    """Epsilon of everything together at one delta; infinite where noise is 0. No step costs nothing."""
    merged: dict[tuple[float, float], int] = {}
    for one in mechanisms:
        key = (one.sampling_rate, one.noise_multiplier)
        merged[key] = merged.get(key, 0) + one.steps
    return _compose(tuple(sorted((*key, steps) for key, steps in merged.items() if steps)), delta)


@lru_cache(maxsize=512)
def _compose(parts: tuple[tuple[float, float, int], ...], delta: float) -> Spent:
    if not parts:
        return Spent(0.0, delta, "pld")
    if any(sigma <= 0 for _, sigma, _ in parts):
        return Spent(math.inf, delta, "pld")
    if len(parts) > _MAX_MECHANISMS:
        return Spent(_epsilon(parts, delta, None), delta, "rdp")
    width = _FINE if len(parts) <= _FINE_MECHANISMS else _COARSE
    return Spent(_epsilon(parts, delta, width), delta, "pld")


def _epsilon(parts: tuple[tuple[float, float, int], ...], delta: float, width: float | None) -> float:
    """By PLD with bins of a width, or by RDP without."""
    import dp_accounting
    from dp_accounting import pld, rdp

    accountant = rdp.RdpAccountant() if width is None else pld.PLDAccountant(value_discretization_interval=width)
    for rate, sigma, steps in parts:
        gaussian = dp_accounting.GaussianDpEvent(sigma)
        step = gaussian if rate >= 1 else dp_accounting.PoissonSampledDpEvent(rate, gaussian)
        accountant.compose(dp_accounting.SelfComposedDpEvent(step, steps))
    return float(accountant.get_epsilon(delta))


def second_opinion(mechanism: Mechanism, delta: float) -> float:
    """Epsilon by Opacus' PRV, an upper bound about 0.01 above PLD by design."""
    from opacus.accountants import PRVAccountant

    accountant = PRVAccountant()
    accountant.history = [(mechanism.noise_multiplier, mechanism.sampling_rate, mechanism.steps)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(accountant.get_epsilon(delta))


def solve_noise(sampling_rate: float, steps: int, *, epsilon: float, delta: float) -> float:
    """The least noise multiplier whose steps cost at most epsilon, to a relative 1e-4 from above.

    Raises:
        ConfigError: No multiplier up to 10,000 is enough, or the two accountants disagree about the answer.
    """
    from scipy.optimize import brentq

    def excess(sigma: float) -> float:
        """In logarithms, where the curve is nearly straight."""
        return math.log(_epsilon(((sampling_rate, math.exp(sigma), steps),), delta, _COARSE) / epsilon)

    low, high = math.log(0.3), math.log(1.0)
    while excess(high) > 0:
        low, high = high, high + math.log(2)
        if high > math.log(_MAX_SIGMA):
            raise ConfigError(
                f"privacy.epsilon ({epsilon}) at delta {delta}: no noise reaches it in {steps} steps; take fewer steps "
                "or a larger epsilon"
            )
    found = high if excess(low) <= 0 else brentq(excess, low, high, xtol=_SIGMA_TOLERANCE / 2)
    while excess(found) > 0:
        found += _SIGMA_TOLERANCE / 2
    sigma = math.exp(found)
    check_accountants(Mechanism(sampling_rate, sigma, steps), delta)
    return sigma


def check_accountants(mechanism: Mechanism, delta: float) -> tuple[float, float]:
    """Epsilon by PLD and by PRV. Raises ConfigError if they differ by more than 0.02 and 1 %."""
    first, second = compose([mechanism], delta).epsilon, second_opinion(mechanism, delta)
    if abs(first - second) > 0.02 + 0.01 * first:
        raise ConfigError(f"privacy: PLD says epsilon {first:.4f}, PRV {second:.4f} for one mechanism; do not train, "
                          "look at the versions of dp-accounting and opacus")  # fmt: skip
    return first, second
