"""An encoded split as flat columns: tokens, the word of each, and where sentences and documents begin.

Tokens and words stay on disk, memory-mapped as the Arrow files lie there; in memory is one offset a sentence. Letters:
T tokens, S sentences, D documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import ContractError
from components.modeling.batching import ranges

_WORDS_PER_SENTENCE = 1 << 24  # more than any sentence has


class MappedColumn:
    """An int32 column in parts, each a view into a file; indexed by arrays of places in the whole."""

    def __init__(self, parts: Sequence[NDArray[np.int32]]) -> None:
        self.parts = tuple(parts) or (np.zeros(0, np.int32),)
        self._ends = np.cumsum([len(part) for part in self.parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, places_T: NDArray[np.int64]) -> NDArray[np.int32]:
        if len(self.parts) == 1:
            return np.asarray(self.parts[0][places_T])
        out_T = np.empty(len(places_T), np.int32)
        part_T = np.searchsorted(self._ends, places_T, side="right")
        for part in np.unique(part_T).tolist():
            here_T = part_T == part
            start = int(self._ends[part]) - len(self.parts[part])
            out_T[here_T] = self.parts[part][places_T[here_T] - start]
        return out_T


@dataclass(frozen=True)
class EncodedSplit:
    """Tokens of a split in document order.

    ``words_T`` numbers the words of each sentence from 0; ``sentence_offsets`` has S + 1 token offsets,
    ``document_offsets`` D + 1 sentence offsets.
    """

    tokens_T: MappedColumn
    words_T: MappedColumn
    sentence_offsets: NDArray[np.int64]
    document_offsets: NDArray[np.int64]
    languages_D: NDArray[np.str_]
    ids_D: Any = None  # an Arrow column of strings, which stays on disk

    def ids(self, documents: NDArray[np.int64]) -> list[str]:
        """The ids of some documents."""
        return [] if self.ids_D is None else [str(self.ids_D[place].as_py()) for place in documents.tolist()]

    def words(self, places_T: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the words that tokens belong to, over the whole split: equal means the same word."""
        sentences_T = np.searchsorted(self.sentence_offsets, places_T, side="right")
        return np.asarray(sentences_T * _WORDS_PER_SENTENCE + self.words_T[places_T])

    @property
    def documents(self) -> int:
        """How many documents there are."""
        return len(self.document_offsets) - 1

    def in_language(self, language: str) -> EncodedSplit:
        """The documents of one language, as a split of their own, in memory."""
        return self.of(np.flatnonzero(self.languages_D == language))

    def of(self, documents: NDArray[np.int64]) -> EncodedSplit:
        """Some documents, as a split of their own, in memory."""
        starts, ends = self.document_offsets[documents], self.document_offsets[documents + 1]
        sentences = ranges(starts, ends - starts)
        sizes_S = np.diff(self.sentence_offsets)[sentences]
        places_T = ranges(self.sentence_offsets[sentences], sizes_S)
        return EncodedSplit(
            MappedColumn([self.tokens_T[places_T]]),
            MappedColumn([self.words_T[places_T]]),
            np.concatenate([[0], np.cumsum(sizes_S)]).astype(np.int64),
            np.concatenate([[0], np.cumsum(ends - starts)]).astype(np.int64),
            self.languages_D[documents],
            None if self.ids_D is None else self.ids_D.take(documents),
        )

    def token_languages(self, start: int, end: int) -> NDArray[np.str_]:
        """The language of each token of a range."""
        ends_D = self.sentence_offsets[self.document_offsets[1:]]
        documents = np.searchsorted(ends_D, np.arange(start, end), side="right")
        return np.asarray(self.languages_D[documents])


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
    return EncodedSplit(tokens_T, words_T, sentence_offsets, document_offsets, languages_D, table.column("id"))


def _flatten(column: Any) -> tuple[MappedColumn, NDArray[np.int64], NDArray[np.int64]]:
    """Values, inner and outer offsets of a chunked list<list<int32>> column; the values are not copied."""
    values, inner, outer = [], [np.zeros(1, np.int64)], [np.zeros(1, np.int64)]
    for chunk in column.chunks:
        sentences = chunk.flatten()
        values.append(sentences.flatten().to_numpy(zero_copy_only=True))
        inner.append(_ends(sentences) + inner[-1][-1])
        outer.append(_ends(chunk) + outer[-1][-1])
    return MappedColumn(values), np.concatenate(inner), np.concatenate(outer)


def _ends(lists: Any) -> NDArray[np.int64]:
    offsets = lists.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
    return np.asarray(offsets[1:] - offsets[0])
