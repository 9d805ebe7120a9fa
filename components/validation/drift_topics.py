"""Topics without words: clusters of records that use words alike.

Counts of words become TF-IDF, that a few dozen directions (latent semantic analysis), and those clusters by k-means,
fitted on both sides together: fitted on one side alone it would know that side better and call the other one new.
A topic is a number; its words would be text of records. One thread, so that the same input gives the same clusters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from components.validation.drift_sample import Item
from components.validation.drift_statistics import Ints

_WORDS = 5_000
_DIRECTIONS = 24
_RECORDS_A_TOPIC = 25


def count_words(items: Sequence[Item]) -> Any:
    """Sparse counts ``[N, K]`` of the words that most records use; the last column counts all others."""
    from scipy.sparse import csr_matrix

    spread: Counter[str] = Counter()
    for item in items:
        spread.update(item.words.keys())
    # By spread, then by the word itself, so that the order of records cannot matter.
    chosen = sorted(spread, key=lambda word: (-spread[word], word))[:_WORDS]
    rest = len(chosen)
    column = {word: index for index, word in enumerate(chosen)}
    values, columns, starts = list[int](), list[int](), [0]
    for item in items:
        columns += [column.get(word, rest) for word in item.words]
        values += item.words.values()
        starts.append(len(values))
    counts = csr_matrix(
        (np.asarray(values, np.float32), np.asarray(columns, np.int64), np.asarray(starts)),
        shape=(len(items), rest + 1),
    )
    counts.sum_duplicates()
    return counts


def find_topics(counts_NK: Any, topics: int, *, seed: int) -> Ints:
    """The topic of each record, int ``[N]``; fewer topics where there are fewer than 25 records for each."""
    from sklearn.cluster import KMeans
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.preprocessing import normalize
    from threadpoolctl import threadpool_limits

    rows, words = counts_NK.shape[0], counts_NK.shape[1] - 1
    wanted = max(2, min(topics, rows // _RECORDS_A_TOPIC))
    if words < 3:
        return np.zeros(rows, dtype=np.int64)
    # Records that are all alike have no variance, by which the library divides.
    with threadpool_limits(limits=1), np.errstate(divide="ignore", invalid="ignore"):
        weights = TfidfTransformer(sublinear_tf=True).fit_transform(counts_NK[:, :words])
        reduced = TruncatedSVD(min(_DIRECTIONS, words - 1), n_iter=3, random_state=seed).fit_transform(weights)
        points = normalize(reduced)
        distinct = len(np.unique(points.round(9), axis=0))
        if distinct < 2:
            return np.zeros(rows, dtype=np.int64)
        model = KMeans(min(wanted, distinct), n_init=1, max_iter=50, random_state=seed).fit(points)
    return np.asarray(model.labels_, dtype=np.int64)
