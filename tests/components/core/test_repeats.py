"""Repeats across shards, against a dictionary that counts."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core.repeats import count_earlier, digest_key


def write_shards(shards: list[list[str]], folder: Path) -> list[Path]:
    paths = []
    for number, keys in enumerate(shards):
        paths.append(folder / f"{number}.digests")
        paths[-1].write_bytes(b"".join(map(digest_key, keys)))
    return paths


def naive(shards: list[list[str]]) -> list[list[int]]:
    seen: Counter[str] = Counter()
    counted = []
    for keys in shards:
        counted.append([])
        for key in keys:
            counted[-1].append(seen[key])
            seen[key] += 1
    return counted


@given(st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), min_size=1, max_size=6), st.integers(1, 20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_counts_are_those_of_a_dictionary_however_small_the_portions(
    tmp_path: Path, shards: list[list[str]], at_once: int
) -> None:
    found = count_earlier(write_shards(shards, tmp_path), tmp_path / "scratch", at_once=at_once)
    assert [counts.tolist() for counts in found] == naive(shards)


@pytest.mark.parametrize("at_once", [100, 1_000_000])
def test_many_records_of_one_key(tmp_path: Path, at_once: int) -> None:
    shards = [["same"] * 500, [f"k{n}" for n in range(500)] + ["same"] * 500]
    found = list(count_earlier(write_shards(shards, tmp_path), tmp_path / "scratch", at_once=at_once))
    assert found[0].tolist() == list(range(500))
    assert found[1].tolist() == [0] * 500 + list(range(500, 1000))
