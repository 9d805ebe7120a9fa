"""Rows of token ids with positions to hide, shared by the suites that ask a masked language model.

Letters: T tokens of a row, M masked positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.evaluation.statistics import FloatArray

_ROWS_A_CALL = 64
MAX_WINDOW_TOKENS = 256


@dataclass(frozen=True)
class MaskedRow:
    """A window of a document with the positions hidden together; ``document`` is its index in the caller's list."""

    document: int
    token_ids: list[int]
    positions: list[int]


def document_token_ids(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of whole texts, without special tokens and without a length limit."""
    if not texts:
        return []
    encoded = tokenizer(
        list(texts), add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False, verbose=False
    )
    return [list(ids) for ids in encoded["input_ids"]]


def windows(tokenizer: Any, token_ids: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Consecutive windows of at most ``max_tokens``, each between the special tokens; together they hold all ids."""
    size = min(max_tokens, MAX_WINDOW_TOKENS) - 2
    return [
        [tokenizer.cls_token_id, *token_ids[start : start + size], tokenizer.sep_token_id]
        for start in range(0, len(token_ids), size)
    ]


def random_masks(
    rows: Sequence[tuple[int, list[int]]], tokenizer: Any, *, masked_share: float, seeds: Sequence[int]
) -> list[MaskedRow]:
    """Hide a share of the known tokens of each (document, row), at least one; a row's seed alone decides which.

    Unknown tokens are never hidden: guessing [UNK] is easy and says nothing. A row of unknown tokens is dropped.
    """
    special = set(tokenizer.all_special_ids)
    masked = []
    for (document, token_ids), seed in zip(rows, seeds, strict=True):
        candidates = [index for index, token in enumerate(token_ids) if token not in special]
        if not candidates:
            continue
        count = max(1, round(masked_share * len(candidates)))
        chosen = np.random.default_rng(seed).choice(candidates, size=count, replace=False)
        masked.append(MaskedRow(document, token_ids, sorted(int(index) for index in chosen)))
    return masked


def log_probabilities(language_model: Any, rows: Sequence[MaskedRow]) -> list[FloatArray]:
    """Natural-log probability of the hidden tokens of each row, [M] a row."""
    found: list[FloatArray] = language_model.masked_log_probabilities(
        [row.token_ids for row in rows], [row.positions for row in rows]
    )
    return found


def guesses(
    language_model: Any, rows: Sequence[MaskedRow]
) -> Iterator[tuple[MaskedRow, FloatArray, NDArray[np.bool_]]]:
    """Each row with the log probability of its hidden tokens [M] and whether the top guess is right [M]."""
    for start in range(0, len(rows), _ROWS_A_CALL):
        part = rows[start : start + _ROWS_A_CALL]
        tables = language_model.masked_distributions([row.token_ids for row in part], [row.positions for row in part])
        for row, table_MV in zip(part, tables, strict=True):
            true_M = np.array([row.token_ids[position] for position in row.positions])
            picked_M = np.asarray(table_MV[np.arange(len(true_M)), true_M], dtype=np.float64)
            yield row, picked_M, np.asarray(table_MV.argmax(axis=1) == true_M)


def tokens_of_span(offsets: Sequence[tuple[int, int]], start: int, end: int) -> list[int]:
    """Indices of the tokens that overlap the characters ``[start, end)``."""
    return [index for index, (low, high) in enumerate(offsets) if low < end and high > start and high > low]


def encode_with_offsets(language_model: Any, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Token ids with special tokens, cut at the model's length, and their character offsets (0, 0 for special)."""
    encoded = language_model.tokenizer(
        text, truncation=True, max_length=language_model.max_tokens, return_offsets_mapping=True
    )
    return list(encoded["input_ids"]), [(int(low), int(high)) for low, high in encoded["offset_mapping"]]


def has_chinese(text: str) -> bool:
    """Whether a text holds a CJK ideograph of the basic block."""
    return any("\u4e00" <= character <= "\u9fff" for character in text)
