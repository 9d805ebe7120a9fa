from __future__ import annotations

from collections import Counter
from math import log, sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.core.errors import IntegrityError
from components.safety.classifier import DIMENSIONS, HarmClassifier, features, fit, windows

TEXTS = ["you are bad", "bad bad you", "so good", "good day", "你很坏", "真坏", "你很好", "好日子"]
LABELS = np.array([[True], [True], [False], [False]] * 2)


def _slow_features(text: str) -> dict[int, float]:
    """The documented hash, one n-gram at a time, in Python's own integers."""
    padded = f" {text} "
    counts: Counter[int] = Counter()
    for size in range(1, min(4, len(padded)) + 1):
        for start in range(len(padded) - size + 1):
            value = 0
            for character in padded[start : start + size]:
                value = (value * 0x100000001B3 + ord(character)) % 2**64
            counts[((value + size) * 0x9E3779B97F4A7C15 % 2**64) >> 49] += 1
    raw = {column: 1 + log(count) for column, count in counts.items()}
    norm = sqrt(sum(value**2 for value in raw.values()))
    return {column: value / norm for column, value in raw.items()}


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
def test_features_equal_a_slow_count(text: str) -> None:
    columns, values = features(text)
    expected = _slow_features(text)
    assert columns.tolist() == sorted(expected)
    assert values == pytest.approx([expected[column] for column in sorted(expected)], rel=1e-5)


@given(st.text(max_size=900))
def test_windows_cover_the_text(text: str) -> None:
    pieces = windows(text)
    step = 180
    rebuilt = pieces[0] + "".join(piece[240 - step :] for piece in pieces[1:])
    assert rebuilt == text


def test_scores_equal_sklearn_on_the_same_columns() -> None:
    from sklearn.linear_model import LogisticRegression

    model = fit(TEXTS, LABELS, ("threat",), regularisation_c=10.0)
    dense = np.zeros((len(TEXTS), DIMENSIONS))
    for row, text in enumerate(TEXTS):
        for column, value in _slow_features(text).items():
            dense[row, column] = value
    other = LogisticRegression(C=10.0, class_weight="balanced", tol=1e-8, max_iter=5000).fit(dense, LABELS[:, 0])
    ours = [model.scores(text)[0] for text in TEXTS]
    assert ours == pytest.approx(other.predict_proba(dense)[:, 1], abs=1e-3)


def test_the_tail_of_a_long_text_is_read() -> None:
    model = fit(TEXTS, LABELS, ("threat",), regularisation_c=10.0)
    assert model.scores("good day " * 100 + "you are bad " * 20)[0] > 0.5
    assert model.scores("good day " * 100)[0] < 0.5


def test_a_category_without_examples_never_fires() -> None:
    labels = np.concatenate([LABELS, np.zeros_like(LABELS)], axis=1)
    model = fit(TEXTS, labels, ("threat", "sexual"), regularisation_c=10.0)
    assert model.scores("anything at all")[1] < 1e-6


def test_save_and_load_score_alike_and_bytes_repeat(tmp_path: Path) -> None:
    model = fit(TEXTS, LABELS, ("threat",), regularisation_c=10.0)
    model.save(tmp_path / "a.safetensors")
    fit(TEXTS, LABELS, ("threat",), regularisation_c=10.0).save(tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    loaded = HarmClassifier.load(tmp_path / "a.safetensors")
    assert loaded.categories == ("threat",)
    assert loaded.scores("you are bad") == model.scores("you are bad")


def test_weights_that_do_not_fit_or_are_not_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    good = fit(TEXTS, LABELS, ("threat",), regularisation_c=10.0)
    HarmClassifier(("threat", "hate"), good.weights, good.bias).save(path)
    with pytest.raises(IntegrityError, match="do not fit"):
        HarmClassifier.load(path)
    HarmClassifier(("threat",), good.weights * np.float32("nan"), good.bias).save(path)
    with pytest.raises(IntegrityError, match="not finite"):
        HarmClassifier.load(path)
