"""Intervals: what turns a count or a list of scores into a claim with its uncertainty.

Everything is vectorised, seeded and two-sided at ``confidence`` (95 % unless told). Resampling is over independent
units (documents, templates), never over rows that share one. Letters: R resamples, K clusters, N observations.

Sources: Wilson 1927; Clopper & Pearson 1934; Efron 1987 (BCa); DeLong, DeLong & Clarke-Pearson 1988 in the
mid-rank form of Sun & Xu 2014; Newcombe 1998 for the difference of two intervals.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

DEFAULT_RESAMPLES = 2000
_CHUNK_CELLS = 4_000_000


@dataclass(frozen=True)
class Interval:
    """An estimate with its confidence limits; ``low <= value <= high`` up to rounding."""

    value: float
    low: float
    high: float


def normal_quantile(probability: float) -> float:
    """Quantile of the standard normal distribution."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(probability)


def wilson_interval(successes: int, trials: int, *, confidence: float = 0.95) -> Interval:
    """Wilson score interval of a share. Raises ValueError unless ``0 <= successes <= trials`` and trials > 0."""
    if trials <= 0 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials: need 0 <= successes <= trials and trials > 0")
    z = normal_quantile(0.5 + confidence / 2)
    share = successes / trials
    centre = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return Interval(share, low, high)


def clopper_pearson_interval(successes: int, trials: int, *, confidence: float = 0.95) -> Interval:
    """Exact binomial interval: never narrower than its confidence says."""
    from scipy.stats import beta

    if trials <= 0 or not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials: need 0 <= successes <= trials and trials > 0")
    tail = (1 - confidence) / 2
    low = 0.0 if successes == 0 else float(beta.ppf(tail, successes, trials - successes + 1))
    high = 1.0 if successes == trials else float(beta.ppf(1 - tail, successes + 1, trials - successes))
    return Interval(successes / trials, low, high)


def bootstrap_means(values: ArrayLike, *, seed: int, resamples: int = DEFAULT_RESAMPLES) -> FloatArray:
    """Means of resamples drawn with replacement. ``values`` [N] or [N, M]; out [R] or [R, M]."""
    data = np.asarray(values, dtype=np.float64)
    count = len(data)
    random = np.random.default_rng(seed)
    means = np.empty((resamples, *data.shape[1:]))
    step = max(1, _CHUNK_CELLS // max(1, count))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        # Counts a unit are enough for a mean: one matrix product in place of gathering every draw.
        draws = random.integers(0, count, size=(size, count)) + (np.arange(size) * count)[:, None]
        weights = np.bincount(draws.ravel(), minlength=size * count).reshape(size, count)
        means[start : start + size] = weights @ data / count
    return means


def percentile_interval(value: float, draws: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """Percentile limits of bootstrap draws, widened where needed to hold the estimate itself."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.asarray(draws, dtype=np.float64), [tail, 1 - tail])
    return Interval(value, min(float(low), value), max(float(high), value))


def bootstrap_mean(
    values: ArrayLike,
    *,
    seed: int,
    resamples: int = DEFAULT_RESAMPLES,
    confidence: float = 0.95,
    method: str = "percentile",
) -> Interval:
    """Bootstrap interval of a mean over independent values [N]; ``method`` is ``percentile`` or ``bca``."""
    data = np.asarray(values, dtype=np.float64)
    if len(data) == 0:
        raise ValueError("no values: a mean of nothing has no interval")
    value = float(data.mean())
    draws = bootstrap_means(data, seed=seed, resamples=resamples)
    if method == "percentile":
        return percentile_interval(value, draws, confidence=confidence)
    if method != "bca":
        raise ValueError(f"method {method!r}: known are percentile and bca")
    return _bca(data, value, draws, confidence)


def _bca(data: FloatArray, value: float, draws: FloatArray, confidence: float) -> Interval:
    """Bias-corrected and accelerated limits, Efron 1987 equations 2.3 and 6.6 with the jackknife acceleration."""
    from scipy.stats import norm

    below = (np.count_nonzero(draws < value) + 0.5 * np.count_nonzero(draws == value)) / len(draws)
    if len(data) < 2 or below in {0.0, 1.0} or np.ptp(data) == 0:
        return percentile_interval(value, draws, confidence=confidence)
    bias = norm.ppf(below)
    jackknife = (data.sum() - data) / (len(data) - 1)
    spread = jackknife.mean() - jackknife
    acceleration = (spread**3).sum() / (6 * ((spread**2).sum()) ** 1.5)
    z = norm.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    adjusted = norm.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))
    low, high = np.quantile(draws, adjusted)
    return Interval(value, min(float(low), value), max(float(high), value))


def cluster_sums(values: ArrayLike, clusters: Sequence[Hashable]) -> tuple[FloatArray, FloatArray]:
    """Sum of values and number of values a cluster, [K] each, clusters in order of first appearance."""
    index: dict[Hashable, int] = {}
    codes = np.array([index.setdefault(cluster, len(index)) for cluster in clusters], dtype=np.int64)
    sums = np.asarray(np.bincount(codes, np.asarray(values, dtype=np.float64), len(index)), dtype=np.float64)
    return sums, np.bincount(codes, minlength=len(index)).astype(np.float64)


def ratio_interval(
    numerators: ArrayLike,
    denominators: ArrayLike,
    *,
    seed: int,
    resamples: int = DEFAULT_RESAMPLES,
    confidence: float = 0.95,
) -> Interval:
    """Ratio of two sums over clusters ([K] each), resampling clusters."""
    pairs = np.stack([np.asarray(numerators, np.float64), np.asarray(denominators, np.float64)], axis=1)
    if len(pairs) == 0 or pairs[:, 1].sum() <= 0:
        raise ValueError("no clusters or a zero denominator: the ratio is undefined")
    value = float(pairs[:, 0].sum() / pairs[:, 1].sum())
    means = bootstrap_means(pairs, seed=seed, resamples=resamples)
    usable = means[:, 1] > 0
    return percentile_interval(value, means[usable, 0] / means[usable, 1], confidence=confidence)


def cluster_bootstrap_mean(
    values: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    seed: int,
    resamples: int = DEFAULT_RESAMPLES,
    confidence: float = 0.95,
) -> Interval:
    """Mean over observations [N], resampling whole clusters."""
    sums, counts = cluster_sums(values, clusters)
    return ratio_interval(sums, counts, seed=seed, resamples=resamples, confidence=confidence)


def clustered_share_interval(
    hits: ArrayLike,
    clusters: Sequence[Hashable],
    *,
    seed: int,
    resamples: int = DEFAULT_RESAMPLES,
    confidence: float = 0.95,
) -> Interval:
    """Share of hits [N] with the wider of the cluster bootstrap's and Wilson's limits on each side.

    With no hit at all every resample is zero and the bootstrap alone would claim certainty.
    """
    data = np.asarray(hits, dtype=bool)
    resampled = cluster_bootstrap_mean(data, clusters, seed=seed, resamples=resamples, confidence=confidence)
    binomial = wilson_interval(int(data.sum()), len(data), confidence=confidence)
    return Interval(resampled.value, min(resampled.low, binomial.low), max(resampled.high, binomial.high))


def paired_difference(
    first: ArrayLike,
    second: ArrayLike,
    *,
    seed: int,
    clusters: Sequence[Hashable] | None = None,
    resamples: int = DEFAULT_RESAMPLES,
    confidence: float = 0.95,
) -> Interval:
    """Mean of ``second - first`` over the same items [N], resampling items or their clusters."""
    difference = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    groups: Sequence[Hashable] = range(len(difference)) if clusters is None else clusters
    return cluster_bootstrap_mean(difference, groups, seed=seed, resamples=resamples, confidence=confidence)


def newcombe_difference(candidate: Interval, champion: Interval) -> Interval:
    """Interval of ``candidate - champion`` from two separate intervals (Newcombe 1998, method 10).

    Takes the two as independent; on the same items they are not, and then this is wider than it need be.
    """
    value = candidate.value - champion.value
    low = value - math.hypot(candidate.value - candidate.low, champion.high - champion.value)
    high = value + math.hypot(candidate.high - candidate.value, champion.value - champion.low)
    return Interval(value, low, high)


def area_under_curve(positives: ArrayLike, negatives: ArrayLike, *, confidence: float = 0.95) -> Interval:
    """P(positive scores above negative), ties half, with DeLong's interval. Needs two of each."""
    from scipy.stats import rankdata

    pos, neg = np.asarray(positives, np.float64), np.asarray(negatives, np.float64)
    if len(pos) < 2 or len(neg) < 2:
        raise ValueError(f"{len(pos)} positives, {len(neg)} negatives: need two of each")
    joint = rankdata(np.concatenate([pos, neg]))
    v_pos = (joint[: len(pos)] - rankdata(pos)) / len(neg)
    v_neg = 1 - (joint[len(pos) :] - rankdata(neg)) / len(pos)
    value = float(v_pos.mean())
    error = math.sqrt(float(v_pos.var(ddof=1)) / len(pos) + float(v_neg.var(ddof=1)) / len(neg))
    half = normal_quantile(0.5 + confidence / 2) * error
    return Interval(value, max(0.0, value - half), min(1.0, value + half))


def mann_whitney_p(greater: ArrayLike, less: ArrayLike) -> float:
    """One-sided p of "the first sample tends to be greater than the second"."""
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(np.asarray(greater), np.asarray(less), alternative="greater").pvalue)


def minimum_detectable_effect(
    standard_deviation: float, n: int, *, confidence: float = 0.95, power: float = 0.8
) -> float:
    """Distance from the threshold at which a mean over n units passes its gate with this power."""
    factor = normal_quantile(0.5 + confidence / 2) + normal_quantile(power)
    return factor * standard_deviation / math.sqrt(n)
