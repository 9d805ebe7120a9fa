"""Batches as a pure function of the optimiser step, so that order, masks and resuming are exact.

Step n lies in epoch e at place b; the epoch's plan depends on (seed, e) and the masks on (seed, e, b), so no state
is needed beyond n. Sequences of like length share a batch, or rows are packed (``packing.py``). Letters: N sequences
of an epoch, S of a batch, B rows, T tokens, P targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from components.core.errors import ContractError
from components.core.seeds import derive_seed
from components.modeling.batching import ranges
from components.modeling.config import Objective
from components.modeling.corpus import EncodedSplit
from components.modeling.masking import NO_WORD, MaskedBatch, mask_words, next_tokens
from components.modeling.packing import Plan, lay_out, packed_batches
from components.modeling.pairs import NO_LABEL, Pairs, Sequences, build_sequences
from components.modeling.vocabulary import VocabularyIds

IntArray = NDArray[np.int64]

_BATCHES_PER_POOL = 32
_ROWS_PER_DRAW = 128  # of masks
PAIRS: dict[Objective, Pairs | None] = {"mlm": None, "mlm+nsp": "nsp", "mlm+sop": "sop", "clm": None}


@dataclass(frozen=True)
class PretrainingBatch:
    """Model inputs and targets of a batch or of a part of it.

    ``positions_P`` and ``starts_S`` (first tokens of sequences) are flat (row * T + token), ``positions_P`` rising;
    ``blocks_BT`` numbers the sequences of a row from 1 and is 0 on padding; labels are -100 where there is none.
    ``targets_total`` and ``labels_total`` count over the whole batch, whose mean the parts make up together; with
    several ranks over the rows of one rank, until the ranks have added theirs up.
    """

    input_ids_BT: IntArray
    attention_mask_BT: IntArray
    token_type_ids_BT: IntArray
    position_ids_BT: IntArray
    blocks_BT: IntArray
    starts_S: IntArray
    positions_P: IntArray
    targets_P: IntArray
    pair_labels_S: IntArray
    targets_total: IntArray
    labels_total: IntArray

    @property
    def tokens(self) -> int:
        """Real tokens, special ones included."""
        return int(self.attention_mask_BT.sum())

    def sizes(self) -> dict[str, float]:
        """``tokens``, ``targets`` and ``pairs`` of tokens that see each other; 0 for a part without targets."""
        if not len(self.positions_P):
            return {"tokens": 0.0, "targets": 0.0, "pairs": 0.0}
        blocks_BT = self.blocks_BT + np.arange(len(self.blocks_BT))[:, None] * (int(self.blocks_BT.max()) + 1)
        lengths = np.bincount(blocks_BT[self.blocks_BT > 0])
        pairs = float(np.square(lengths, dtype=np.float64).sum())
        return {"tokens": float(self.tokens), "targets": float(len(self.positions_P)), "pairs": pairs}

    def rows(self, start: int, end: int) -> PretrainingBatch:
        """Some rows of it."""
        width = self.input_ids_BT.shape[1]
        targets = slice(*np.searchsorted(self.positions_P, [start * width, end * width]))
        sequences = slice(*np.searchsorted(self.starts_S, [start * width, end * width]))
        rows = slice(start, end)
        return PretrainingBatch(
            self.input_ids_BT[rows],
            self.attention_mask_BT[rows],
            self.token_type_ids_BT[rows],
            self.position_ids_BT[rows],
            self.blocks_BT[rows],
            self.starts_S[sequences] - start * width,
            self.positions_P[targets] - start * width,
            self.targets_P[targets],
            self.pair_labels_S[sequences],
            self.targets_total,
            self.labels_total,
        )

    def without_targets(self) -> PretrainingBatch:
        """The same rows with nothing to predict: a rank that has no row left must still take part in the step."""
        none = self.positions_P[:0]
        silent_S = np.full_like(self.pair_labels_S, NO_LABEL)
        return replace(self, positions_P=none, targets_P=none, pair_labels_S=silent_S)


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


@dataclass(frozen=True)
class _Place:
    """Where a step lies: its epoch, its number there, the epoch's sequences, and which of them make the batch."""

    epoch: int
    step: int
    sequences: Sequences
    plan: Plan


class PretrainingBatches:
    """The endless row of pretraining batches, by step number."""

    def __init__(
        self,
        split: EncodedSplit,
        vocabulary: VocabularyIds,
        *,
        objective: Objective,
        max_tokens: int,
        tokens_per_batch: int,
        short_share: float,
        mask_share: float,
        seed: int,
        packing: bool = False,
    ) -> None:
        """``seed`` decides everything; epochs are planned when first asked for and one is kept.

        Raises:
            ContractError: The objective masks and the tokenizer has no mask token.
        """
        if objective != "clm" and vocabulary.mask is None:
            raise ContractError(f"objective {objective} masks, but the tokenizer has no mask token; give it one")
        self._split, self._vocabulary, self._real_ids = split, vocabulary, vocabulary.real()
        self._objective, self._packing = objective, packing
        self._mask_id = -1 if vocabulary.mask is None else vocabulary.mask
        self._max_tokens, self._tokens_per_batch = max_tokens, tokens_per_batch
        self._short_share, self._mask_share, self._seed = short_share, mask_share, seed
        self._ends = [0]  # steps before the end of each epoch planned so far
        self._planned: tuple[int, Sequences, list[Plan]] | None = None

    def steps_in_epoch(self, epoch: int) -> int:
        """Batches of one epoch; differs a little from epoch to epoch."""
        return len(self._plan(epoch)[1])

    def tokens_in_epoch(self, epoch: int) -> int:
        """Tokens of all sequences of an epoch, special ones included."""
        return int(self._plan(epoch)[0].lengths().sum())

    def batch(self, step: int) -> PretrainingBatch:
        """The batch of a step, counted from 0."""
        place = self._locate(step)
        return self._collate(place, place.plan, 0)

    def parts(self, step: int, *, count: int = 1, rank: int = 0, ranks: int = 1) -> list[PretrainingBatch]:
        """One rank's share of a step's batch: neighbouring rows, in at most ``count`` parts of like size.

        All parts of all ranks are the batch, whatever ``ranks`` is. Every rank has the same number of parts; where
        rows do not suffice, a part repeats one without its targets.
        """
        place = self._locate(step)
        rows = int(place.plan.rows_S[-1]) + 1
        count = min(count, -(-rows // ranks))
        edges = np.linspace(0, rows, ranks * count + 1).round().astype(np.int64)[rank * count :][: count + 1]
        first = min(int(edges[0]), rows - 1)
        share = self._share(place, first, max(int(edges[-1]), first + 1))
        return [
            share.rows(a - first, b - first) if a < b else share.rows(0, 1).without_targets()
            for a, b in pairwise(edges.tolist())
        ]

    def sequences(self, step: int) -> tuple[Sequences, IntArray]:
        """The sequences of a step's epoch, and which of them make its batch."""
        place = self._locate(step)
        return place.sequences, place.plan.sequences_S

    def documents(self, step: int) -> list[str]:
        """Ids of the documents that a step's batch has text of, in the split's order."""
        place = self._locate(step)
        chosen_S = place.plan.sequences_S
        first_S2, second_S2 = place.sequences.first_N2[chosen_S], place.sequences.second_N2[chosen_S]
        tokens = np.concatenate([first_S2[:, 0], second_S2[second_S2[:, 1] > second_S2[:, 0], 0]])
        sentences = np.searchsorted(self._split.sentence_offsets, tokens, side="right") - 1
        return self._split.ids(np.unique(np.searchsorted(self._split.document_offsets, sentences, side="right") - 1))

    def _locate(self, step: int) -> _Place:
        while self._ends[-1] <= step:
            self._ends.append(self._ends[-1] + self.steps_in_epoch(len(self._ends) - 1))
        epoch = int(np.searchsorted(self._ends, step, side="right")) - 1
        sequences, plans = self._plan(epoch)
        return _Place(epoch, step - self._ends[epoch], sequences, plans[step - self._ends[epoch]])

    def _plan(self, epoch: int) -> tuple[Sequences, list[Plan]]:
        if self._planned is None or self._planned[0] != epoch:
            generator = np.random.default_rng(derive_seed(self._seed, "sequences", epoch))
            sequences = build_sequences(
                self._split,
                max_tokens=self._max_tokens,
                pairs=PAIRS[self._objective],
                short_share=self._short_share,
                generator=generator,
            )
            self._planned = (epoch, sequences, self._make_plan(sequences.lengths(), generator))
        return self._planned[1], self._planned[2]

    def _make_plan(self, lengths_N: IntArray, generator: np.random.Generator) -> list[Plan]:
        if self._packing:
            rows = max(1, self._tokens_per_batch // self._max_tokens)
            return packed_batches(lengths_N, width=self._max_tokens, rows_per_batch=rows, generator=generator)
        batches = pooled_batches(
            lengths_N, tokens_per_batch=self._tokens_per_batch, rows_per_batch=None, generator=generator
        )
        return [Plan(batch, np.arange(len(batch))) for batch in batches]

    def _share(self, place: _Place, start: int, end: int) -> PretrainingBatch:
        """Some rows of a batch, made without most of the others."""
        plan = place.plan
        first = start // _ROWS_PER_DRAW * _ROWS_PER_DRAW
        last = -(-end // _ROWS_PER_DRAW) * _ROWS_PER_DRAW
        of_rows = slice(*np.searchsorted(plan.rows_S, [first, last]))
        made = self._collate(place, Plan(plan.sequences_S[of_rows], plan.rows_S[of_rows] - first), first)
        if len(made.input_ids_BT) == end - start:
            return made
        mine = made.rows(start - first, end - first)
        labels = np.asarray((mine.pair_labels_S != NO_LABEL).sum())
        return replace(mine, targets_total=np.asarray(len(mine.targets_P)), labels_total=labels)

    def _collate(self, place: _Place, plan: Plan, first_row: int) -> PretrainingBatch:
        """The batch of some rows of a place, the first of which has that number there."""
        sequences = place.sequences
        ids_ST, words_ST, types_ST, attention_ST = assemble(self._split, self._vocabulary, sequences, plan.sequences_S)
        labels_S = sequences.labels_N[plan.sequences_S]
        if self._objective == "clm":
            targets = next_tokens(ids_ST, attention_ST)
        else:
            targets = self._mask(ids_ST, words_ST, plan.rows_S + first_row, place)
        where = lay_out(attention_ST, plan.rows_S)
        order_P = np.argsort(where.of_ST.reshape(-1)[targets.positions_P], kind="stable")
        return PretrainingBatch(
            where.spread(targets.input_ids_BT, fill=self._vocabulary.pad),
            (where.blocks_BT > 0).astype(np.int64),
            where.spread(types_ST),
            where.position_ids_BT,
            where.blocks_BT,
            where.of_ST[:, 0],
            where.of_ST.reshape(-1)[targets.positions_P][order_P],
            targets.targets_P[order_P],
            labels_S,
            np.asarray(len(targets.targets_P)),
            np.asarray((labels_S != NO_LABEL).sum()),
        )

    def _mask(self, ids_ST: IntArray, words_ST: IntArray, rows_S: IntArray, place: _Place) -> MaskedBatch:
        """Mask so many rows at a time, each time under a generator of their own: ranks draw for their rows alone."""
        done: list[MaskedBatch] = []
        blocks_S = rows_S // _ROWS_PER_DRAW
        for block in np.unique(blocks_S).tolist():
            names = ("masks", place.epoch, place.step, *([block] if block else []))
            start, end = np.searchsorted(blocks_S, [block, block + 1])
            masked = mask_words(
                ids_ST[start:end],
                words_ST[start:end],
                share=self._mask_share,
                mask_id=self._mask_id,
                real_ids=self._real_ids,
                generator=np.random.default_rng(derive_seed(self._seed, *names)),
            )
            done.append(replace(masked, positions_P=masked.positions_P + start * ids_ST.shape[1]))
        return MaskedBatch(
            np.concatenate([part.input_ids_BT for part in done]),
            np.concatenate([part.positions_P for part in done]),
            np.concatenate([part.targets_P for part in done]),
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
        source = ranges(starts_B, counts_B)
        target = ranges(row_starts_B + offsets_B, counts_B)
        ids_BT.reshape(-1)[target] = split.tokens_T[source]
        words_BT.reshape(-1)[target] = split.words(source)
    words_BT[np.isin(ids_BT, vocabulary.special)] = NO_WORD
    ids_BT[:, 0] = vocabulary.cls
    ids_BT.reshape(-1)[row_starts_B + first_B + 1] = vocabulary.sep
    ids_BT.reshape(-1)[row_starts_B + lengths_B - 1] = vocabulary.sep
    return ids_BT, words_BT, types_BT, attention_BT
