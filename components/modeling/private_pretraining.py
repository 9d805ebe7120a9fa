"""Private pretraining: rows of drawn documents, each with its own masks and its own loss.

A sequence lies within one document, so that a document's gradient is the mean over its sequences. Sentence pairs are
refused, because a random second sentence puts a document into others' rows, and so is packing, which puts several into
one. Letters: R rows, T tokens, K targets of a row at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from components.core.errors import ConfigError
from components.modeling.batches import assemble
from components.modeling.config import PretrainingConfig
from components.modeling.corpus import EncodedSplit
from components.modeling.masking import mask_words, next_tokens
from components.modeling.pairs import Sequences, build_sequences
from components.modeling.private_training import PrivateSteps, plan_mechanism
from components.modeling.vocabulary import VocabularyIds
from components.privacy.config import PrivacyConfig
from components.privacy.ledger import LedgerPlace
from components.privacy.mechanism import draw_units, fresh_sampler, micro_batches
from components.privacy.units import check_population

IntArray = NDArray[np.int64]

NO_TARGET = -100  # what torch's cross entropy passes over


@dataclass(frozen=True)
class PrivatePretrainingBatch:
    """Rows of units that have as many rows as each other; targets lie in their rows, padded with ``NO_TARGET``."""

    input_ids_BT: IntArray
    attention_mask_BT: IntArray
    columns_BK: IntArray
    targets_BK: IntArray
    rows_per_unit: IntArray

    def sizes(self) -> dict[str, float]:
        """``tokens``, real ones."""
        return {"tokens": float(self.attention_mask_BT.sum())}


class PrivatePretrainingBatches:
    """Micro-batches of a step, whose documents and masks are drawn when it is asked for."""

    def __init__(
        self,
        split: EncodedSplit,
        vocabulary: VocabularyIds,
        config: PretrainingConfig,
        privacy: PrivacyConfig,
        *,
        max_tokens: int,
        generator: np.random.Generator | None = None,
    ) -> None:
        """``generator`` is the operating system's unless given; documents are cut into sequences once."""
        self._split, self._vocabulary, self._config = split, vocabulary, config
        self._privacy, self._generator = privacy, generator or fresh_sampler()
        self._real_ids = vocabulary.real()
        self._sequences = build_sequences(
            split,
            max_tokens=min(config.architecture.max_tokens, max_tokens),
            pairs=None,
            short_share=config.short_sequence_share,
            generator=self._generator,
        )
        self.rows_of_unit = rows_by_document(split, self._sequences, privacy.max_rows_per_unit)
        check_population(privacy, self.units)

    @property
    def units(self) -> int:
        """Documents, those without a sequence too."""
        return len(self.rows_of_unit)

    def parts(self, step: int, *, count: int = 1, rank: int = 0, ranks: int = 1) -> list[PrivatePretrainingBatch]:
        """The drawn documents, in micro-batches; none where nobody was drawn. Raises ValueError for several ranks."""
        del step, count
        if ranks != 1 or rank:
            raise ValueError(f"{ranks} ranks: private training runs on one")
        chosen = draw_units(self.units, self._privacy.expected_units / self.units, self._generator)
        batches = micro_batches(chosen.tolist(), self.rows_of_unit, self._privacy.micro_batch_rows)
        return [self._batch(np.asarray(rows), rows_per_unit) for rows, rows_per_unit in batches]

    def documents(self, step: int) -> list[str]:
        """Nobody: who was drawn stays secret."""
        del step
        return []

    def _batch(self, rows: IntArray, rows_per_unit: int) -> PrivatePretrainingBatch:
        ids_RT, words_RT, _, attention_RT = assemble(self._split, self._vocabulary, self._sequences, rows)
        if self._config.objective == "clm":
            masked = next_tokens(ids_RT, attention_RT)
        else:
            masked = mask_words(
                ids_RT,
                words_RT,
                share=self._config.mask_share,
                mask_id=-1 if self._vocabulary.mask is None else self._vocabulary.mask,
                real_ids=self._real_ids,
                generator=self._generator,
            )
        row_P, column_P = np.divmod(masked.positions_P, ids_RT.shape[1])
        columns_RK, targets_RK = _by_row(row_P, column_P, masked.targets_P, len(rows))
        return PrivatePretrainingBatch(
            masked.input_ids_BT, attention_RT, columns_RK, targets_RK, np.asarray(rows_per_unit)
        )


def rows_by_document(split: EncodedSplit, sequences: Sequences, at_most: int) -> list[list[int]]:
    """Rows of each document, in the order of its text, so many at most."""
    sentence_N = np.searchsorted(split.sentence_offsets, sequences.first_N2[:, 0], side="right") - 1
    document_N = np.searchsorted(split.document_offsets, sentence_N, side="right") - 1
    rows: list[list[int]] = [[] for _ in range(split.documents)]
    for row in np.argsort(sequences.first_N2[:, 0], kind="stable").tolist():
        of_document = rows[int(document_N[row])]
        if len(of_document) < at_most:
            of_document.append(row)
    return rows


def _by_row(row_P: IntArray, column_P: IntArray, targets_P: IntArray, rows: int) -> tuple[IntArray, IntArray]:
    """Flat targets as columns and targets of each row, [R, K]."""
    order_P = np.argsort(row_P, kind="stable")
    row_P, column_P, targets_P = row_P[order_P], column_P[order_P], targets_P[order_P]
    counts_R = np.bincount(row_P, minlength=rows)
    place_P = np.arange(len(row_P)) - np.repeat(np.cumsum(counts_R) - counts_R, counts_R)
    shape = (rows, max(1, int(counts_R.max(initial=0))))
    columns_RK, targets_RK = np.zeros(shape, dtype=np.int64), np.full(shape, NO_TARGET, dtype=np.int64)
    columns_RK[row_P, place_P], targets_RK[row_P, place_P] = column_P, targets_P
    return columns_RK, targets_RK


def private_pretraining_steps(
    network: nn.Module, config: PretrainingConfig, units: int, ledger: LedgerPlace | None
) -> PrivateSteps:
    """Noise and account of a private pretraining over so many documents. Raises ConfigError without a ledger."""
    privacy = config.privacy
    if privacy is None or ledger is None:
        raise ConfigError("pretraining.privacy: no ledger to enter the steps in; run it through the pipeline")
    steps = private_step_count(config, units)
    return PrivateSteps(network, privacy, plan_mechanism(privacy, units, steps), ledger)


def private_step_count(config: PretrainingConfig, units: int) -> int:
    """Steps of a training: an epoch draws as many documents as there are, on average."""
    expected = 1 if config.privacy is None else config.privacy.expected_units
    steps = max(1, round(config.epochs * units / expected))
    return steps if config.max_steps is None else min(steps, config.max_steps)
