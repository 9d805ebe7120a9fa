"""Batches as a pure function of the optimiser step, so that order, masks and resuming are exact.

Step n lies in epoch e at place b; the epoch's plan depends on (seed, e) and the masks on (seed, e, b), so no state
is needed beyond n. Sequences of like length share a batch. Letters: N sequences, B rows, T tokens, P targets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.seeds import derive_seed
from components.modeling.batching import pad_rows
from components.modeling.corpus import EncodedSplit
from components.modeling.masking import NO_WORD, mask_words
from components.modeling.pairs import Sequences, build_sequences

IntArray = NDArray[np.int64]

_BATCHES_PER_POOL = 32


@dataclass(frozen=True)
class VocabularyIds:
    """The ids that batches need, and the real ids that random replacement draws from."""

    pad: int
    cls: int
    sep: int
    mask: int
    special: tuple[int, ...]
    size: int

    @staticmethod
    def of(tokenizer: Any) -> VocabularyIds:
        """Read them from a Hugging Face tokenizer."""
        return VocabularyIds(
            pad=tokenizer.pad_token_id,
            cls=tokenizer.cls_token_id,
            sep=tokenizer.sep_token_id,
            mask=tokenizer.mask_token_id,
            special=tuple(sorted(tokenizer.all_special_ids)),
            size=len(tokenizer),
        )

    def real(self) -> IntArray:
        """Every id that is no special token."""
        return np.setdiff1d(np.arange(self.size, dtype=np.int64), np.asarray(self.special))


@dataclass(frozen=True)
class PretrainingBatch:
    """Model inputs and targets; ``positions_P`` are flat (row * T + token), labels -100 where there is none."""

    input_ids_BT: IntArray
    attention_mask_BT: IntArray
    token_type_ids_BT: IntArray
    positions_P: IntArray
    targets_P: IntArray
    next_sentence_labels_B: IntArray

    @property
    def tokens(self) -> int:
        """Real tokens, special ones included."""
        return int(self.attention_mask_BT.sum())


def pooled_batches(
    lengths_N: IntArray, *, tokens_per_batch: int | None, rows_per_batch: int | None, generator: np.random.Generator
) -> list[IntArray]:
    """Row indices of each batch: shuffled, sorted by length inside pools of some 32 batches, batches shuffled again.

    Give either a budget of padded tokens or a number of rows a batch. Every row is in exactly one batch.
    """
    order_N = generator.permutation(len(lengths_N))
    mean = max(1.0, float(lengths_N.mean())) if len(lengths_N) else 1.0
    rows = rows_per_batch or max(1, int((tokens_per_batch or 1) / mean))
    batches: list[IntArray] = []
    for start in range(0, len(order_N), rows * _BATCHES_PER_POOL):
        pool = order_N[start : start + rows * _BATCHES_PER_POOL]
        pool = pool[np.argsort(-lengths_N[pool], kind="stable")]
        batches.extend(_cut(pool, lengths_N, tokens_per_batch, rows_per_batch))
    return [batches[index] for index in generator.permutation(len(batches))]


def _cut(
    pool: IntArray, lengths_N: IntArray, tokens_per_batch: int | None, rows_per_batch: int | None
) -> Iterator[IntArray]:
    start = 0
    while start < len(pool):
        count = rows_per_batch or max(1, (tokens_per_batch or 1) // max(1, int(lengths_N[pool[start]])))
        yield pool[start : start + count]
        start += count


class PretrainingBatches:
    """The endless row of pretraining batches, by step number."""

    def __init__(
        self,
        split: EncodedSplit,
        vocabulary: VocabularyIds,
        *,
        max_tokens: int,
        tokens_per_batch: int,
        pairs: bool,
        short_share: float,
        mask_share: float,
        seed: int,
    ) -> None:
        """``seed`` decides everything; epochs are planned when first asked for and one is kept."""
        self._split, self._vocabulary, self._real_ids = split, vocabulary, vocabulary.real()
        self._max_tokens, self._tokens_per_batch = max_tokens, tokens_per_batch
        self._pairs, self._short_share, self._mask_share, self._seed = pairs, short_share, mask_share, seed
        self._ends = [0]  # steps before the end of each epoch planned so far
        self._planned: tuple[int, Sequences, list[IntArray]] | None = None

    def steps_in_epoch(self, epoch: int) -> int:
        """Batches of one epoch; differs a little from epoch to epoch."""
        return len(self._plan(epoch)[1])

    def batch(self, step: int) -> PretrainingBatch:
        """The batch of a step, counted from 0."""
        while step >= self._ends[-1]:
            self._ends.append(self._ends[-1] + self.steps_in_epoch(len(self._ends) - 1))
        epoch = int(np.searchsorted(self._ends, step, side="right")) - 1
        sequences, plan = self._plan(epoch)
        place = step - self._ends[epoch]
        generator = np.random.default_rng(derive_seed(self._seed, "masks", epoch, place))
        return self._collate(sequences, plan[place], generator)

    def _plan(self, epoch: int) -> tuple[Sequences, list[IntArray]]:
        if self._planned is None or self._planned[0] != epoch:
            generator = np.random.default_rng(derive_seed(self._seed, "sequences", epoch))
            sequences = build_sequences(
                self._split,
                max_tokens=self._max_tokens,
                pairs=self._pairs,
                short_share=self._short_share,
                generator=generator,
            )
            batches = pooled_batches(
                sequences.lengths(),
                tokens_per_batch=self._tokens_per_batch,
                rows_per_batch=None,
                generator=generator,
            )
            self._planned = (epoch, sequences, batches)
        return self._planned[1], self._planned[2]

    def _collate(self, sequences: Sequences, rows: IntArray, generator: np.random.Generator) -> PretrainingBatch:
        ids_BT, words_BT, types_BT, attention_BT = assemble(self._split, self._vocabulary, sequences, rows)
        masked = mask_words(
            ids_BT,
            words_BT,
            share=self._mask_share,
            mask_id=self._vocabulary.mask,
            real_ids=self._real_ids,
            generator=generator,
        )
        return PretrainingBatch(
            masked.input_ids_BT, attention_BT, types_BT, masked.positions_P, masked.targets_P, sequences.labels_N[rows]
        )


def assemble(
    split: EncodedSplit, vocabulary: VocabularyIds, sequences: Sequences, rows: IntArray
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Rows as [CLS] A [SEP] B [SEP]: token ids, words (``NO_WORD`` where never masked), token types, attention mask."""
    first_B2, second_B2 = sequences.first_N2[rows], sequences.second_N2[rows]
    first_B, second_B = first_B2[:, 1] - first_B2[:, 0], second_B2[:, 1] - second_B2[:, 0]
    lengths_B = first_B + second_B + 2 + (second_B > 0)
    width = int(lengths_B.max())
    shape = (len(rows), width)
    column_T = np.arange(width)
    attention_BT = (column_T[None, :] < lengths_B[:, None]).astype(np.int64)
    types_BT = attention_BT * (column_T[None, :] >= (first_B + 2)[:, None])
    ids_BT = np.full(shape, vocabulary.pad, dtype=np.int64)
    words_BT = np.full(shape, NO_WORD, dtype=np.int64)
    row_starts_B = np.arange(len(rows)) * width
    for starts_B, counts_B, offsets_B in ((first_B2[:, 0], first_B, 1), (second_B2[:, 0], second_B, first_B + 2)):
        source = _ranges(starts_B, counts_B)
        target = _ranges(row_starts_B + offsets_B, counts_B)
        ids_BT.reshape(-1)[target] = split.tokens_T[source]
        words_BT.reshape(-1)[target] = split.words_T[source]
    words_BT[np.isin(ids_BT, vocabulary.special)] = NO_WORD
    ids_BT[:, 0] = vocabulary.cls
    ids_BT.reshape(-1)[row_starts_B + first_B + 1] = vocabulary.sep
    ids_BT.reshape(-1)[row_starts_B + lengths_B - 1] = vocabulary.sep
    return ids_BT, words_BT, types_BT, attention_BT


def _ranges(starts: IntArray, counts: IntArray) -> IntArray:
    """``start, start + 1, …`` of every range, joined."""
    before = np.cumsum(counts) - counts
    return np.asarray(np.repeat(starts - before, counts) + np.arange(int(counts.sum())))


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

    def _plan(self, epoch: int) -> list[IntArray]:
        if self._planned is None or self._planned[0] != epoch:
            generator = np.random.default_rng(derive_seed(self._seed, "order", epoch))
            plan = pooled_batches(
                self._lengths_N, tokens_per_batch=None, rows_per_batch=self._batch_size, generator=generator
            )
            self._planned = (epoch, plan)
        return self._planned[1]
