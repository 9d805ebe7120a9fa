"""A document as a set of hashed n-grams of tokens, and its MinHash signature.

A token is a word in lower case, or one Chinese character; punctuation and white space are none. An n-gram is 3 words,
or 5 characters where most tokens are Chinese. Hashes are 64 bits and depend on the text alone.
MinHash: Broder 1997; the permutations are multiply-shift hashes (Dietzfelbinger et al. 1997), whose bias does not
matter here because candidates are verified by their true Jaccard similarity.

Shapes: N documents, P permutations, G n-grams, S distinct n-grams.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from components.core.seeds import derive_seed

Hashes = NDArray[np.uint64]
Shingles = NDArray[np.uint32]
Signatures = NDArray[np.uint32]

WORDS_PER_NGRAM = 3
HAN_PER_NGRAM = 5

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_TOKEN = re.compile(f"[{_HAN}]|[^\\W_{_HAN}]+")
_FIRST_HAN = "\u3400"
_SAMPLED_TOKENS = 400
_MAX_CACHED_TOKENS = 500_000
_BATCH_GRAMS = 1 << 15
_MULTIPLIERS = np.array(
    [int.from_bytes(hashlib.sha256(f"shingle{index}".encode()).digest()[:8], "big") | 1 for index in range(64)],
    np.uint64,
)


def tokenise(text: str) -> list[str]:
    """Lower-case words and single Chinese characters."""
    return _TOKEN.findall(text.lower())


def is_mostly_han(tokens: list[str]) -> bool:
    """Whether more than half of the first tokens are Chinese characters."""
    sample = tokens[:_SAMPLED_TOKENS]
    return 2 * sum(map(_FIRST_HAN.__le__, sample)) > len(sample)


class TokenHasher:
    """Hashes tokens and n-grams; remembers tokens, since few make up most of a text."""

    def __init__(self) -> None:
        self._cache: dict[str, int] = {}

    def hash_tokens(self, tokens: list[str]) -> Hashes:
        """A 64-bit hash a token."""
        cache = self._cache
        try:
            return np.fromiter(map(cache.__getitem__, tokens), np.uint64, len(tokens))
        except KeyError:
            if len(cache) > _MAX_CACHED_TOKENS:
                cache.clear()
            for token in tokens:
                if token not in cache:
                    digest = hashlib.blake2b(token.encode("utf-8", "surrogatepass"), digest_size=8).digest()
                    cache[token] = int.from_bytes(digest, "little")
            return np.fromiter(map(cache.__getitem__, tokens), np.uint64, len(tokens))

    def document(self, text: str) -> Hashes:
        """All n-grams of a document in order, repeated ones included. Shape (G,)."""
        tokens = tokenise(text)
        return document_ngrams(self.hash_tokens(tokens), han=is_mostly_han(tokens))


def ngrams(hashed: Hashes, length: int) -> Hashes:
    """Hashes of all runs of ``length`` hashed tokens, in order; of the whole where there are fewer. Shape (G,).

    A sum of token hashes times odd constants, modulo 2**64: uniform because the token hashes are.
    """
    length = min(length, len(hashed))
    if length == 0:
        return hashed
    count = len(hashed) - length + 1
    total = hashed[:count] * _MULTIPLIERS[0]
    for offset in range(1, length):
        total += hashed[offset : offset + count] * _MULTIPLIERS[offset]
    return np.asarray(total, np.uint64)


def document_ngrams(hashed: Hashes, *, han: bool) -> Hashes:
    """The n-grams that stand for a document when it is compared with others. Shape (G,)."""
    return ngrams(hashed, HAN_PER_NGRAM if han else WORDS_PER_NGRAM)


def shingle_set(grams: Hashes) -> Shingles:
    """Distinct n-grams, sorted, by their upper 32 bits. Shape (S,).

    Half the hash halves the disk space; two different n-grams of a pair of documents with 100 n-grams each fall
    together with a probability of 5e-6, which moves a Jaccard similarity by less than 0.01.
    """
    ordered = (grams >> np.uint64(32)).astype(np.uint32)
    ordered.sort()
    return ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])] if ordered.size else ordered


def jaccard(left: Shingles, right: Shingles) -> float:
    """Jaccard similarity of two sorted sets; two empty sets have 0."""
    both = np.concatenate([left, right])
    both.sort(kind="stable")
    shared = int(np.count_nonzero(both[1:] == both[:-1]))
    union = left.size + right.size - shared
    return shared / union if union else 0.0


class MinHasher:
    """Signatures of documents: P minima over P random orders of all n-grams."""

    def __init__(self, *, permutations: int, seed: int) -> None:
        rng = np.random.default_rng(derive_seed(seed, "minhash"))
        self._factors = rng.integers(0, 1 << 63, permutations, np.uint64) * np.uint64(2) + np.uint64(1)
        self._offsets = rng.integers(0, 1 << 63, permutations, np.uint64)
        self.permutations = permutations

    def signatures(self, documents: Iterable[Hashes]) -> Signatures:
        """Signatures of non-empty documents. Shape (N, P)."""
        batches = list(self.batches(documents))
        return np.concatenate(batches) if batches else np.empty((0, self.permutations), np.uint32)

    def batches(self, documents: Iterable[Hashes]) -> Iterator[Signatures]:
        """The same in pieces, in order: as many documents at a time as stay within the processor's cache."""
        batch: list[Hashes] = []
        grams = 0
        for document in documents:
            batch.append(document)
            grams += document.size
            if grams >= _BATCH_GRAMS:
                yield self._batch(batch)
                batch, grams = [], 0
        if batch:
            yield self._batch(batch)

    def _batch(self, documents: list[Hashes]) -> Signatures:
        grams = np.concatenate(documents)
        starts = np.cumsum([0, *(document.size for document in documents[:-1])])
        result = np.empty((len(documents), self.permutations), np.uint32)
        for index in range(self.permutations):
            hashed = (grams * self._factors[index] + self._offsets[index]) >> np.uint64(32)
            result[:, index] = np.minimum.reduceat(hashed, starts)
        return result
