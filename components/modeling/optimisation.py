"""Optimiser, learning-rate schedule and arithmetic of both training stages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from components.modeling.config import Precision

BETAS, EPSILON = (0.9, 0.98), 1e-6  # MosaicBERT (https://arxiv.org/abs/2312.17482)


def warmup_stable_decay(step: int, *, total: int, warmup_share: float, decay_share: float) -> float:
    """Factor of the peak rate at a step counted from 0: linear up, flat, linear down; never 0 before ``total``."""
    warmup, decay = round(total * warmup_share), round(total * decay_share)
    rising = (step + 1) / warmup if warmup else 1.0
    falling = (total - step) / decay if decay else 1.0
    return max(0.0, min(1.0, rising, falling))


def make_optimizer(
    model: nn.Module, *, learning_rate: float, weight_decay: float, layerwise_decay: float = 1.0
) -> torch.optim.AdamW:
    """Fused AdamW; biases and norms (vectors) have no decay, lower layers a smaller rate.

    Args:
        model: Its parameters with ``requires_grad``.
        learning_rate: Rate of the top (head, pooler).
        weight_decay: Decay of matrices.
        layerwise_decay: Rate of a layer over the rate of the one above; the embeddings lie below layer 0.
    """
    depths = {name: _depth(name) for name, _ in model.named_parameters()}
    top = max((depth for depth in depths.values() if depth is not None), default=0) + 1
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            depth = depths[name]
            groups.setdefault((top if depth is None else depth, parameter.ndim >= 2), []).append(parameter)
    settings = [
        {
            "params": parameters,
            "lr": learning_rate * layerwise_decay ** (top - depth),
            "weight_decay": weight_decay if decays else 0.0,
        }
        for (depth, decays), parameters in sorted(groups.items(), key=lambda item: item[0])
    ]
    return torch.optim.AdamW(settings, lr=learning_rate, betas=BETAS, eps=EPSILON, fused=True)


def resolve_precision(precision: Precision) -> Precision:
    """``bf16`` or ``fp32``; ``auto`` is bf16 only where the hardware multiplies it, because emulation is slower."""
    if precision != "auto":
        return precision
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return "bf16" if any(getattr(torch.cpu, probe, bool)() for probe in probes) else "fp32"


@contextmanager
def arithmetic(threads: int | None, seed: int) -> Iterator[None]:
    """Threads and random state of torch for the time of a training; both are put back."""
    before = torch.get_num_threads()
    try:
        if threads is not None:
            torch.set_num_threads(threads)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


def _depth(name: str) -> int | None:
    """0 for embeddings, layer + 1 for layers, None for what lies above them."""
    if match := re.search(r"\blayers?\.(\d+)\.", name):
        return int(match.group(1)) + 1
    return 0 if "embed" in name else None
