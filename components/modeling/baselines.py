"""What one gets without a network: the most frequent token, five-grams, and a bag of words for sentence pairs.

The five-gram guesses the token that most often followed the longest context of at most four tokens that the training
split has, as in stupid backoff (https://aclanthology.org/D07-1090); it sees what the network sees, on the left. The
probe is a logistic regression on how alike
the two bags of words of a pair are; what it gets right is topic, not order. Letters: T tokens, P targets, K tokens of
context, V vocabulary, N pairs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.seeds import derive_seed
from components.modeling.corpus import EncodedSplit
from components.modeling.pairs import NO_LABEL, Pairs, Sequences, build_sequences

IntArray = NDArray[np.int64]

CONTEXT = 4  # tokens before the guessed one
_CHUNK = 1 << 22  # tokens read at a time
_HASH = np.uint64(0x9E3779B97F4A7C15)
_PROBE_DOCUMENTS = 2000
_PROBE_PAIRS = 20


def token_counts(split: EncodedSplit, languages: list[str], size: int) -> dict[str, IntArray]:
    """How often each token occurs in the documents of each language, [V]."""
    counts = {language: np.zeros(size, np.int64) for language in languages}
    for start, tokens_T in _chunks(split):
        of_T = split.token_languages(start, start + len(tokens_T))
        for language in languages:
            counts[language] += np.bincount(tokens_T[of_T == language], minlength=size)[:size]
    return counts


def guess_by_ngrams(split: EncodedSplit, contexts_PK: IntArray, fallback_P: IntArray) -> IntArray:
    """For each target the token that followed the longest known context most often, the smallest id among equals.

    Args:
        split: Where n-grams are counted.
        contexts_PK: The tokens before each target, the nearest last; -1 where the text begins.
        fallback_P: What to guess where not even the last token is known.
    """
    guesses_P = fallback_P.copy()
    open_P = np.ones(len(guesses_P), bool)
    for length in range(contexts_PK.shape[1], 0, -1):
        keys_P = _keys(contexts_PK[:, -length:].T)
        usable_P = open_P & (contexts_PK[:, -length:] >= 0).all(1)
        wanted = np.unique(keys_P[usable_P])
        if not len(wanted):
            continue
        best = _most_frequent_followers(split, wanted, length)
        found_P = best[np.minimum(np.searchsorted(wanted, keys_P), len(wanted) - 1)]
        known_P = usable_P & (found_P >= 0)
        guesses_P[known_P] = found_P[known_P]
        open_P &= ~known_P
    return guesses_P


def _most_frequent_followers(split: EncodedSplit, wanted: NDArray[np.uint64], length: int) -> IntArray:
    """The token that follows each wanted context most often, -1 where it does not occur; inside documents only."""
    pairs, counts = np.zeros(0, np.int64), np.zeros(0, np.int64)
    size = 1 << 32
    for start, tokens_T in _chunks(split, overlap=length):
        if len(tokens_T) <= length:
            continue
        keys = _keys([tokens_T[shift : len(tokens_T) - length + shift] for shift in range(length)])
        place = np.minimum(np.searchsorted(wanted, keys), len(wanted) - 1)
        hit = (wanted[place] == keys) & _same_document(split, start, len(tokens_T), length)
        new, new_counts = np.unique(place[hit] * size + tokens_T[length:][hit], return_counts=True)
        merged = np.unique_inverse(np.concatenate([pairs, new]))
        pairs = merged.values
        counts = np.bincount(merged.inverse_indices, weights=np.concatenate([counts, new_counts])).astype(np.int64)
    best = np.full(len(wanted), -1, np.int64)
    order = np.lexsort((-pairs, counts))  # among equals the smallest id is written last
    best[pairs[order] // size] = pairs[order] % size
    return best


def _same_document(split: EncodedSplit, start: int, count: int, length: int) -> NDArray[np.bool_]:
    """Whether a token and the one ``length`` before it lie in one document, for the places of a chunk."""
    ends_D = split.sentence_offsets[split.document_offsets[1:]]
    of_T = np.searchsorted(ends_D, np.arange(start, start + count), side="right")
    return np.asarray(of_T[length:] == of_T[:-length])


def _keys(columns: Any) -> NDArray[np.uint64]:
    """One number for each row of tokens; two rows share one about once in 2**64 pairs."""
    keys = np.zeros(len(columns[0]), np.uint64)
    with np.errstate(over="ignore"):
        for column in columns:
            keys = (keys ^ (np.asarray(column, np.int64).astype(np.uint64) + np.uint64(1))) * _HASH
            keys ^= keys >> np.uint64(29)
    return keys


def _chunks(split: EncodedSplit, overlap: int = 0) -> Iterator[tuple[int, IntArray]]:
    """Ranges of tokens with where they begin; each repeats the end of the one before."""
    total = len(split.tokens_T)
    for start in range(0, total, _CHUNK):
        first = max(0, start - overlap)
        places_T = np.arange(first, min(start + _CHUNK, total))
        yield first, split.tokens_T[places_T].astype(np.int64)


class PairProbe:
    """Tells pairs apart by their bags of words alone."""

    def __init__(self, split: EncodedSplit, *, pairs: Pairs, max_tokens: int, vocabulary: int, seed: int) -> None:
        """Learns on pairs of at most 2000 documents of a split, drawn by the seed; guesses evenly without any."""
        generator = np.random.default_rng(derive_seed(seed, "probe"))
        chosen = np.sort(generator.permutation(split.documents)[:_PROBE_DOCUMENTS])
        sample = split.of(chosen)
        sequences = build_sequences(sample, max_tokens=max_tokens, pairs=pairs, short_share=0.0, generator=generator)
        labelled = np.flatnonzero(sequences.labels_N != NO_LABEL)
        counts_V = np.bincount(sample.tokens_T.parts[0], minlength=vocabulary)
        self._weight_V = np.log((counts_V.sum() + vocabulary) / (counts_V + 1.0))
        self._model: Any = None
        labels_N = sequences.labels_N[labelled]
        if len(labelled) >= _PROBE_PAIRS and len(set(labels_N.tolist())) == 2:
            from sklearn.linear_model import LogisticRegression
            from sklearn.pipeline import make_pipeline
            from sklearn.preprocessing import StandardScaler

            self._model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
            self._model.fit(self._features(sample, sequences, labelled), labels_N)

    def predict(self, split: EncodedSplit, sequences: Sequences, chosen: IntArray) -> IntArray:
        """Labels of some sequences with two segments."""
        if self._model is None or not len(chosen):
            return np.zeros(len(chosen), np.int64)
        return np.asarray(self._model.predict(self._features(split, sequences, chosen)), dtype=np.int64)

    def _features(self, split: EncodedSplit, sequences: Sequences, chosen: IntArray) -> NDArray[np.float64]:
        rows = []
        for index in chosen.tolist():
            spans = (sequences.first_N2[index], sequences.second_N2[index])
            bags = [np.unique(split.tokens_T[np.arange(*span)], return_counts=True) for span in spans]
            rows.append(self._likeness(*bags[0], *bags[1]))
        return np.asarray(rows, dtype=np.float64)

    def _likeness(self, first: Any, first_counts: Any, second: Any, second_counts: Any) -> list[float]:
        """Cosine of the weighted bags, shared share of tokens both ways, weight shared, and both lengths."""
        one, other = first_counts * self._weight_V[first], second_counts * self._weight_V[second]
        shared, in_first, in_second = np.intersect1d(first, second, assume_unique=True, return_indices=True)
        norm = float(np.linalg.norm(one) * np.linalg.norm(other)) or 1.0
        return [
            float(one[in_first] @ other[in_second]) / norm,
            len(shared) / max(1, len(first)),
            len(shared) / max(1, len(second)),
            float(self._weight_V[shared].sum()) / max(1, min(len(first), len(second))),
            float(self._weight_V[shared].max(initial=0.0)),
            float(np.log1p(first_counts.sum())),
            float(np.log1p(second_counts.sum())),
        ]
