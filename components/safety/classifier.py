"""A small bilingual classifier: hashed character n-grams and one logistic regression a category.

In: repaired text (``normaliser.repaired``). Out: a probability a category. On disk: ``classifier.safetensors`` with
``weights`` float32 [C, D], ``bias`` float32 [C], and the category names in the header.

Features: every run of 1 to 4 characters, a space at both ends of the text, hashed into D = 2**15 columns by a
polynomial over the code points modulo 2**64 and a multiplicative finish (Knuth, TAOCP 6.4); counts on a log scale,
unit length. Every machine gets the same columns: integer arithmetic only.

Long texts are read in overlapping windows, so that no tail goes unread; the largest probability counts.
Letters: C categories, D columns, N texts, F features of one text.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import IntegrityError

HASH_BITS = 15
DIMENSIONS = 1 << HASH_BITS
MAX_GRAM = 4
WINDOW_CHARACTERS = 240
WINDOW_OVERLAP = 60

_BASE = np.uint64(0x100000001B3)
_FINISH = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(64 - HASH_BITS)


@dataclass(frozen=True)
class HarmClassifier:
    """One linear model a category over shared features.

    Attributes:
        categories: Names, C of them.
        weights: float32 [C, D].
        bias: float32 [C].
    """

    categories: tuple[str, ...]
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]

    def scores(self, text: str) -> NDArray[np.float64]:
        """Probability of each category, [C] in [0, 1]: the largest over the text's windows."""
        best_C = np.zeros(len(self.categories))
        for window in windows(text):
            columns_F, values_F = features(window)
            logits_C = self.weights[:, columns_F] @ values_F + self.bias
            best_C = np.maximum(best_C, 1.0 / (1.0 + np.exp(-logits_C.astype(np.float64))))
        return best_C

    def save(self, path: Path) -> None:
        """Write the weights and the names."""
        from safetensors.numpy import save_file

        tensors = {"weights": self.weights, "bias": self.bias}
        save_file(tensors, path, metadata={"categories": json.dumps(list(self.categories))})

    @staticmethod
    def load(path: Path) -> HarmClassifier:
        """Read what ``save`` wrote. Raises IntegrityError if shapes and names do not belong together."""
        from safetensors import safe_open

        with safe_open(path, framework="numpy") as file:
            categories = tuple(json.loads((file.metadata() or {}).get("categories", "[]")))
            weights_CD, bias_C = file.get_tensor("weights"), file.get_tensor("bias")
        if weights_CD.shape != (len(categories), DIMENSIONS) or bias_C.shape != (len(categories),):
            raise IntegrityError(f"{path}: weights do not fit its {len(categories)} categories; train the filter again")
        if not (np.isfinite(weights_CD).all() and np.isfinite(bias_C).all()):
            raise IntegrityError(f"{path}: weights are not finite; train the filter again")
        return HarmClassifier(categories, weights_CD, bias_C)


def windows(text: str) -> list[str]:
    """Overlapping pieces that together cover the text; a short text is one piece."""
    step = WINDOW_CHARACTERS - WINDOW_OVERLAP
    starts = range(0, max(1, len(text) - WINDOW_OVERLAP), step)
    return [text[start : start + WINDOW_CHARACTERS] for start in starts]


def features(text: str) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Columns, ascending and distinct, and values of one text: two arrays [F], the values of unit length."""
    codes = np.frombuffer(f" {text} ".encode("utf-32-le", errors="surrogatepass"), dtype="<u4").astype(np.uint64)
    hashes = []
    rolling = np.zeros(len(codes), dtype=np.uint64)
    for size in range(1, min(MAX_GRAM, len(codes)) + 1):
        count = len(codes) - size + 1
        rolling = rolling[:count] * _BASE + codes[size - 1 :]
        hashes.append((((rolling + np.uint64(size)) * _FINISH) >> _SHIFT).astype(np.int64))
    columns_F, counts_F = np.unique(np.concatenate(hashes), return_counts=True)
    values_F = 1.0 + np.log(counts_F)
    return columns_F, (values_F / np.linalg.norm(values_F)).astype(np.float32)


def fit(
    texts: Sequence[str], labels_NC: NDArray[np.bool_], categories: tuple[str, ...], *, regularisation_c: float
) -> HarmClassifier:
    """Train one regression a category, classes weighted to balance.

    A category without a positive (or without a negative) text gets zero weights and a bias that never fires.
    """
    matrix_ND = _matrix(texts)
    weights_CD = np.zeros((len(categories), DIMENSIONS), dtype=np.float32)
    bias_C = np.full(len(categories), -30.0, dtype=np.float32)
    for index in range(len(categories)):
        target_N = labels_NC[:, index]
        if target_N.any() and not target_N.all():
            weights_CD[index], bias_C[index] = _fit_one(matrix_ND, target_N, regularisation_c)
    return HarmClassifier(categories, weights_CD, bias_C)


def _matrix(texts: Sequence[str]) -> Any:
    from scipy.sparse import csr_matrix

    rows = [features(text) for text in texts]
    pointers = np.concatenate([[0], np.cumsum([len(columns) for columns, _ in rows])])
    columns = np.concatenate([columns for columns, _ in rows])
    values = np.concatenate([values for _, values in rows]).astype(np.float64)
    return csr_matrix((values, columns, pointers), shape=(len(rows), DIMENSIONS))


def _fit_one(matrix_ND: Any, target_N: NDArray[np.bool_], c: float) -> tuple[NDArray[np.float32], np.float32]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=c, class_weight="balanced", solver="lbfgs", max_iter=1000, tol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no convergence is a fault, not a footnote
        model.fit(matrix_ND, target_N)
    return model.coef_[0].astype(np.float32), np.float32(model.intercept_[0])
