"""Summed cross-entropy over the vocabulary without its logits: some rows at a time, gradients made on the way.

Logits of all targets, their logarithms and their gradient are three times targets x vocabulary numbers, more than all
else that a small network keeps. Here a chunk's logits become its gradient in place, while they are still in the
cache; what remains is the gradients of the hidden states and of the weights. Letters: P targets, D width, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

_CHUNK_NUMBERS = 2**21  # logits at a time: 8 MB


def summed_cross_entropy(
    hidden_PD: torch.Tensor, weight_VD: torch.Tensor, bias_V: torch.Tensor | None, targets_P: torch.Tensor
) -> torch.Tensor:
    """Sum over targets of the cross-entropy of ``hidden @ weight.T + bias``: nats, a scalar to be derived once.

    On an accelerator and in mixed precision the logits are made whole: there they are small beside what the device
    holds, and its own kernels are fused.
    """
    if hidden_PD.device.type == "cpu" and hidden_PD.dtype == torch.float32 and not torch.is_autocast_enabled("cpu"):
        total: torch.Tensor = _InChunks.apply(hidden_PD, weight_VD, bias_V, targets_P)  # type: ignore[no-untyped-call]
        return total
    logits_PV = nn.functional.linear(hidden_PD, weight_VD, bias_V)
    return nn.functional.cross_entropy(logits_PV.float(), targets_P, reduction="sum")


class _InChunks(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_PD: torch.Tensor,
        weight_VD: torch.Tensor,
        bias_V: torch.Tensor | None,
        targets_P: torch.Tensor,
    ) -> torch.Tensor:
        wanted = any(ctx.needs_input_grad)
        gradients = _Gradients(hidden_PD, weight_VD, bias_V) if wanted else None
        rows = max(1, _CHUNK_NUMBERS // len(weight_VD))
        total = hidden_PD.new_zeros((), dtype=torch.float64)
        for start in range(0, len(hidden_PD), rows):
            chunk = slice(start, start + rows)
            logits = nn.functional.linear(hidden_PD[chunk], weight_VD, bias_V)
            target_1 = targets_P[chunk, None]
            wanted_1 = logits.gather(1, target_1)
            most_1, place_1 = logits.max(1, keepdim=True)
            shares = torch.softmax(logits, 1)
            # log of the sum of exponentials; the largest share is 1/V at least, so that its logarithm is safe
            total += (most_1 - shares.gather(1, place_1).log() - wanted_1).sum(dtype=torch.float64)
            if gradients is not None:
                gradients.add(chunk, shares.scatter_add_(1, target_1, torch.full_like(wanted_1, -1.0)))
        if gradients is not None:
            ctx.gradients = gradients
        return total.to(hidden_PD.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        gradients: _Gradients = ctx.gradients
        del ctx.gradients  # they are scaled in place
        parts = (gradients.hidden_PD, gradients.weight_VD, gradients.bias_V)
        return (*(None if part is None else part.mul_(outer[0]) for part in parts), None)


class _Gradients:
    """Of the sum with respect to hidden states, weights and bias, gathered chunk by chunk."""

    def __init__(self, hidden_PD: torch.Tensor, weight_VD: torch.Tensor, bias_V: torch.Tensor | None) -> None:
        self._hidden_PD, self._weight_VD = hidden_PD, weight_VD
        self.hidden_PD = torch.zeros_like(hidden_PD)
        self.weight_VD = torch.zeros_like(weight_VD)
        self.bias_V = None if bias_V is None else torch.zeros_like(bias_V)

    def add(self, chunk: slice, of_logits_CV: torch.Tensor) -> None:
        torch.mm(of_logits_CV, self._weight_VD, out=self.hidden_PD[chunk])
        self.weight_VD.addmm_(of_logits_CV.t(), self._hidden_PD[chunk])
        if self.bias_V is not None:
            self.bias_V += of_logits_CV.sum(0)
