"""Whole-word masking: shares, treatments, and what must never happen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.modeling.masking import NO_WORD, mask_words

MASK = 4
REAL = np.arange(5, 1000)


def rows_of_words(row_sizes: list[list[int]], *, first_id: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """[CLS] word word … [SEP] [PAD]…; the sizes are tokens a word."""
    width = max(sum(sizes) for sizes in row_sizes) + 2
    ids, words = np.zeros((len(row_sizes), width), np.int64), np.full((len(row_sizes), width), NO_WORD)
    for row, sizes in enumerate(row_sizes):
        flat = [word for word, size in enumerate(sizes) for _ in range(size)]
        ids[row, 0], ids[row, len(flat) + 1] = 2, 3
        ids[row, 1 : len(flat) + 1] = [first_id + (7 * word) % 900 for word in flat]
        words[row, 1 : len(flat) + 1] = flat
    return ids, words


@pytest.fixture(scope="module")
def large() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(1)
    return rows_of_words([generator.integers(1, 5, size=generator.integers(8, 60)).tolist() for _ in range(4000)])


@pytest.mark.parametrize("share", [0.15, 0.30])
def test_share_and_treatments(large: tuple[np.ndarray, np.ndarray], share: float) -> None:
    ids, words = large
    out = mask_words(ids, words, share=share, mask_id=MASK, real_ids=REAL, generator=np.random.default_rng(2))
    maskable = int((words != NO_WORD).sum())
    assert abs(len(out.positions_P) / maskable - share) < 0.005
    inputs = out.input_ids_BT.reshape(-1)[out.positions_P]
    masked, kept = inputs == MASK, inputs == out.targets_P
    assert abs(masked.mean() - 0.8) < 0.01
    assert abs(kept.mean() - 0.1) < 0.01  # a random token equals the true one once in 995 draws
    assert abs((~masked & ~kept).mean() - 0.1) < 0.01


def test_targets_are_the_true_tokens_and_nothing_else_changes(large: tuple[np.ndarray, np.ndarray]) -> None:
    ids, words = large
    out = mask_words(ids, words, share=0.3, mask_id=MASK, real_ids=REAL, generator=np.random.default_rng(3))
    untouched = np.ones(ids.size, dtype=bool)
    untouched[out.positions_P] = False
    assert (ids.reshape(-1)[out.positions_P] == out.targets_P).all()
    assert (out.input_ids_BT.reshape(-1)[untouched] == ids.reshape(-1)[untouched]).all()
    assert (words.reshape(-1)[out.positions_P] != NO_WORD).all()  # no special token, no padding
    assert len(set(out.positions_P.tolist())) == len(out.positions_P)


def test_words_are_masked_whole_and_treated_alike(large: tuple[np.ndarray, np.ndarray]) -> None:
    ids, words = large
    out = mask_words(ids, words, share=0.3, mask_id=MASK, real_ids=REAL, generator=np.random.default_rng(4))
    chosen = np.zeros(ids.size, dtype=bool)
    chosen[out.positions_P] = True
    is_mask = (out.input_ids_BT == MASK).reshape(-1)
    width = ids.shape[1]
    for row in range(300):
        for word in set(words[row]) - {NO_WORD}:
            flat = row * width + np.flatnonzero(words[row] == word)
            assert len(set(chosen[flat])) == 1
            assert len(set(is_mask[flat])) == 1


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=12), min_size=1, max_size=6),
    st.floats(0.01, 0.89),
    st.integers(0, 2**32),
)
def test_every_row_has_a_target_and_keeps_context(sizes: list[list[int]], share: float, seed: int) -> None:
    ids, words = rows_of_words(sizes)
    out = mask_words(ids, words, share=share, mask_id=MASK, real_ids=REAL, generator=np.random.default_rng(seed))
    targets_a_row = np.bincount(out.positions_P // ids.shape[1], minlength=len(sizes))
    for row, row_sizes in enumerate(sizes):
        assert targets_a_row[row] >= 1
        assert targets_a_row[row] < sum(row_sizes) or sum(row_sizes) == 1


def test_same_generator_state_same_masks(large: tuple[np.ndarray, np.ndarray]) -> None:
    ids, words = large
    first, second, other = (
        mask_words(ids, words, share=0.3, mask_id=MASK, real_ids=REAL, generator=np.random.default_rng(seed))
        for seed in (5, 5, 6)
    )
    assert (first.input_ids_BT == second.input_ids_BT).all()
    assert (first.positions_P == second.positions_P).all()
    assert first.positions_P.tolist() != other.positions_P.tolist()


def test_unmaskable_token_separates_words_with_equal_numbers() -> None:
    words = np.array([[NO_WORD, 0, NO_WORD, 0, 1, NO_WORD]])
    ids = np.array([[2, 10, 1, 11, 12, 3]])
    seen = set()
    for seed in range(40):
        out = mask_words(ids, words, share=0.34, mask_id=MASK, real_ids=REAL, generator=np.random.default_rng(seed))
        seen.add(tuple(sorted(out.positions_P.tolist())))
    assert (1,) in seen
    assert (3,) in seen
