"""An encoded split as flat arrays: tokens, the word of each, and where sentences and documents begin.

Two int32 a token and one offset a sentence; no Python object a row. Letters: T tokens, S sentences, D documents.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import ContractError


@dataclass(frozen=True)
class EncodedSplit:
    """Tokens of a split in document order.

    ``words_T`` numbers words over the whole split, so that equal numbers mean the same word; ``sentence_offsets`` has
    S + 1 token offsets, ``document_offsets`` D + 1 sentence offsets.
    """

    tokens_T: NDArray[np.int32]
    words_T: NDArray[np.int32]
    sentence_offsets: NDArray[np.int64]
    document_offsets: NDArray[np.int64]
    languages_D: NDArray[np.str_]

    @property
    def documents(self) -> int:
        """How many documents there are."""
        return len(self.document_offsets) - 1

    def in_language(self, language: str) -> EncodedSplit:
        """The documents of one language, as a split of their own that copies nothing but offsets and tokens."""
        spans = [
            (int(self.document_offsets[document]), int(self.document_offsets[document + 1]))
            for document in np.flatnonzero(self.languages_D == language)
        ]
        sizes_S = np.diff(self.sentence_offsets)
        tokens = [slice(self.sentence_offsets[start], self.sentence_offsets[end]) for start, end in spans]
        sizes = np.concatenate([sizes_S[start:end] for start, end in spans] or [sizes_S[:0]])
        return EncodedSplit(
            np.concatenate([self.tokens_T[part] for part in tokens] or [self.tokens_T[:0]]),
            np.concatenate([self.words_T[part] for part in tokens] or [self.words_T[:0]]),
            np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            np.cumsum([0] + [end - start for start, end in spans], dtype=np.int64),
            self.languages_D[self.languages_D == language],
        )


def load_split(encoded: Path, split: str) -> EncodedSplit:
    """Read one split of an encoded corpus. Raises ContractError if it is absent or holds no tokens."""
    import datasets

    folder = encoded / split
    if not (folder / "dataset_info.json").is_file():
        raise ContractError(f"{folder}: no encoded split; run the encoding stage")
    table = datasets.load_from_disk(str(folder)).data.table
    tokens_T, sentence_offsets, document_offsets = _flatten(table.column("sentences"))
    words_T, word_offsets, _ = _flatten(table.column("words"))
    if not len(tokens_T):
        raise ContractError(f"{folder}: no tokens in this split; look at the corpus before it")
    if not np.array_equal(sentence_offsets, word_offsets):
        raise ContractError(f"{folder}: columns sentences and words differ in shape; encode again")
    languages_D = np.asarray(table.column("lang").to_pylist(), dtype=np.str_)
    words_T = _number_words(words_T, sentence_offsets)
    return EncodedSplit(tokens_T, words_T, sentence_offsets, document_offsets, languages_D)


def _flatten(column: Any) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64]]:
    """Values, inner and outer offsets of a chunked list<list<int32>> column."""
    values, inner, outer = [], [np.zeros(1, np.int64)], [np.zeros(1, np.int64)]
    for chunk in column.chunks:
        sentences = chunk.flatten()
        values.append(sentences.flatten().to_numpy(zero_copy_only=False).astype(np.int32, copy=False))
        inner.append(_ends(sentences) + inner[-1][-1])
        outer.append(_ends(chunk) + outer[-1][-1])
    flat = np.concatenate(values) if values else np.zeros(0, np.int32)
    return flat, np.concatenate(inner), np.concatenate(outer)


def _ends(lists: Any) -> NDArray[np.int64]:
    offsets = lists.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
    return np.asarray(offsets[1:] - offsets[0])


def _number_words(words_T: NDArray[np.int32], sentence_offsets: NDArray[np.int64]) -> NDArray[np.int32]:
    starts_T = np.ones(len(words_T), dtype=bool)
    starts_T[1:] = words_T[1:] != words_T[:-1]
    starts_T[sentence_offsets[:-1][np.diff(sentence_offsets) > 0]] = True
    return (np.cumsum(starts_T) - 1).astype(np.int32)
