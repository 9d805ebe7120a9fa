"""Shingles, signatures and near duplicates against naive versions of the same."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.cleaning.near_duplicates import choose_rows_per_band, find_near_duplicates, pair_near_duplicates
from components.cleaning.shingles import MinHasher, TokenHasher, jaccard


def naive_grams(text: str, size: int, *, characters: bool) -> set[tuple[str, ...]]:
    tokens = re.findall(r"[一-鿿]", text) if characters else re.findall(r"[a-z0-9]+", text.lower())
    size = min(size, len(tokens))
    return {tuple(tokens[start : start + size]) for start in range(len(tokens) - size + 1)} if size else set()


def naive_jaccard(left: set[tuple[str, ...]], right: set[tuple[str, ...]]) -> float:
    return len(left & right) / len(left | right) if left | right else 0.0


def ours(hasher: TokenHasher, text: str) -> np.ndarray:
    return np.unique(hasher.document(text))


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
def test_found_pairs_are_those_of_a_full_comparison(threshold: float) -> None:
    texts, hasher = make_texts(7, 60), TokenHasher()
    sets = [ours(hasher, text) for text in texts]
    signatures = MinHasher(permutations=128, seed=3).signatures(sets)
    naive = [naive_grams(text, 3 if "word" in text else 5, characters="word" not in text) for text in texts]
    expected = {
        (right, left)
        for right in range(len(texts))
        for left in range(right)
        if naive_jaccard(naive[left], naive[right]) >= threshold
    }
    found = set(pair_near_duplicates(signatures, sets.__getitem__, threshold, lambda *_: False))
    assert found <= expected
    assert len(found) >= 0.97 * len(expected) > 20
    dropped = find_near_duplicates(signatures, sets.__getitem__, threshold)
    assert all(kept not in dropped and (gone, kept) in expected for gone, kept in dropped.items())
    stays = [index for index in range(len(texts)) if index not in dropped]
    assert not {(right, left) for right in stays for left in stays} & found


def test_a_signature_estimates_jaccard() -> None:
    rng = np.random.default_rng(0)
    pool = rng.integers(0, 1 << 63, 3_000, np.uint64)
    left, right = np.unique(pool[:2_000]), np.unique(pool[1_000:])
    signatures = MinHasher(permutations=1_024, seed=1).signatures([left, right])
    assert (signatures[0] == signatures[1]).mean() == pytest.approx(1 / 3, abs=0.06)  # four standard deviations


def test_signatures_do_not_depend_on_batching() -> None:
    hasher, minhasher = TokenHasher(), MinHasher(permutations=32, seed=5)
    sets = [ours(hasher, text) for text in make_texts(2, 20)]
    alone = np.concatenate([minhasher.signatures([item]) for item in sets])
    assert np.array_equal(minhasher.signatures(sets), alone)


@given(st.floats(0.3, 1.0), st.integers(16, 256))
def test_bands_find_a_pair_at_the_threshold(threshold: float, permutations: int) -> None:
    rows = choose_rows_per_band(threshold, permutations)
    assert rows == 1 or 1 - (1 - threshold**rows) ** (permutations // rows) >= 0.99


def test_many_copies_cost_little() -> None:
    hasher = TokenHasher()
    base = ours(hasher, " ".join(f"w{index}" for index in range(60)))
    sets = [base] * 20_000
    signatures = np.repeat(MinHasher(permutations=64, seed=1).signatures([base]), len(sets), axis=0)
    dropped = find_near_duplicates(signatures, sets.__getitem__, 0.8)
    assert len(dropped) == 19_999 and set(dropped.values()) == {0}


@settings(max_examples=30)
@given(st.lists(st.text(max_size=30), max_size=20))
def test_any_texts(texts: list[str]) -> None:
    hasher = TokenHasher()
    sets = [grams for text in texts if (grams := ours(hasher, text)).size]
    signatures = MinHasher(permutations=16, seed=0).signatures(sets)
    assert signatures.shape == (len(sets), 16)
    find_near_duplicates(signatures, sets.__getitem__, 0.8)
