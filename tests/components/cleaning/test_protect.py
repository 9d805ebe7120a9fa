"""Protected runs against a naive search for shared token sequences."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cleaning.protect import ProtectedRuns, protect_fingerprint, protected_texts
from components.cleaning.shingles import TokenHasher
from components.core.errors import ConfigError

WORDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=25)
HAN = st.lists(st.sampled_from(["甲", "乙"]), max_size=50)


def naive(benchmark: list[str], text: list[str], full: int, least: int) -> bool:
    if len(benchmark) < least:
        return False
    length = min(full, len(benchmark))
    runs = {tuple(benchmark[start : start + length]) for start in range(len(benchmark) - length + 1)}
    return any(tuple(text[start : start + length]) in runs for start in range(len(text) - length + 1))


@given(WORDS, WORDS)
def test_english_runs(benchmark: list[str], text: list[str]) -> None:
    runs = ProtectedRuns([" ".join(benchmark)], TokenHasher())
    assert runs.overlaps(", ".join(text).upper()) == naive(benchmark, text, 13, 8)


@given(HAN, HAN)
def test_chinese_runs(benchmark: list[str], text: list[str]) -> None:
    runs = ProtectedRuns(["".join(benchmark)], TokenHasher())
    assert runs.overlaps("，".join(text)) == naive(benchmark, text, 30, 15)


@pytest.mark.parametrize(
    ("name", "data", "strings"),
    [
        ("a.json", b'{"x": ["one", {"y": "two"}], "n": 3}', ["one", "two"]),
        ("a.jsonl", b'{"x": "one"}\n\n["two"]\n', ["one", "two"]),
        ("a.csv", b'h,i\n"one, half",two\n', ["h", "i", "one, half", "two"]),
        ("a.tsv", b"one\ttwo\n", ["one", "two"]),
        ("a.txt.gz", gzip.compress("一\n二".encode()), ["一", "二"]),
    ],
)
def test_strings_of_every_format(tmp_path: Path, name: str, data: bytes, strings: list[str]) -> None:
    (tmp_path / name).write_bytes(data)
    assert list(protected_texts([str(tmp_path / name)])) == strings
    assert list(protect_fingerprint([str(tmp_path / name)])) == [str(tmp_path / name)]


@pytest.mark.parametrize(("name", "data"), [("a.json", b"{"), ("a.csv", b"\xff"), ("a.txt.gz", b"no"), ("a.txt", None)])
def test_unreadable_benchmarks_name_the_key(tmp_path: Path, name: str, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=r"cleaning\.protect"):
        list(protected_texts([str(tmp_path / name)]))
