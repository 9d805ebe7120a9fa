"""Shingles, signatures and near duplicates against naive versions of the same."""

from __future__ import annotations

import random
import re
import tempfile
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cleaning.config import NearDuplicateConfig
from components.cleaning.near_duplicates import find_near_duplicates
from components.cleaning.shingles import MinHasher, TokenHasher, jaccard, shingle_set
from components.cleaning.sketches import Document, Sketcher, Sketches, choose_rows_per_band, first_of_equals

MakeSketches = Callable[..., Sketches]


def naive_grams(text: str, size: int, *, characters: bool) -> set[tuple[str, ...]]:
    tokens = re.findall(r"[一-鿿]", text) if characters else re.findall(r"[a-z0-9]+", text.lower())
    size = min(size, len(tokens))
    return {tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)} if size else set()


def naive_jaccard(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> float:
    return len(left & right) / len(left | right) if left | right else 0.0


def ours(hasher: TokenHasher, text: str) -> np.ndarray:
    return shingle_set(hasher.document(text))


def sketch(
    folder: Path, texts: list[str], *, shards: Iterable[int], threshold: float, permutations: int = 128
) -> Sketches:
    """Sketches of texts, cut into shards at the given places."""
    near = NearDuplicateConfig(threshold=threshold, permutations=permutations)
    hasher, sketcher, folders = TokenHasher(), Sketcher(near, seed=3), []
    bounds = [0, *shards, len(texts)]
    for number, (low, high) in enumerate(pairwise(bounds)):
        folders.append(folder / str(number))
        folders[-1].mkdir()
        sketcher.write((Document.of(text, hasher) for text in texts[low:high]), folders[-1])
    return Sketches(folders)


COLOURS = st.lists(st.sampled_from(["red", "blue", "green", "one", "two"]), max_size=12)


@given(COLOURS, COLOURS)
def test_english_shingles_are_word_triples(left: list[str], right: list[str]) -> None:
    hasher = TokenHasher()
    texts = " ".join(left), ", ".join(right).upper()
    expected = naive_jaccard(*(naive_grams(text, 3, characters=False) for text in texts))
    assert jaccard(*(ours(hasher, text) for text in texts)) == pytest.approx(expected)


@given(st.text("甲乙丙丁", max_size=14), st.text("甲乙丙", max_size=14))
def test_chinese_shingles_are_runs_of_five_characters(left: str, right: str) -> None:
    hasher = TokenHasher()
    expected = naive_jaccard(*(naive_grams(text, 5, characters=True) for text in (left, right)))
    assert jaccard(ours(hasher, "，".join(left)), ours(hasher, right)) == pytest.approx(expected)


def make_texts(seed: int, count: int) -> list[str]:
    """Documents in families: a base and edited copies with ever more words replaced."""
    rng = random.Random(seed)
    english = [f"word{index}" for index in range(400)]
    chinese = [chr(0x4E00 + index) for index in range(800)]
    texts = []
    for index in range(count):
        stock, gap = (english, " ") if index % 2 else (chinese, "")
        base = [rng.choice(stock) for _ in range(rng.randint(30, 90))]
        texts.append(gap.join(base))
        for edits in (1, 3, 8, 20):
            copy = list(base)
            for _ in range(edits):
                copy[rng.randrange(len(copy))] = rng.choice(stock)
            texts.append(gap.join(copy))
    rng.shuffle(texts)
    return texts


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9])
def test_what_goes_resembles_what_stays_and_no_pair_that_stays_is_similar(tmp_path: Path, threshold: float) -> None:
    texts = make_texts(7, 60)
    naive = [naive_grams(text, 3 if "word" in text else 5, characters="word" not in text) for text in texts]
    expected = {
        (right, left)
        for right in range(len(texts))
        for left in range(right)
        if naive_jaccard(naive[left], naive[right]) >= threshold
    }
    sketches = sketch(tmp_path, texts, shards=[50, 50, 200], threshold=threshold)
    dropped = find_near_duplicates(sketches, threshold, order=np.arange(len(texts)))
    assert all(kept not in dropped and (gone, kept) in expected for gone, kept in dropped.items())
    stays = [index for index in range(len(texts)) if index not in dropped]
    missed = {(right, left) for right in stays for left in stays} & expected
    assert len(missed) <= 0.03 * len(expected)
    assert len(expected) > 20


def test_precedence_and_labels_are_honoured(tmp_path: Path) -> None:
    base = " ".join(f"w{index}" for index in range(60))
    texts = [base, base + " one", base + " two", "quite another text of no more than ten words"]
    sketches = sketch(tmp_path, texts, shards=[2], threshold=0.8)
    assert find_near_duplicates(sketches, 0.8, order=np.array([2, 3, 0, 1])) == {0: 2, 1: 2}
    labels = np.array([0, 0, 1, 1], np.int8)
    assert find_near_duplicates(sketches, 0.8, order=np.array([0, 1, 2, 3]), labels=labels) == {2: 0}
    assert find_near_duplicates(sketches, 0.8, order=np.array([3])) == {}


def test_a_signature_estimates_jaccard() -> None:
    rng = np.random.default_rng(0)
    pool = rng.integers(0, 1 << 63, 3_000, np.uint64)
    left, right = np.unique(pool[:2_000]), np.unique(pool[1_000:])
    signatures = MinHasher(permutations=1_024, seed=1).signatures([left, right])
    assert (signatures[0] == signatures[1]).mean() == pytest.approx(1 / 3, abs=0.06)  # four standard deviations


def test_sketches_do_not_depend_on_batches_or_shards(tmp_path: Path) -> None:
    texts = make_texts(2, 20)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder in (whole, parts):
        folder.mkdir()
    left, right = sketch(whole, texts, shards=[], threshold=0.7), sketch(parts, texts, shards=[1, 7, 60], threshold=0.7)
    everything = np.arange(len(texts))
    assert len(left) == len(right) == len(texts)
    assert all(np.array_equal(left.band(band), right.band(band)) for band in range(left.bands))
    assert np.array_equal(left.bits(everything), right.bits(everything))
    assert all(np.array_equal(left.shingles(index), right.shingles(index)) for index in everything.tolist())


@given(st.floats(0.3, 1.0), st.integers(16, 256))
def test_bands_find_a_pair_at_the_threshold(threshold: float, permutations: int) -> None:
    rows = choose_rows_per_band(threshold, permutations)
    assert rows == 1 or 1 - (1 - threshold**rows) ** (permutations // rows) >= 0.99


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=30))
def test_the_first_of_equals(pairs: list[tuple[int, int]]) -> None:
    digests = np.array(pairs, np.uint64).reshape(-1, 2)
    assert first_of_equals(digests).tolist() == [pairs.index(pair) for pair in pairs]


def test_many_copies_cost_little(tmp_path: Path) -> None:
    base = " ".join(f"w{index}" for index in range(60))
    sketches = sketch(tmp_path, [base] * 3_000, shards=[], threshold=0.8, permutations=64)
    dropped = find_near_duplicates(sketches, 0.8, order=np.arange(3_000))
    assert len(dropped) == 2_999 and set(dropped.values()) == {0}


@settings(max_examples=30)
@given(st.lists(st.text(max_size=30), max_size=20))
def test_any_texts(texts: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        sketches = sketch(Path(folder), texts, shards=[], threshold=0.8, permutations=16)
        dropped = find_near_duplicates(sketches, 0.8, order=np.arange(len(texts)))
    assert all(kept not in dropped for kept in dropped.values())
