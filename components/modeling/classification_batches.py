"""Batches of labelled records for fine-tuning, by step number: a function of the seed and the step alone.

Letters: N records, B rows, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.core.seeds import derive_seed
from components.modeling.batches import pooled_batches
from components.modeling.batching import pad_rows

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class ClassificationBatch:
    """Model inputs, labels and loss weights of records."""

    input_ids_BT: IntArray
    attention_mask_BT: IntArray
    labels_B: IntArray
    weights_B: NDArray[np.float32]

    @property
    def tokens(self) -> int:
        """Real tokens, special ones included."""
        return int(self.attention_mask_BT.sum())

    def sizes(self) -> dict[str, float]:
        """``tokens``."""
        return {"tokens": float(self.tokens)}


class ClassificationBatches:
    """The endless row of fine-tuning batches, by step number."""

    def __init__(
        self,
        rows: Sequence[Sequence[int]],
        labels_N: IntArray,
        weights_N: NDArray[np.float32],
        *,
        pad_id: int,
        batch_size: int,
        seed: int,
    ) -> None:
        """``rows`` are token ids with special tokens; every epoch has ``steps_per_epoch`` batches."""
        self._rows, self._labels_N, self._weights_N = rows, labels_N, weights_N
        self._pad_id, self._batch_size, self._seed = pad_id, batch_size, seed
        self._lengths_N = np.fromiter((len(row) for row in rows), dtype=np.int64, count=len(rows))
        self._planned: tuple[int, list[IntArray]] | None = None
        self.steps_per_epoch = len(self._plan(0))

    def batch(self, step: int) -> ClassificationBatch:
        """The batch of a step, counted from 0."""
        epoch, place = divmod(step, self.steps_per_epoch)
        index_B = self._plan(epoch)[place]
        ids_BT, mask_BT = pad_rows([self._rows[index] for index in index_B], value=self._pad_id)
        return ClassificationBatch(ids_BT, mask_BT, self._labels_N[index_B], self._weights_N[index_B])

    def parts(self, step: int, *, count: int = 1, rank: int = 0, ranks: int = 1) -> list[ClassificationBatch]:
        """The batch whole, since records are few. Raises ValueError for several ranks, which would repeat it."""
        if ranks != 1 or rank:
            raise ValueError(f"{ranks} ranks: fine-tuning runs on one")
        return [self.batch(step)] * min(count, 1)

    def documents(self, step: int) -> list[str]:
        """Places of a step's records in the split, counted from 0."""
        epoch, place = divmod(step, self.steps_per_epoch)
        return [f"#{index}" for index in np.sort(self._plan(epoch)[place]).tolist()]

    def _plan(self, epoch: int) -> list[IntArray]:
        if self._planned is None or self._planned[0] != epoch:
            generator = np.random.default_rng(derive_seed(self._seed, "order", epoch))
            plan = pooled_batches(
                self._lengths_N, tokens_per_batch=None, rows_per_batch=self._batch_size, generator=generator
            )
            self._planned = (epoch, plan)
        return self._planned[1]
