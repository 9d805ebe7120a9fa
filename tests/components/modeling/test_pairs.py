"""Sequences of an epoch: labels, partners, lengths."""

from __future__ import annotations

import numpy as np
import pytest

from components.modeling.corpus import EncodedSplit, MappedColumn
from components.modeling.pairs import (
    IN_ORDER,
    IS_NEXT,
    IS_RANDOM,
    IS_SWAPPED,
    NO_LABEL,
    Pairs,
    Sequences,
    build_sequences,
)


def make_split(documents: list[list[int]], languages: list[str] | None = None) -> EncodedSplit:
    """Documents given as sentence lengths; tokens are numbered through."""
    sizes = [size for document in documents for size in document]
    total = sum(sizes)
    return EncodedSplit(
        MappedColumn([np.arange(total, dtype=np.int32)]),
        MappedColumn([np.arange(total, dtype=np.int32)]),
        np.cumsum([0, *sizes]).astype(np.int64),
        np.cumsum([0, *[len(document) for document in documents]]).astype(np.int64),
        np.array(languages or ["en"] * len(documents)),
    )


def build(split: EncodedSplit, *, max_tokens: int = 32, pairs: Pairs | None = "nsp", short: float = 0.1) -> Sequences:
    return build_sequences(
        split, max_tokens=max_tokens, pairs=pairs, short_share=short, generator=np.random.default_rng(0)
    )


@pytest.fixture(scope="module")
def many() -> EncodedSplit:
    generator = np.random.default_rng(1)
    documents = [generator.integers(2, 12, size=generator.integers(1, 15)).tolist() for _ in range(600)]
    return make_split(documents, ["en", "zh"] * 300)


def document_of(split: EncodedSplit, token: int) -> int:
    starts = split.sentence_offsets[split.document_offsets]
    return int(np.searchsorted(starts, token, side="right") - 1)


def test_label_zero_is_next_and_one_is_another_document(many: EncodedSplit) -> None:
    sequences = build(many)
    for (a_start, a_end), (b_start, b_end), label in zip(
        sequences.first_N2, sequences.second_N2, sequences.labels_N, strict=True
    ):
        document = document_of(many, a_start)
        assert document_of(many, a_end - 1) == document
        if label == NO_LABEL:
            assert b_start == b_end
            continue
        other = document_of(many, b_start)
        assert document_of(many, b_end - 1) == other
        if label == IS_NEXT:
            assert other == document
            assert b_start >= a_end
        else:
            assert other != document
            assert many.languages_D[other] == many.languages_D[document]


def test_next_follows_at_once_where_nothing_was_cut(many: EncodedSplit) -> None:
    sequences = build(many)
    uncut = (sequences.labels_N == IS_NEXT) & (sequences.lengths() < 32)
    assert uncut.sum() > 100
    assert (sequences.first_N2[uncut, 1] == sequences.second_N2[uncut, 0]).all()


def test_sentence_order_swaps_half_of_the_runs_and_stays_in_the_document(many: EncodedSplit) -> None:
    sequences = build(many, pairs="sop", short=0.0)
    labelled = sequences.labels_N != NO_LABEL
    swapped = sequences.labels_N == IS_SWAPPED
    assert abs(swapped[labelled].mean() - 0.5) < 0.04
    for (a_start, a_end), (b_start, b_end), label in zip(
        sequences.first_N2[labelled], sequences.second_N2[labelled], sequences.labels_N[labelled], strict=True
    ):
        assert document_of(many, a_start) == document_of(many, b_end - 1)
        assert (b_start >= a_end) if label == IN_ORDER else (a_start >= b_end)
    used = [t for row in (sequences.first_N2, sequences.second_N2) for start, end in row for t in range(start, end)]
    assert len(used) == len(set(used))  # no token twice in an epoch


def test_half_of_the_pairs_are_random(many: EncodedSplit) -> None:
    labels = build(many).labels_N
    pairs = labels[labels != NO_LABEL]
    assert abs((pairs == IS_RANDOM).mean() - 0.5) < 0.04


def test_lengths_fit_and_count_special_tokens(many: EncodedSplit) -> None:
    sequences = build(many)
    assert sequences.lengths().max() <= 32
    first = sequences.first_N2[:, 1] - sequences.first_N2[:, 0]
    second = sequences.second_N2[:, 1] - sequences.second_N2[:, 0]
    assert (sequences.lengths() == first + second + np.where(second > 0, 3, 2)).all()
    assert (first > 0).all()


def test_without_pairs_every_token_is_used_once_where_sentences_fit() -> None:
    split = make_split([[3, 4, 5], [2], [6, 6, 6, 6]])
    sequences = build(split, max_tokens=14, pairs=None, short=0.0)
    used = sorted(token for start, end in sequences.first_N2 for token in range(start, end))
    assert used == list(range(len(split.tokens_T)))
    assert (sequences.labels_N == NO_LABEL).all()


def test_one_sentence_documents_become_unlabelled_singles() -> None:
    sequences = build(make_split([[5], [6], [1]]))
    assert sorted(sequences.lengths().tolist()) == [7, 8]  # the one-token document has no context to learn from
    assert (sequences.labels_N == NO_LABEL).all()


def test_a_language_with_one_document_has_no_random_partner() -> None:
    sequences = build(make_split([[4] * 12, [4] * 12, [4] * 12], ["en", "en", "zh"]), max_tokens=16)
    chinese = sequences.first_N2[:, 0] >= 96
    assert chinese.any()
    assert (sequences.labels_N[chinese] != IS_RANDOM).all()


def test_empty_documents_are_never_partners() -> None:
    sequences = build(make_split([[4, 4, 4, 4], [], [5, 5, 5, 5], []]), max_tokens=16)
    assert len(sequences) > 0
    pairs = sequences.labels_N != NO_LABEL
    assert (sequences.second_N2[pairs, 1] > sequences.second_N2[pairs, 0]).all()
