"""Which records repeat an earlier one, over a corpus of any size, in memory that does not grow with it.

A shard's keys are 64-bit digests, one a record in order, as little-endian bytes in a file. Two different keys that
share a digest (one chance in 10^4 among 6 * 10^7 records) are taken for a repeat.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

DIGEST_BYTES = 8
_DIGESTS_AT_ONCE = 4_000_000

Digests = npt.NDArray[np.uint64]


def digest_key(key: str) -> bytes:
    """The eight bytes that stand for a key."""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).digest()


def read_digests(path: Path) -> Digests:
    """A shard's digests, [records] uint64."""
    return np.fromfile(path, dtype="<u8")


def count_earlier(
    paths: Sequence[Path], scratch: Path, *, at_once: int = _DIGESTS_AT_ONCE
) -> Iterator[npt.NDArray[np.int64]]:
    """For each shard in order, [records] int64: how many records before, in any shard, have the same key.

    Args:
        paths: The shards' digest files.
        scratch: A file to make, 4 bytes a record; the caller removes it.
        at_once: Digests in memory at a time; the files are read once for each such portion.
    """
    sizes = [path.stat().st_size // DIGEST_BYTES for path in paths]
    starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    if not starts[-1]:
        yield from (np.zeros(0, dtype=np.int64) for _ in paths)
        return
    # Before a shard: how often each of its different digests, in ascending order, stood in the shards before it.
    before = np.memmap(scratch, dtype=np.uint32, mode="w+", shape=(int(starts[-1]),))
    portions = -(-int(starts[-1]) // at_once)
    bounds = [(portion << 64) // portions for portion in range(portions + 1)]
    for low, high in itertools.pairwise(bounds):
        _fill_before(before, paths, starts, low, high)
    for path, start in zip(paths, starts, strict=False):
        distinct, inverse, counts = np.unique(read_digests(path), return_inverse=True, return_counts=True)
        yield before[start : start + len(distinct)].astype(np.int64)[inverse] + _rank_within(inverse, counts)


def _fill_before(
    before: npt.NDArray[np.uint32], paths: Sequence[Path], starts: npt.NDArray[np.int64], low: int, high: int
) -> None:
    """Fill in the digests from ``low`` up to, not including, ``high``."""
    digests, counts, places = [], [], []
    for path, start in zip(paths, starts, strict=False):
        distinct, count = np.unique(read_digests(path), return_counts=True)
        first = int(np.searchsorted(distinct, np.uint64(low)))
        last = len(distinct) if high >= 1 << 64 else int(np.searchsorted(distinct, np.uint64(high)))
        digests.append(distinct[first:last])
        counts.append(count[first:last])
        places.append(np.arange(start + first, start + last))
    digest, count, place = (np.concatenate(part) for part in (digests, counts, places))
    order = np.argsort(digest, kind="stable")  # stable: equal digests stay in the order of their shards
    digest, count, place = digest[order], count[order], place[order]
    total = np.cumsum(count) - count
    is_first = np.concatenate([[True], digest[1:] != digest[:-1]])[: len(digest)]
    before[place] = total - np.repeat(total[is_first], np.diff(np.append(np.flatnonzero(is_first), len(digest))))


def _rank_within(inverse: npt.NDArray[np.intp], counts: npt.NDArray[np.intp]) -> npt.NDArray[np.int64]:
    """For each element, how many equal ones stand before it in its shard."""
    order = np.argsort(inverse, kind="stable")
    ranks = np.empty(len(inverse), dtype=np.int64)
    ranks[order] = np.arange(len(inverse)) - np.repeat(np.cumsum(counts) - counts, counts)
    return ranks
