"""Near duplicates: MinHash signatures, locality-sensitive hashing for candidates, true Jaccard for the verdict.

A signature is cut into bands; documents that agree on a whole band are candidates (Leskovec, Rajaraman and Ullman,
Mining of Massive Datasets, section 3.4). Candidates whose signatures agree too little are put aside cheaply, the rest
are compared n-gram by n-gram, so no pair below the threshold is ever called a duplicate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from components.cleaning.shingles import Hashes, Signatures, jaccard

MIN_RECALL = 0.99
# Standard deviations of the signature's estimate by which it may lie below the threshold and still be checked.
_SLACK = 4.0
_MAX_MEMBERS = 200

Indices = NDArray[np.int64]
SetOf = Callable[[int], Hashes]


def choose_rows_per_band(threshold: float, permutations: int) -> int:
    """The longest band for which a pair at the threshold is found with probability ``MIN_RECALL`` or more."""
    rows = 1
    while (rows + 1) <= permutations and 1 - (1 - threshold ** (rows + 1)) ** (
        permutations // (rows + 1)
    ) >= MIN_RECALL:
        rows += 1
    return rows


def find_near_duplicates(signatures: Signatures, set_of: SetOf, threshold: float) -> dict[int, int]:
    """Documents to drop, each with the earlier one that stays, in order.

    A document goes if it is similar to an earlier one that stayed; so no two found pairs both stay. ``set_of`` gives
    a document's sorted set of n-grams.
    """
    dropped: dict[int, int] = {}
    buckets = _Buckets(signatures, threshold)
    for index in buckets.documents():
        for other in _likely(signatures, index, buckets.earlier(index), threshold):
            if jaccard(set_of(index), set_of(other)) >= threshold:
                dropped[index] = other
                break
        else:
            buckets.add(index)
    return dropped


def pair_near_duplicates(
    signatures: Signatures, set_of: SetOf, threshold: float, connected: Callable[[int, int], bool]
) -> Iterator[tuple[int, int]]:
    """Pairs of near duplicates, (later, earlier), leaving out those that the caller has ``connected`` already."""
    buckets = _Buckets(signatures, threshold)
    for index in buckets.documents():
        for other in _likely(signatures, index, buckets.earlier(index), threshold):
            if not connected(index, other) and jaccard(set_of(index), set_of(other)) >= threshold:
                yield index, other
        buckets.add(index)


class _Buckets:
    """Documents that agree on a whole band, each bucket holding its first members alone.

    The bound keeps a thousand variants of one template from costing a million comparisons.
    """

    def __init__(self, signatures: Signatures, threshold: float) -> None:
        rows = choose_rows_per_band(threshold, signatures.shape[1])
        self._buckets_of: defaultdict[int, list[int]] = defaultdict(list)
        self._members: list[list[int]] = []
        for start in range(0, signatures.shape[1] - rows + 1, rows):
            for group in _equal_rows(signatures[:, start : start + rows]):
                for index in group.tolist():
                    self._buckets_of[index].append(len(self._members))
                self._members.append([])

    def documents(self) -> list[int]:
        """Documents that share a bucket with another, in order."""
        return sorted(self._buckets_of)

    def earlier(self, index: int) -> Indices:
        """Those added so far that share a bucket with the document."""
        shared = {member for bucket in self._buckets_of[index] for member in self._members[bucket]}
        return np.fromiter(sorted(shared), np.int64, len(shared))

    def add(self, index: int) -> None:
        """Let later documents be compared with this one."""
        for bucket in self._buckets_of[index]:
            if len(self._members[bucket]) < _MAX_MEMBERS:
                self._members[bucket].append(index)


def _equal_rows(band: Signatures) -> list[Indices]:
    """Groups of two or more equal rows, as sorted row numbers."""
    keys = np.ascontiguousarray(band).view(np.dtype((np.void, band.dtype.itemsize * band.shape[1]))).ravel()
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    members = np.flatnonzero(counts[inverse] > 1)
    order = members[np.argsort(inverse[members], kind="stable")]
    bounds = np.flatnonzero(np.diff(inverse[order])) + 1
    return [np.asarray(group, np.int64) for group in np.split(order, bounds)] if order.size else []


def _likely(signatures: Signatures, index: int, others: Indices, threshold: float) -> list[int]:
    """Those whose signatures agree enough to be worth a true comparison, the most alike first."""
    if not others.size:
        return []
    agreement = (signatures[others] == signatures[index]).mean(axis=1)
    slack = _SLACK * np.sqrt(threshold * (1 - threshold) / signatures.shape[1])
    kept = np.flatnonzero(agreement >= threshold - slack)
    return [int(other) for other in others[kept[np.argsort(-agreement[kept], kind="stable")]]]
