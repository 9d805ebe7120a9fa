"""The private step around clipped sums: who is drawn, how much noise, by what it is divided.

Draws and noise come from generators that the operating system seeds, anew in every process; no seed is kept anywhere.
They are ordinary generators (PCG64-DXSM and Mersenne Twister), not hardened against an attacker who sees the low bits
of floating-point noise (Mironov 2012); what is reported says so.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

SAMPLER = "Poisson: every unit by itself, at every step"
GENERATORS = "PCG64-DXSM and Mersenne Twister, seeded by the operating system; not hardened"


def fresh_sampler() -> np.random.Generator:
    """A generator of draws that nobody can foresee."""
    return np.random.Generator(np.random.PCG64DXSM(secrets.randbits(128)))


def fresh_noise(device: torch.device) -> torch.Generator:
    """A generator of noise that nobody can foresee."""
    return torch.Generator(device).manual_seed(secrets.randbits(63))


def draw_units(units: int, sampling_rate: float, generator: np.random.Generator) -> NDArray[np.int64]:
    """Numbers of the units of one step, each in with the sampling rate; often none where little is expected."""
    return np.flatnonzero(generator.random(units) < sampling_rate).astype(np.int64)


def release_gradients(
    sums: Mapping[nn.Parameter, torch.Tensor],
    *,
    clip_norm: float,
    noise_multiplier: float,
    expected_units: int,
    generator: torch.Generator,
) -> None:
    """Give every parameter the noisy mean as its ``grad``.

    Noise of ``noise_multiplier * clip_norm`` is added to the sum, and the divisor is the expected number of units, a
    constant, whoever was drawn.
    """
    for parameter, total in sums.items():
        noise = torch.randn(total.shape, generator=generator, device=total.device, dtype=total.dtype)
        noisy = (total + noise_multiplier * clip_norm * noise) / expected_units
        parameter.grad = noisy.to(parameter.dtype)


def micro_batches(
    chosen: Sequence[int], rows_of_unit: Sequence[Sequence[int]], rows_per_batch: int
) -> list[tuple[list[int], int]]:
    """Rows of the chosen units, so many at once; units of a batch have as many rows as each other.

    Returns:
        For each batch its rows, those of a unit side by side, and how many rows a unit has.
    """
    by_size: dict[int, list[int]] = {}
    for unit in chosen:
        if not rows_of_unit[unit]:
            continue  # drawn, and nothing to say: a canary that is out
        by_size.setdefault(len(rows_of_unit[unit]), []).append(unit)
    batches = []
    for size in sorted(by_size):
        at_once = max(1, rows_per_batch // size)
        units = by_size[size]
        for start in range(0, len(units), at_once):
            rows = [row for unit in units[start : start + at_once] for row in rows_of_unit[unit]]
            batches.append((rows, size))
    return batches
