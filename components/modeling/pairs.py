"""Sequences of one epoch: single segments, or sentence pairs for next-sentence or sentence-order prediction.

As in BERT (https://arxiv.org/abs/1810.04805, appendix A.2; create_pretraining_data.py of its repository): sentences of
a document are gathered up to a target length, cut into A and B at a random sentence border, and in half of the cases B
is replaced by a run from another document; the sentences it displaced then start the next sequence. Two deviations:
the other document is one of the same language, else the label could be told by the script; and a run of one sentence
has no B but becomes a single segment without a label, because giving such runs only random partners would tell the
label by the length. Label 0 is "is next", as in Hugging Face. For sentence order (ALBERT,
https://arxiv.org/abs/1909.11942, section 3.1) both segments follow one another, and in half of the cases they are
swapped (label 1), so that topic tells nothing.

A segment is a range of the split's flat tokens, so an epoch is five numbers a sequence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from components.modeling.corpus import EncodedSplit

Pairs = Literal["nsp", "sop"]

IS_NEXT, IS_RANDOM, NO_LABEL = 0, 1, -100
IN_ORDER, IS_SWAPPED = 0, 1
_MIN_TOKENS = 2  # one token alone has no context to be guessed from
_DRAWS = 65_536


@dataclass(frozen=True)
class Sequences:
    """Token ranges [start, end) of segments A and B (empty where there is none) and next-sentence labels, N rows."""

    first_N2: NDArray[np.int64]
    second_N2: NDArray[np.int64]
    labels_N: NDArray[np.int64]

    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each sequence with its [CLS] and one or two [SEP]."""
        second_N = self.second_N2[:, 1] - self.second_N2[:, 0]
        return self.first_N2[:, 1] - self.first_N2[:, 0] + second_N + 2 + (second_N > 0)

    def __len__(self) -> int:
        return len(self.labels_N)


def build_sequences(
    split: EncodedSplit, *, max_tokens: int, pairs: Pairs | None, short_share: float, generator: np.random.Generator
) -> Sequences:
    """All sequences of one epoch, documents in random order.

    Args:
        split: The flat corpus.
        max_tokens: Longest sequence, special tokens included.
        pairs: Which question sentence pairs ask; None for single segments.
        short_share: Share of sequences that aim at a random shorter length.
        generator: Source of all draws.
    """
    builder = _Builder(split, max_tokens=max_tokens, pairs=pairs, short_share=short_share, generator=generator)
    for document in generator.permutation(split.documents):
        builder.add_document(int(document))
    rows = np.asarray(builder.rows, dtype=np.int64).reshape(-1, 5)
    return Sequences(rows[:, 0:2], rows[:, 2:4], rows[:, 4])


class _Builder:
    """Gathers sequences document by document; plain lists and numbers, since it runs once a sentence."""

    def __init__(
        self,
        split: EncodedSplit,
        *,
        max_tokens: int,
        pairs: Pairs | None,
        short_share: float,
        generator: np.random.Generator,
    ) -> None:
        self.rows: list[tuple[int, int, int, int, int]] = []
        self._bounds = split.sentence_offsets.tolist()
        self._documents = split.document_offsets.tolist()
        self._budget = max_tokens - (3 if pairs else 2)
        self._max_single = max_tokens - 2
        self._pairs = pairs
        self._peers, self._rank = _peers(split)
        self._short_share = short_share
        self._uniform = _uniforms(generator)

    def add_document(self, document: int) -> None:
        start, end = self._documents[document], self._documents[document + 1]
        target = self._target()
        first = start
        while first < end:
            last = first + 1
            while last < end and self._bounds[last] - self._bounds[first] < target:
                last += 1
            first = self._add_run(document, first, last, target)
            target = self._target()

    def _target(self) -> int:
        if next(self._uniform) < self._short_share:
            return 2 + int(next(self._uniform) * (self._budget - 1))
        return self._budget

    def _add_run(self, document: int, first: int, last: int, target: int) -> int:
        """One sequence from sentences [first, last); returns the first sentence that is not used up."""
        bounds = self._bounds
        if not self._pairs or last - first == 1:
            self._add(bounds[first], bounds[last], 0, 0, NO_LABEL)
            return last
        middle = first + 1 + int(next(self._uniform) * (last - first - 1))
        if next(self._uniform) < 0.5:
            self._add(bounds[first], bounds[middle], bounds[middle], bounds[last], IS_NEXT)
            return last
        if self._pairs == "sop":
            self._add(bounds[middle], bounds[last], bounds[first], bounds[middle], IS_SWAPPED)
            return last
        wanted = max(1, target - (bounds[middle] - bounds[first]))
        start, end = self._random_run(document, wanted)
        self._add(bounds[first], bounds[middle], start, end, IS_RANDOM)
        return middle

    def _random_run(self, document: int, wanted: int) -> tuple[int, int]:
        """Token range of a run of sentences of another document, at least ``wanted`` tokens if it has them."""
        peers, rank = self._peers[document], self._rank[document]
        if len(peers) < 2:
            return 0, 0
        place = int(next(self._uniform) * (len(peers) - 1))
        other = peers[place + (place >= rank)]
        start, end = self._documents[other], self._documents[other + 1]
        first = start + int(next(self._uniform) * (end - start))
        last = first + 1
        while last < end and self._bounds[last] - self._bounds[first] < wanted:
            last += 1
        return self._bounds[first], self._bounds[last]

    def _add(self, a_start: int, a_end: int, b_start: int, b_end: int, label: int) -> None:
        """Append a sequence, the longer segment cut at either end until both fit."""
        if b_start == b_end:
            label = NO_LABEL
        budget = self._budget if b_end > b_start else self._max_single
        while (excess := a_end - a_start + b_end - b_start - budget) > 0:
            first_is_longer = a_end - a_start > b_end - b_start
            cut = min(excess, max(1, abs((a_end - a_start) - (b_end - b_start))))
            front = cut if next(self._uniform) < 0.5 else 0
            if first_is_longer:
                a_start, a_end = a_start + front, a_end - (cut - front)
            else:
                b_start, b_end = b_start + front, b_end - (cut - front)
        if a_end - a_start + b_end - b_start >= _MIN_TOKENS:
            self.rows.append((a_start, a_end, b_start, b_end, label))


def _peers(split: EncodedSplit) -> tuple[list[list[int]], list[int]]:
    """For each document the non-empty documents of its language (shared lists), and its own place among them."""
    filled = np.diff(split.document_offsets) > 0
    peers: list[list[int]] = [[] for _ in range(split.documents)]
    rank = [0] * split.documents
    for language in np.unique(split.languages_D):
        members = np.flatnonzero((split.languages_D == language) & filled).tolist()
        for place, document in enumerate(members):
            peers[document], rank[document] = members, place
    return peers, rank


def _uniforms(generator: np.random.Generator) -> Iterator[float]:
    """Uniform draws from [0, 1), made in blocks because single draws are slow."""
    while True:
        yield from generator.random(_DRAWS).tolist()
