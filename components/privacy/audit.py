"""Auditing a private training in one run: a lower bound of its epsilon from canaries that were in or out by a coin.

After Steinke, Nasr, Jagielski 2023 (https://arxiv.org/abs/2305.08846), theorem 5.2 and algorithm 1: m canaries are put
in or left out by independent fair coins, the auditor guesses the ``k_in`` with the highest scores to be in and the
``k_out`` with the lowest to be out. Were the training (epsilon, delta)-private, as many right guesses as were seen
would be improbable; the largest epsilon that can be ruled out at the confidence is the bound. It can refute a claim and
never prove one: 200 canaries all guessed right prove 4.19 at 95 % and delta 1e-5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from components.core.errors import ContractError
from components.privacy.config import MIN_CANARIES

_MAX_EPSILON = 30.0
_TOLERANCE = 1e-4


class PrivacyAudit(BaseModel):
    """What one audit found; ``epsilon`` is a lower bound at ``confidence``, 0 where nothing can be ruled out."""

    canaries: int
    guesses: int
    right: int
    epsilon: float
    delta: float
    confidence: float


@dataclass(frozen=True)
class Coins:
    """Which canaries are in the training data, [m] bool, thrown before anything is trained."""

    included_M: NDArray[np.bool_]

    @staticmethod
    def throw(canaries: int, generator: np.random.Generator) -> Coins:
        """Independent fair coins. Raises ContractError for so few canaries that nothing could be found."""
        if canaries < MIN_CANARIES:
            raise ContractError(f"audit: {canaries} canaries, at least {MIN_CANARIES} are needed to find anything")
        return Coins(generator.random(canaries) < 0.5)


def chance(right: int, guesses: int, canaries: int, *, epsilon: float, delta: float) -> float:
    """Most probable that so many guesses or more are right under (epsilon, delta), theorem 5.2.

    At delta 0 the number of right guesses is dominated by a binomial at ``e^epsilon / (1 + e^epsilon)``; delta adds
    ``2 * canaries * delta`` times the largest slope of its tail.
    """
    from scipy.stats import binom

    share = 1.0 / (1.0 + math.exp(-epsilon))
    tail = float(binom.sf(right - 1, guesses, share))
    if delta == 0:
        return min(1.0, tail)
    below = np.arange(1, right + 1)
    gained = binom.sf(right - 1 - below, guesses, share) - tail
    slope = float((gained / below).max()) if right else 0.0
    return min(1.0, tail + 2 * canaries * delta * slope)


def lower_bound(right: int, guesses: int, canaries: int, *, delta: float, confidence: float = 0.95) -> float:
    """The largest epsilon that so many right guesses rule out, to 1e-4 from below."""
    limit = 1.0 - confidence
    if not guesses or chance(right, guesses, canaries, epsilon=0.0, delta=delta) > limit:
        return 0.0
    low, high = 0.0, _MAX_EPSILON
    while high - low > _TOLERANCE:
        middle = (low + high) / 2
        ruled_out = chance(right, guesses, canaries, epsilon=middle, delta=delta) <= limit
        low, high = (middle, high) if ruled_out else (low, middle)
    return low


def audit(
    scores_M: NDArray[np.float64],
    coins: Coins,
    *,
    delta: float,
    guessed_share: float = 1.0,
    confidence: float = 0.95,
) -> PrivacyAudit:
    """Guess by score and count.

    Args:
        scores_M: A number a canary, higher where it looks trained on; ties and NaN count against the auditor.
        coins: Which canaries were in.
        delta: Of the claim.
        guessed_share: Share of the canaries that are guessed, half of it at either end. It must be fixed before scores
            are seen: choosing it by what they show needs a correction, which is not made here.
        confidence: Of the bound.

    Raises:
        ContractError: The scores do not fit the coins, or there are too few canaries.
    """
    canaries = len(coins.included_M)
    if scores_M.shape != (canaries,):
        raise ContractError(f"audit: {scores_M.shape} scores for {canaries} canaries; give one each")
    if canaries < MIN_CANARIES:
        raise ContractError(f"audit: {canaries} canaries, at least {MIN_CANARIES} are needed to find anything")
    each_end = int(canaries * guessed_share / 2)
    # Unscored canaries and ties go by place, which knows nothing of the coins.
    known_M = scores_M[np.isfinite(scores_M)]
    middle = float(np.median(known_M)) if len(known_M) else 0.0
    order_M = np.argsort(np.where(np.isnan(scores_M), middle, scores_M), kind="stable")
    out, inside = order_M[:each_end], order_M[canaries - each_end :]
    right = int(coins.included_M[inside].sum() + (~coins.included_M[out]).sum())
    found = lower_bound(right, 2 * each_end, canaries, delta=delta, confidence=confidence)
    return PrivacyAudit(
        canaries=canaries, guesses=2 * each_end, right=right, epsilon=found, delta=delta, confidence=confidence
    )
