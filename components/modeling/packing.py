"""Several sequences in a row, so that next to nothing is padding.

A plan says which sequences make a batch and in which row each lies; laying out finds the place of every token. What
sees what is left to the network: tokens of a row with the same block number see one another, and positions count from
0 in every block. Letters: N sequences of an epoch, S of a batch, B rows, T tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.modeling.batching import ranges

IntArray = NDArray[np.int64]

_ROWS_PER_POOL = 1024


@dataclass(frozen=True)
class Plan:
    """One batch: sequence numbers, and the row of each, rising from 0 without a gap."""

    sequences_S: IntArray
    rows_S: IntArray


@dataclass(frozen=True)
class Layout:
    """Where the tokens of padded sequences [S, T'] go: ``of_ST`` flat places in [B, T], -1 for padding."""

    of_ST: IntArray
    blocks_BT: IntArray
    position_ids_BT: IntArray

    def spread(self, values_ST: IntArray, *, fill: int = 0) -> IntArray:
        """Values of tokens in their places, ``fill`` elsewhere."""
        if self.of_ST.shape == self.blocks_BT.shape:
            return values_ST  # a sequence a row: everything is in place
        out_BT = np.full(self.blocks_BT.shape, fill, dtype=np.int64)
        real_ST = self.of_ST >= 0
        out_BT.reshape(-1)[self.of_ST[real_ST]] = values_ST[real_ST]
        return out_BT


def packed_batches(
    lengths_N: IntArray, *, width: int, rows_per_batch: int, generator: np.random.Generator
) -> list[Plan]:
    """Every sequence in exactly one row of at most ``width`` tokens: best fit, longest first, inside random pools.

    Args:
        lengths_N: Tokens of each sequence, at most ``width``.
        width: Tokens of a row.
        rows_per_batch: Rows of a batch; the last batch may have fewer.
        generator: Order of sequences, and of rows.
    """
    order_N = generator.permutation(len(lengths_N))
    mean = max(1.0, float(lengths_N.mean())) if len(lengths_N) else 1.0
    pool_size = max(1, int(_ROWS_PER_POOL * width / mean))
    rows: list[list[int]] = []
    for start in range(0, len(order_N), pool_size):
        pool = order_N[start : start + pool_size]
        pool = pool[np.argsort(-lengths_N[pool], kind="stable")]
        rows.extend(_best_fit(pool.tolist(), lengths_N[pool].tolist(), width))
    shuffled = [rows[index] for index in generator.permutation(len(rows))]
    return [_plan(shuffled[start : start + rows_per_batch]) for start in range(0, len(rows), rows_per_batch)]


def lay_out(attention_mask_ST: IntArray, rows_S: IntArray) -> Layout:
    """Sequences one after another in their rows. ``rows_S`` as in ``Plan``; masks are ones, then zeros."""
    lengths_S = attention_mask_ST.sum(1)
    first_S = np.ones(len(rows_S), dtype=bool)
    first_S[1:] = rows_S[1:] != rows_S[:-1]
    if first_S.all():
        place_T = np.broadcast_to(np.arange(attention_mask_ST.shape[1]), attention_mask_ST.shape)
        of_ST = np.where(attention_mask_ST > 0, np.arange(attention_mask_ST.size).reshape(attention_mask_ST.shape), -1)
        return Layout(of_ST, attention_mask_ST, np.ascontiguousarray(place_T))
    before_S = np.cumsum(lengths_S) - lengths_S
    offsets_S = before_S - before_S[first_S][rows_S]
    width = int((offsets_S + lengths_S).max())
    starts_S = rows_S * width + offsets_S
    places = ranges(starts_S, lengths_S)
    of_ST = np.full(attention_mask_ST.shape, -1, dtype=np.int64)
    of_ST[attention_mask_ST > 0] = places
    blocks_BT = np.zeros((int(rows_S[-1]) + 1, width), dtype=np.int64)
    index_S = np.arange(len(rows_S))
    blocks_BT.reshape(-1)[places] = np.repeat(index_S - index_S[first_S][rows_S] + 1, lengths_S)
    position_ids_BT = np.zeros_like(blocks_BT)
    position_ids_BT.reshape(-1)[places] = ranges(np.zeros_like(lengths_S), lengths_S)
    return Layout(of_ST, blocks_BT, position_ids_BT)


def _best_fit(sequences: list[int], lengths: list[int], width: int) -> list[list[int]]:
    """Rows of sequence numbers. Bit n of ``open_rooms`` says that some row has room for exactly n more tokens."""
    rows: list[list[int]] = []
    by_room: list[list[int]] = [[] for _ in range(width + 1)]
    open_rooms = 0
    for sequence, length in zip(sequences, lengths, strict=True):
        fitting = open_rooms >> length
        if fitting:
            room = length + (fitting & -fitting).bit_length() - 1
            row = by_room[room].pop()
            open_rooms &= ~(1 << room) if not by_room[room] else -1
        else:
            room, row = width, len(rows)
            rows.append([])
        rows[row].append(sequence)
        if room > length:
            by_room[room - length].append(row)
            open_rooms |= 1 << (room - length)
    return rows


def _plan(rows: list[list[int]]) -> Plan:
    sequences_S = np.asarray([sequence for row in rows for sequence in row], dtype=np.int64)
    return Plan(sequences_S, np.repeat(np.arange(len(rows)), [len(row) for row in rows]))
