"""What deduplication remembers of each document, a folder a shard, so that memory does not hold the corpus.

Files, for n documents of a shard in order, P permutations and B bands::

    digests.npy   uint64 [n, 2]   equal for texts that differ in case, width and white space alone
    bands.npy     uint64 [B, n]   hash of each band of the signature: equal where a whole band agrees
    bits.npy      uint8  [n, P]   the lowest byte of each signature entry: agreement estimates similarity
    offsets.npy   int64  [n + 1]  where each document's n-grams stand in grams.bin
    grams.bin     uint32          each document's n-grams, distinct and sorted

Without near-duplicate search there is ``digests.npy`` alone. The lowest bytes agree by chance in 1 of 256 entries
(b-bit minwise hashing, Li and Koenig 2010), which only lets through more candidates.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from components.cleaning.config import NearDuplicateConfig
from components.cleaning.shingles import Hashes, MinHasher, Shingles, Signatures, TokenHasher, shingle_set
from components.core.seeds import derive_seed

MIN_RECALL = 0.99
_OPEN_SHARDS = 64

Indices = NDArray[np.int64]
_NO_GRAMS = np.zeros(1, np.uint64)
_EMPTY = np.empty(0, np.uint64)


def exact_digest(text: str) -> bytes:
    """16 bytes, equal for texts that differ in case, width and white space alone."""
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text)
    folded = " ".join(plain.casefold().split())
    return hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def choose_rows_per_band(threshold: float, permutations: int) -> int:
    """The longest band for which a pair at the threshold is found with probability ``MIN_RECALL`` or more."""
    rows = 1
    while (rows + 1) <= permutations and 1 - (1 - threshold ** (rows + 1)) ** (
        permutations // (rows + 1)
    ) >= MIN_RECALL:
        rows += 1
    return rows


@dataclass(frozen=True, slots=True)
class Document:
    """A document as deduplication sees it: ``exact_digest``, n-grams (there may be none), and these as a set."""

    digest: bytes
    grams: Hashes
    shingles: Shingles

    @staticmethod
    def of(text: str, hasher: TokenHasher | None) -> Document:
        """Without a hasher, the digest alone."""
        grams = _EMPTY if hasher is None else hasher.document(text)
        return Document(exact_digest(text), grams, shingle_set(grams))


class Sketcher:
    """Writes the sketches of one shard after the other."""

    def __init__(self, near: NearDuplicateConfig | None, *, seed: int) -> None:
        """Without ``near``, only digests are kept."""
        self._minhasher = MinHasher(permutations=near.permutations, seed=seed) if near else None
        self._rows = choose_rows_per_band(near.threshold, near.permutations) if near else 1
        rng = np.random.default_rng(derive_seed(seed, "bands"))
        self._mix = rng.integers(0, 1 << 63, self._rows, np.uint64) * np.uint64(2) + np.uint64(1)

    def write(self, documents: Iterable[Document], folder: Path) -> None:
        """Write the sketches of some documents."""
        digests: list[bytes] = []
        if self._minhasher is None:
            digests.extend(document.digest for document in documents)
        else:
            offsets = [0]
            with (folder / "grams.bin").open("wb") as grams_file:

                def noted() -> Iterator[Hashes]:
                    for document in documents:
                        digests.append(document.digest)
                        offsets.append(offsets[-1] + document.shingles.size)
                        grams_file.write(document.shingles.tobytes())
                        yield document.grams if document.grams.size else _NO_GRAMS

                signatures = self._minhasher.signatures(noted())
            np.save(folder / "bands.npy", self._bands(signatures))
            np.save(folder / "bits.npy", signatures.astype(np.uint8))
            np.save(folder / "offsets.npy", np.array(offsets, np.int64))
        np.save(folder / "digests.npy", np.frombuffer(b"".join(digests), np.uint64).reshape(-1, 2))

    def _bands(self, signatures: Signatures) -> Hashes:
        """One hash a band, [B, n]: a sum of the band's entries times random odd numbers, modulo 2**64."""
        count = signatures.shape[1] // self._rows
        bands = np.zeros((count, len(signatures)), np.uint64)
        for row in range(self._rows):
            bands += signatures[:, row : count * self._rows : self._rows].T.astype(np.uint64) * self._mix[row]
        return bands


class Sketches:
    """The sketches of all shards, documents numbered through."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """``folders`` in the order of the shards."""
        self._folders = list(folders)
        sizes = [len(np.load(folder / "digests.npy", mmap_mode="r")) for folder in self._folders]
        self._starts = np.cumsum([0, *sizes])
        self._grams_of = lru_cache(maxsize=_OPEN_SHARDS)(self._open_grams)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def digests(self) -> Hashes:
        """Digests of equality, [N, 2]."""
        return np.concatenate([np.load(folder / "digests.npy") for folder in self._folders])

    @property
    def bands(self) -> int:
        """Number of bands B."""
        return int(np.load(self._folders[0] / "bands.npy", mmap_mode="r").shape[0])

    def band(self, index: int) -> Hashes:
        """One band's hash of every document, [N]."""
        return np.concatenate([np.load(folder / "bands.npy", mmap_mode="r")[index] for folder in self._folders])

    def bits(self, documents: Indices) -> NDArray[np.uint8]:
        """Lowest bytes of the signatures of some documents in ascending order, [M, P]."""
        bounds = np.searchsorted(documents, self._starts)
        return np.concatenate(
            [
                np.load(folder / "bits.npy", mmap_mode="r")[documents[low:high] - start]
                for folder, start, low, high in zip(self._folders, self._starts, bounds, bounds[1:], strict=False)
            ]
        )

    def shingles(self, document: int) -> Shingles:
        """A document's distinct n-grams, sorted."""
        shard = int(np.searchsorted(self._starts, document, side="right")) - 1
        grams, offsets = self._grams_of(shard)
        row = document - int(self._starts[shard])
        return grams[offsets[row] : offsets[row + 1]]

    def _open_grams(self, shard: int) -> tuple[Shingles, Indices]:
        folder = self._folders[shard]
        path = folder / "grams.bin"
        grams = np.memmap(path, np.uint32, "r") if path.stat().st_size else np.empty(0, np.uint32)
        return grams, np.load(folder / "offsets.npy")


def first_of_equals(digests: Hashes) -> Indices:
    """For every document the first with the same digest, itself if there is none before, [N]."""
    by_digest = np.lexsort((digests[:, 1], digests[:, 0]))
    ordered = digests[by_digest]
    is_first = np.ones(len(digests), np.bool_)
    is_first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    first = np.empty(len(digests), np.int64)
    first[by_digest] = by_digest[is_first][np.cumsum(is_first) - 1] if len(digests) else by_digest
    return first
