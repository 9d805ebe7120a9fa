"""Seeds: one number a pipeline run, and from it an independent one for each named use.

Order and worker count must not change a result, so a use is named, never numbered by call order.
"""

from __future__ import annotations

import hashlib


def derive_seed(seed: int, *names: str | int) -> int:
    """An integer in [0, 2**63) that depends on the run's seed and on what it is for."""
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:8], "big") >> 1
