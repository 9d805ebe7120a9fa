"""Near duplicates: MinHash signatures, locality-sensitive hashing for candidates, true Jaccard for the verdict.

A signature is cut into bands; documents that agree on a whole band are candidates (Leskovec, Rajaraman and Ullman,
Mining of Massive Datasets, section 3.4). Candidates whose signatures agree too little are put aside cheaply, the rest
are compared n-gram by n-gram, so no pair below the threshold is ever called a duplicate.

Documents are taken in a given order of precedence. One that is similar to a document that stayed goes, and names it.
So no two found pairs both stay, and nothing goes for the sake of a document that it is not itself similar to, as it
would where whole chains of similar documents are joined and all but one dropped.

Letters: N documents, M of them that share a band with another, K memberships of documents in buckets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.cleaning.shingles import jaccard
from components.cleaning.sketches import Indices, Sketches

# Standard deviations of the signature's estimate by which it may lie below the threshold and still be checked.
_SLACK = 4.0
# A bucket remembers so many that stayed: a thousand variants of one template would cost a million comparisons.
_MAX_MEMBERS = 200


def find_near_duplicates(
    sketches: Sketches, threshold: float, *, order: Indices, labels: NDArray[np.int8] | None = None
) -> dict[int, int]:
    """Documents that must go, each with the one it resembles that stays.

    Args:
        sketches: What is remembered of the documents.
        threshold: Jaccard similarity from which two documents are near duplicates.
        order: The documents to compare, most privileged first. Shape (N,).
        labels: Where given, documents with the same label may resemble each other. Shape (len(sketches),).
    """
    if order.size < 2:
        return {}
    buckets = _find_buckets(sketches, order)
    documents = order[buckets.positions]
    search = _Search(sketches, threshold, buckets, documents, None if labels is None else labels[documents])
    found = {}
    for member in range(len(documents)):
        kept = search.resembled(member)
        if kept is None:
            search.keep(member)
        else:
            found[int(documents[member])] = int(documents[kept])
    return found


@dataclass(frozen=True)
class _Buckets:
    """Which documents agree on which band.

    Attributes:
        positions: Places in the order of those that share a band, ascending. Shape (M,).
        bounds: Where each one's buckets begin in ``of``. Shape (M + 1,).
        of: Bucket numbers, by document. Shape (K,).
        sizes: Members of each bucket.
    """

    positions: Indices
    bounds: Indices
    of: NDArray[np.int32]
    sizes: Indices


def _find_buckets(sketches: Sketches, order: Indices) -> _Buckets:
    """Buckets of two or more, one band at a time, so that memory holds one band of all documents."""
    members, numbers, count = [np.empty(0, np.int32)], [np.empty(0, np.int32)], 0
    for band in range(sketches.bands):
        keys = sketches.band(band)[order]
        by_key = np.argsort(keys, kind="stable")
        same = np.diff(keys[by_key]) == 0
        shared = np.concatenate([same, [False]]) | np.concatenate([[False], same])
        _, number = np.unique(np.cumsum(np.concatenate([[True], ~same]))[shared], return_inverse=True)
        members.append(by_key[shared].astype(np.int32))
        numbers.append((number + count).astype(np.int32))
        count += int(number.max()) + 1 if number.size else 0
    member, bucket = np.concatenate(members), np.concatenate(numbers)
    by_member = np.argsort(member, kind="stable")
    positions, firsts = np.unique(member[by_member], return_index=True)
    bounds = np.concatenate([firsts, [member.size]])
    return _Buckets(positions.astype(np.int64), bounds, bucket[by_member], np.bincount(bucket, minlength=count))


class _Search:
    """The documents that stayed so far, by bucket."""

    def __init__(
        self,
        sketches: Sketches,
        threshold: float,
        buckets: _Buckets,
        documents: Indices,
        labels: NDArray[np.int8] | None,
    ) -> None:
        self._sketches = sketches
        self._threshold = threshold
        self._buckets = buckets
        self._documents = documents
        self._labels = labels
        ascending = np.sort(documents)
        self._bits = sketches.bits(ascending)[np.searchsorted(ascending, documents)]
        capacity = np.minimum(buckets.sizes, _MAX_MEMBERS)
        self._starts = np.concatenate([[0], np.cumsum(capacity)]).astype(np.int64)
        self._filled = np.zeros(len(capacity), np.int64)
        self._members = np.empty(int(self._starts[-1]), np.int64)
        slack = _SLACK * np.sqrt(threshold * (1 - threshold) / self._bits.shape[1])
        self._min_agreement = (threshold - slack) * self._bits.shape[1]

    def resembled(self, member: int) -> int | None:
        """A document that stayed and that this one is a near duplicate of, the likeliest first; None without one."""
        others = self._candidates(member)
        if not others.size:
            return None
        same = self._bits[others] == self._bits[member]
        agreement = same.view(np.uint8).sum(axis=1, dtype=np.uint16)
        likely = np.flatnonzero(agreement >= self._min_agreement)
        if not likely.size:
            return None
        own = self._sketches.shingles(int(self._documents[member]))
        likeliest_first = likely[np.argsort(agreement[likely], kind="stable")[::-1]]
        for other in others[likeliest_first].tolist():
            if jaccard(own, self._sketches.shingles(int(self._documents[other]))) >= self._threshold:
                return int(other)
        return None

    def keep(self, member: int) -> None:
        """Let later documents be compared with this one."""
        own = self._own(member)
        own = own[self._starts[own] + self._filled[own] < self._starts[own + 1]]
        self._members[self._starts[own] + self._filled[own]] = member
        self._filled[own] += 1

    def _own(self, member: int) -> NDArray[np.int32]:
        low, high = self._buckets.bounds[member : member + 2].tolist()
        return self._buckets.of[low:high]

    def _candidates(self, member: int) -> Indices:
        own = self._own(member)
        own = own[self._filled[own] > 0]
        if not own.size:
            return np.empty(0, np.int64)
        starts = self._starts[own]
        ends = starts + self._filled[own]
        pieces = [self._members[low:high] for low, high in zip(starts.tolist(), ends.tolist(), strict=True)]
        others = _distinct(np.concatenate(pieces))
        return others if self._labels is None else others[self._labels[others] != self._labels[member]]


def _distinct(numbers: Indices) -> Indices:
    """Sorted and without repeats; ``np.unique`` takes five times as long on a handful."""
    if numbers.size > 1:
        numbers.sort()
        numbers = numbers[np.concatenate([[True], numbers[1:] != numbers[:-1]])]
    return numbers
