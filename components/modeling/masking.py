"""Whole-word masking, drawn anew for every batch.

Words are chosen until the wanted share of maskable tokens is reached; then one draw a word decides: 80 % [MASK],
10 % random tokens, 10 % left as they are (BERT, https://arxiv.org/abs/1810.04805, section 3.1). The word at the border
is taken with the probability that makes the expected share exact. Letters: B rows, T tokens, W words of the batch.

The masker of ``transformers`` is not used: it joins tokens whose offsets touch, so that a run of Chinese is one word,
and draws random tokens from the special ones too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

NO_WORD = -1
_MASK_BELOW, _RANDOM_BELOW = 0.8, 0.9


@dataclass(frozen=True)
class MaskedBatch:
    """Input ids [B, T] after masking, flat positions (row * T + token) of the targets, and the true ids there."""

    input_ids_BT: IntArray
    positions_P: IntArray
    targets_P: IntArray


def mask_words(
    ids_BT: IntArray,
    words_BT: IntArray,
    *,
    share: float,
    mask_id: int,
    real_ids: IntArray,
    generator: np.random.Generator,
) -> MaskedBatch:
    """Mask whole words.

    Args:
        ids_BT: Token ids.
        words_BT: Which word a token belongs to: neighbours of a row with equal numbers are one word; ``NO_WORD`` for
            what is never masked (special tokens, padding).
        share: Wanted share of maskable tokens.
        mask_id: Id of [MASK].
        real_ids: Ids that random replacement draws from; holds no special token.
        generator: Source of all draws.

    Every row with a maskable token has at least one target; no row with two maskable tokens has all of them masked.
    """
    chosen, word_of_token, flat_T = _choose_words(words_BT, share, generator)
    treatment_W = generator.random(len(chosen))
    target_T = chosen[word_of_token]
    _spare_single_words(target_T, flat_T // ids_BT.shape[1])
    positions_P = flat_T[target_T]
    treatment_P = treatment_W[word_of_token[target_T]]
    targets_P = ids_BT.reshape(-1)[positions_P]
    random_P = real_ids[generator.integers(0, len(real_ids), size=len(positions_P))]
    replaced_P = np.where(
        treatment_P < _MASK_BELOW, mask_id, np.where(treatment_P < _RANDOM_BELOW, random_P, targets_P)
    )
    masked_BT = ids_BT.copy()
    masked_BT.reshape(-1)[positions_P] = replaced_P
    return MaskedBatch(masked_BT, positions_P, targets_P)


def next_tokens(ids_BT: IntArray, attention_mask_BT: IntArray) -> MaskedBatch:
    """The targets of a decoder: at every token but a row's last the token after it. The ids stay as they are."""
    has_next_BT = np.zeros(ids_BT.shape, dtype=bool)
    has_next_BT[:, :-1] = attention_mask_BT[:, 1:] > 0
    positions_P = np.flatnonzero(has_next_BT)
    return MaskedBatch(ids_BT, positions_P, ids_BT.reshape(-1)[positions_P + 1])


def _choose_words(
    words_BT: IntArray, share: float, generator: np.random.Generator
) -> tuple[NDArray[np.bool_], IntArray, IntArray]:
    """Which words are chosen [W]; the word of each maskable token; the flat positions of those tokens."""
    width = words_BT.shape[1]
    flat = words_BT.reshape(-1)
    flat_T = np.flatnonzero(flat != NO_WORD)
    # A word ends where its number changes, where the row ends and where an unmaskable token lies between.
    starts_T = np.ones(len(flat_T), dtype=bool)
    starts_T[1:] = (flat[flat_T[1:]] != flat[flat_T[:-1]]) | (np.diff(flat_T) > 1) | (flat_T[1:] % width == 0)
    word_of_token = np.cumsum(starts_T) - 1
    row_W = flat_T[starts_T] // width
    size_W = np.bincount(word_of_token, minlength=len(row_W))

    order_W = np.lexsort((generator.random(len(row_W)), row_W))
    row_O, size_O = row_W[order_W], size_W[order_W]
    tokens_B = np.bincount(row_O, weights=size_O, minlength=len(words_BT))
    cumulated_O = np.cumsum(size_O)
    before_row_B = np.concatenate([[0], np.cumsum(tokens_B)[:-1]])
    start_O = cumulated_O - size_O - before_row_B[row_O]
    # Wholly inside the budget: ratio >= 1; outside: <= 0; the word at the border: its share that is inside.
    ratio_O = (share * tokens_B[row_O] - start_O) / np.maximum(size_O, 1)
    taken_O = generator.random(len(row_O)) < ratio_O

    first_O = np.ones(len(row_O), dtype=bool)
    first_O[1:] = row_O[1:] != row_O[:-1]
    count_B = np.bincount(row_O, weights=taken_O, minlength=len(words_BT))
    words_B = np.bincount(row_O, minlength=len(words_BT))
    taken_O |= first_O & (count_B[row_O] == 0)
    last_O = np.roll(first_O, -1)
    taken_O &= ~(last_O & (count_B[row_O] == words_B[row_O]) & (words_B[row_O] > 1))

    chosen_W = np.zeros(len(row_W), dtype=bool)
    chosen_W[order_W] = taken_O
    return chosen_W, word_of_token, flat_T


def _spare_single_words(target_T: NDArray[np.bool_], row_T: IntArray) -> None:
    """In a row that is one word of several tokens, keep only the first as target (in place)."""
    if not len(row_T):
        return
    tokens_B = np.bincount(row_T)
    whole_B = (np.bincount(row_T, weights=target_T) == tokens_B) & (tokens_B > 1)
    first_T = np.ones(len(row_T), dtype=bool)
    first_T[1:] = row_T[1:] != row_T[:-1]
    target_T &= ~whole_B[row_T] | first_T
