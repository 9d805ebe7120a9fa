"""Length-bucketed batches: rows of like length together, so that little is padding.

Letters: N rows, B rows of a batch, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def length_buckets(lengths: Sequence[int] | IntArray, *, max_batch_tokens: int) -> list[IntArray]:
    """Row indices of each batch, longest rows first; padded size (rows x longest) stays within the budget.

    A row longer than the budget makes a batch of its own. Every row is in exactly one batch; ties keep their order.
    """
    lengths_N = np.asarray(lengths, dtype=np.int64)
    order_N = np.argsort(-lengths_N, kind="stable")
    batches, start = [], 0
    while start < len(order_N):
        count = max(1, max_batch_tokens // max(1, int(lengths_N[order_N[start]])))
        batches.append(order_N[start : start + count])
        start += count
    return batches


def pad_rows(rows: Sequence[Sequence[int]], *, value: int) -> tuple[IntArray, IntArray]:
    """Rows as an int64 [B, T] padded with ``value``, and their 0/1 attention mask."""
    lengths_B = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
    mask_BT = (np.arange(int(lengths_B.max(initial=1)))[None, :] < lengths_B[:, None]).astype(np.int64)
    padded_BT = np.full(mask_BT.shape, value, dtype=np.int64)
    padded_BT[mask_BT.astype(bool)] = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
    return padded_BT, mask_BT


def ranges(starts: IntArray, counts: IntArray) -> IntArray:
    """``start, start + 1, …`` of every range, joined."""
    before = np.cumsum(counts) - counts
    return np.asarray(np.repeat(starts - before, counts) + np.arange(int(counts.sum())))
