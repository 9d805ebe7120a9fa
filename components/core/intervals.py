"""The interval of a share."""

from __future__ import annotations

from statistics import NormalDist

_Z = NormalDist().inv_cdf(0.975)


def wilson_interval(count: int, n: int) -> tuple[float, float]:
    """95 % interval of a share ``count / n``, after Wilson 1927; (0, 1) where there is nothing to tell from."""
    if n == 0:
        return 0.0, 1.0
    share, z2 = count / n, _Z * _Z
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z / (1 + z2 / n) * (share * (1 - share) / n + z2 / (4 * n * n)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)
