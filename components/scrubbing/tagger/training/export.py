"""From the float network to what ships: whole numbers, and the gate that spares most tokens the network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from components.scrubbing.tagger.features import Lexicon
from components.scrubbing.tagger.labels import OUTSIDE
from components.scrubbing.tagger.model import GATE_COLUMNS, GATE_PAIRS, GATE_REACH, GATE_WIDTH
from components.scrubbing.tagger.network import EMBEDDING_LIMIT, HIDDEN_LIMIT, LEVELS, quantise
from components.scrubbing.tagger.training.fit import Encoded, Network, TrainingConfig

_PAIR = 1  # column of the pair's row among the context rows
_CHUNK = 20_000
_GATE_EPOCHS = 3
_GATE_RECALL = 0.995
# The gate is to open for what a caller who leans to recall that far would get.
_OPENING_BIAS = 1.5
_MISS_COSTS = 15.0


@dataclass(frozen=True)
class Gate:
    """Whole numbers (rows, GATE_COLUMNS), and the least sum that opens it."""

    table: NDArray[np.int8]
    threshold: float
    open_share: float
    recall: float


def fit_gate(network: Network, encoded: Encoded, config: TrainingConfig) -> Gate:
    """A linear gate that opens wherever the network sees any chance of a label."""
    torch.manual_seed(config.seed)
    wanted_T = _wanted(network, encoded)
    rows = torch.from_numpy(encoded.type_rows.astype(np.int64))
    table = nn.Embedding(config.table_size, GATE_COLUMNS, padding_idx=0)
    nn.init.zeros_(table.weight)
    bias = nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.Adam([table.weight, bias], lr=0.02)
    rng = np.random.default_rng(config.seed)
    starts = np.arange(0, len(wanted_T), _CHUNK)
    for _ in range(_GATE_EPOCHS):
        for start in rng.permutation(starts):
            at = slice(start, start + _CHUNK)
            sums_T = _sums(table.weight, rows, encoded, at) + bias
            target_T = torch.from_numpy(wanted_T[at].astype(np.float32))
            weights_T = torch.from_numpy(encoded.weights_T[at]) * (1 + (_MISS_COSTS - 1) * target_T)
            losses_T = nn.functional.binary_cross_entropy_with_logits(sums_T, target_T, reduction="none")
            loss = (losses_T * weights_T).mean() + 1e-6 * table.weight.square().sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    return _rounded_gate(table.weight.detach(), rows, encoded, wanted_T)


def _wanted(network: Network, encoded: Encoded) -> NDArray[np.bool_]:
    """Where the network gives a label a chance, or the gold has one."""
    wanted: list[NDArray[np.bool_]] = []
    with torch.no_grad():
        for start in range(0, len(encoded.types_T), _CHUNK):
            scores = network.read(encoded, slice(start, start + _CHUNK)).numpy()
            wanted.append(scores[:, 1:].max(axis=1) - scores[:, OUTSIDE] + _OPENING_BIAS > 0)
    return np.concatenate(wanted) & (encoded.weights_T > 0)


def _sums(weights: torch.Tensor, rows: torch.Tensor, encoded: Encoded, at: slice) -> torch.Tensor:
    types_U, uses_T = np.unique(encoded.types_T[at], return_inverse=True)
    pairs = torch.from_numpy(encoded.context_TC[at, _PAIR].astype(np.int64))
    own_UK = nn.functional.embedding_bag(rows[torch.from_numpy(types_U)], weights, mode="sum", padding_idx=0)
    own_TK = own_UK[torch.from_numpy(uses_T)]
    sums_T = own_TK[:, GATE_REACH] + weights[pairs, GATE_PAIRS[0]]
    for column in range(GATE_WIDTH):
        shift = column - GATE_REACH
        if shift < 0:
            sums_T = sums_T + nn.functional.pad(own_TK[:shift, column], (-shift, 0))
        elif shift > 0:
            sums_T = sums_T + nn.functional.pad(own_TK[shift:, column], (0, shift))
    return sums_T + nn.functional.pad(weights[pairs[1:], GATE_PAIRS[1]], (0, 1))


def _rounded_gate(weights: torch.Tensor, rows: torch.Tensor, encoded: Encoded, wanted_T: NDArray[np.bool_]) -> Gate:
    step = float(weights.abs().max()) / LEVELS
    whole = torch.round(weights / step).clamp(-LEVELS, LEVELS)
    sums = [
        _sums(whole, rows, encoded, slice(start, start + _CHUNK)).numpy() for start in range(0, len(wanted_T), _CHUNK)
    ]
    sums_T = np.concatenate(sums)
    threshold = float(np.floor(np.quantile(sums_T[wanted_T], 1 - _GATE_RECALL)))
    opened_T = (sums_T >= threshold) & (encoded.weights_T > 0)
    return Gate(
        whole.numpy().astype(np.int8),
        threshold,
        float(opened_T.sum() / (encoded.weights_T > 0).sum()),
        float((opened_T & wanted_T).sum() / wanted_T.sum()),
    )


def export(network: Network, gate: Gate, lexicon: Lexicon, folds: NDArray[np.uint16]) -> dict[str, NDArray[np.generic]]:
    """Arrays by the names under which they are stored."""
    seen_step, hidden_step = EMBEDDING_LIMIT / LEVELS, HIDDEN_LIMIT / LEVELS
    table = np.rint(network.table.weight.detach().numpy() / seen_step).clip(-LEVELS, LEVELS)
    changed = np.flatnonzero(folds != np.arange(len(folds)))
    tensors: dict[str, NDArray[np.generic]] = {
        "table": table.astype(np.int8),
        "gate": gate.table,
        "lexicon.hashes": lexicon.hashes,
        "lexicon.values": lexicon.values,
        "folds": np.stack([changed.astype(np.uint16), folds[changed]], axis=1),
    }
    steps = {"first": (seen_step, hidden_step), "second": (hidden_step, hidden_step), "out": (hidden_step, 1.0)}
    for name, (in_step, out_step) in steps.items():
        part: nn.Linear | nn.Conv1d = getattr(network, name)
        weight = part.weight.detach().numpy()
        # A convolution keeps (outputs, inputs, places); at work a window is places beside each other.
        weights = np.ascontiguousarray(
            weight.T if weight.ndim == 2 else weight.transpose(2, 1, 0).reshape(-1, len(weight))
        )
        bias = part.bias.detach().numpy() if part.bias is not None else np.zeros(weights.shape[1], dtype=np.float32)
        layer = quantise(weights, bias, in_step=in_step, out_step=out_step)
        tensors[f"{name}.weights"] = layer.weights.astype(np.int8)
        tensors[f"{name}.biases"] = layer.biases.astype(np.int32)
        tensors[f"{name}.factors"] = layer.factors
    return tensors
