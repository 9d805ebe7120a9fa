"""Batches are a function of the step; rows are laid out as BERT expects."""

from __future__ import annotations

import warnings
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from testkit.tiny_models import Tiny

from components.core.corpus import read_records
from components.modeling.batches import PretrainingBatches, assemble, pooled_batches
from components.modeling.batching import length_buckets, pad_rows
from components.modeling.config import Objective
from components.modeling.corpus import MappedColumn, load_split
from components.modeling.loading import load_tokenizer
from components.modeling.masking import mask_words
from components.modeling.packing import packed_batches
from components.modeling.pairs import build_sequences
from components.modeling.vocabulary import VocabularyIds

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import jieba


def make(
    tiny: Tiny, *, seed: int = 0, share: float = 0.3, packing: bool = False, objective: Objective = "mlm+nsp"
) -> PretrainingBatches:
    return PretrainingBatches(
        load_split(tiny.encoded, "train"),
        VocabularyIds.of(load_tokenizer(tiny.tokenizer)),
        max_tokens=64,
        tokens_per_batch=512,
        objective=objective,
        packing=packing,
        short_share=0.1,
        mask_share=share,
        seed=seed,
    )


def test_step_alone_decides_the_batch(tiny: Tiny) -> None:
    one, two, other = make(tiny), make(tiny), make(tiny, seed=1)
    last = one.steps_in_epoch(0) + 2
    in_order = [one.batch(step) for step in range(last + 1)]
    jumped = two.batch(last)  # as after a resume
    assert (jumped.input_ids_BT == in_order[last].input_ids_BT).all()
    assert (jumped.positions_P == in_order[last].positions_P).all()
    assert other.batch(0).input_ids_BT.tolist() != in_order[0].input_ids_BT.tolist()


def test_masks_differ_between_epochs(tiny: Tiny) -> None:
    batches = make(tiny)
    epoch = batches.steps_in_epoch(0)
    first = sum(len(batches.batch(step).positions_P) for step in range(epoch))
    assert first > 0
    assert batches.batch(0).input_ids_BT.tolist() != batches.batch(epoch).input_ids_BT.tolist()


def test_layout_against_a_plain_loop(tiny: Tiny) -> None:
    batches = make(tiny)
    tokenizer = load_tokenizer(tiny.tokenizer)
    batch = batches.batch(0)
    true_BT = batch.input_ids_BT.copy()
    true_BT.reshape(-1)[batch.positions_P] = batch.targets_P
    for row, types, attention, label in zip(
        true_BT.tolist(),
        batch.token_type_ids_BT.tolist(),
        batch.attention_mask_BT.tolist(),
        batch.pair_labels_S.tolist(),
        strict=True,
    ):
        length = sum(attention)
        assert attention == [1] * length + [0] * (len(row) - length)
        assert row[0] == tokenizer.cls_token_id
        assert row[length - 1] == tokenizer.sep_token_id
        assert row[length:] == [tokenizer.pad_token_id] * (len(row) - length)
        middle = row.index(tokenizer.sep_token_id)
        assert row[:length].count(tokenizer.sep_token_id) == (1 if label == -100 else 2)
        expected = [0] * (middle + 1) + [1] * (length - middle - 1) + [0] * (len(row) - length)
        assert types == expected


def test_share_over_an_epoch_of_both_languages(tiny: Tiny) -> None:
    batches = make(tiny)
    masked = maskable = 0
    for step in range(batches.steps_in_epoch(0)):
        batch = batches.batch(step)
        masked += len(batch.positions_P)
        maskable += batch.tokens - len(batch.input_ids_BT) * 2 - int((batch.pair_labels_S != -100).sum())
    assert abs(masked / maskable - 0.30) < 0.03  # short rows, each with at least one target


def test_chinese_targets_come_as_words(tiny: Tiny) -> None:
    split = load_split(tiny.encoded, "train").in_language("zh")
    vocabulary = VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    sequences = build_sequences(split, max_tokens=64, pairs=None, short_share=0, generator=np.random.default_rng(0))
    ids_BT, words_BT, _, _ = assemble(split, vocabulary, sequences, np.arange(len(sequences)))
    sizes = []
    for seed in range(20):
        generator = np.random.default_rng(seed)
        out = mask_words(
            ids_BT, words_BT, share=0.3, mask_id=vocabulary.mask, real_ids=vocabulary.real(), generator=generator
        )
        sizes.extend(Counter(words_BT.reshape(-1)[out.positions_P].tolist()).values())
    expected = np.mean([len(word) for record in read_records(tiny.splits / "train") for word in _words(record)])
    assert expected > 1.5
    assert abs(np.mean(sizes) / expected - 1) < 0.05


def _words(record: dict[str, str]) -> list[str]:
    """Words of a Chinese record, straight from jieba; a placeholder is one token."""
    if record["lang"] != "zh":
        return []
    return [word for word in jieba.cut(record["text"].replace("[PERSON]", "，"), HMM=False) if word.strip()]


@pytest.mark.parametrize(("tokens", "rows"), [(100, None), (None, 7)])
def test_pooled_batches_hold_every_row_once(tokens: int | None, rows: int | None) -> None:
    lengths = np.random.default_rng(0).integers(1, 60, size=500)
    batches = pooled_batches(lengths, tokens_per_batch=tokens, rows_per_batch=rows, generator=np.random.default_rng(1))
    assert sorted(np.concatenate(batches).tolist()) == list(range(500))
    if tokens:
        assert all(len(batch) * lengths[batch].max() <= tokens for batch in batches)
    if rows:
        assert len(batches) == -(-500 // rows)


def test_length_buckets_hold_every_row_once_within_budget() -> None:
    lengths = np.random.default_rng(0).integers(1, 60, size=300)
    batches = length_buckets(lengths, max_batch_tokens=120)
    assert sorted(np.concatenate(batches).tolist()) == list(range(300))
    assert all(len(batch) * lengths[batch].max() <= 120 for batch in batches)
    assert length_buckets([], max_batch_tokens=10) == []
    assert [batch.tolist() for batch in length_buckets([500], max_batch_tokens=10)] == [[0]]


def test_pad_rows() -> None:
    padded, mask = pad_rows([[5, 6, 7], [8]], value=0)
    assert padded.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize("objective", ["mlm", "mlm+nsp", "clm"])
def test_packing_keeps_every_sequence_whole(tiny: Tiny, objective: Objective) -> None:
    """The rows of a packed epoch hold the sequences of a loose one, each once, between its own begin and end."""
    tokenizer = load_tokenizer(tiny.tokenizer)
    loose, packed = make(tiny, objective=objective), make(tiny, objective=objective, packing=True)
    found = []
    for batches in (loose, packed):
        texts = []
        for step in range(batches.steps_in_epoch(0)):
            batch = batches.batch(step)
            true_BT = batch.input_ids_BT.copy()
            if objective != "clm":
                true_BT.reshape(-1)[batch.positions_P] = batch.targets_P
            for row, blocks, places in zip(true_BT, batch.blocks_BT, batch.position_ids_BT, strict=True):
                for block in range(1, blocks.max() + 1):
                    texts.append(tuple(row[blocks == block].tolist()))
                    assert places[blocks == block].tolist() == list(range(len(texts[-1])))
                    assert (texts[-1][0], texts[-1][-1]) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
            assert (batch.attention_mask_BT == (batch.blocks_BT > 0)).all()
            assert (true_BT.reshape(-1)[batch.starts_S] == tokenizer.cls_token_id).all()
            assert len(batch.starts_S) == len(batch.pair_labels_S)
        found.append(sorted(texts))
    assert found[0] == found[1]


def test_packed_rows_are_nearly_full(tiny: Tiny) -> None:
    batches = make(tiny, packing=True)
    batch_sizes = [batches.batch(step) for step in range(batches.steps_in_epoch(0))]
    real = sum(batch.tokens for batch in batch_sizes)
    assert real / sum(batch.input_ids_BT.size for batch in batch_sizes) > 0.9  # of a tenth of a pool's rows


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(2, 32), min_size=1, max_size=200), st.integers(1, 9), st.integers(0, 2**32))
def test_packing_against_a_plain_loop(lengths: list[int], rows: int, seed: int) -> None:
    plans = packed_batches(np.array(lengths), width=32, rows_per_batch=rows, generator=np.random.default_rng(seed))
    seen: list[int] = []
    for plan in plans:
        seen += plan.sequences_S.tolist()
        assert plan.rows_S.max() < rows
        assert sorted(set(plan.rows_S.tolist())) == list(range(plan.rows_S.max() + 1))
        for row in range(plan.rows_S.max() + 1):
            assert sum(lengths[s] for s in plan.sequences_S[plan.rows_S == row]) <= 32
    assert sorted(seen) == list(range(len(lengths)))
    assert sum(plan.rows_S.max() + 1 for plan in plans) <= 2 * sum(lengths) / 32 + 1  # no two rows half empty


def test_next_token_targets(tiny: Tiny) -> None:
    batch = make(tiny, objective="clm").batch(0)
    expected = [
        (row * batch.input_ids_BT.shape[1] + place, ids[place + 1])
        for row, (ids, mask) in enumerate(
            zip(batch.input_ids_BT.tolist(), batch.attention_mask_BT.tolist(), strict=True)
        )
        for place in range(sum(mask) - 1)
    ]
    assert list(zip(batch.positions_P.tolist(), batch.targets_P.tolist(), strict=True)) == expected


def test_tokens_stay_in_the_files(tiny: Tiny) -> None:
    split = load_split(tiny.encoded, "train")
    assert not any(part.flags.owndata or part.flags.writeable for part in split.tokens_T.parts)


def test_a_column_in_parts_reads_like_one() -> None:
    generator = np.random.default_rng(0)
    whole = generator.integers(0, 1000, size=500).astype(np.int32)
    column = MappedColumn(np.split(whole, [0, 17, 17, 300]))
    places = generator.integers(0, 500, size=2000)
    assert (column[places] == whole[places]).all()
    assert len(column) == 500
