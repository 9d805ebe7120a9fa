"""Protected runs against a naive search for shared token sequences."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cleaning.protect import ProtectedRuns, protect_fingerprint, protected_texts
from components.cleaning.shingles import TokenHasher, tokenise
from components.core.errors import ConfigError

WORDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=25)
HAN = st.lists(st.sampled_from(["甲", "乙"]), max_size=50)


def overlaps(benchmarks: list[tuple[str, str]], text: str) -> tuple[str, ...]:
    runs, _ = ProtectedRuns.of((name, [item], 1) for name, item in benchmarks)
    return runs.overlaps(TokenHasher().hash_tokens(tokenise(text)))


def naive(benchmark: list[str], text: list[str], full: int, least: int) -> bool:
    if len(benchmark) < least:
        return False
    length = min(full, len(benchmark))
    runs = {tuple(benchmark[start : start + length]) for start in range(len(benchmark) - length + 1)}
    return any(tuple(text[start : start + length]) in runs for start in range(len(text) - length + 1))


@given(WORDS, WORDS)
def test_english_runs(benchmark: list[str], text: list[str]) -> None:
    found = overlaps([("b", " ".join(benchmark))], ", ".join(text).upper())
    assert found == (("b",) if naive(benchmark, text, 13, 8) else ())


@given(HAN, HAN)
def test_chinese_runs(benchmark: list[str], text: list[str]) -> None:
    found = overlaps([("b", "".join(benchmark))], "，".join(text))
    assert found == (("b",) if naive(benchmark, text, 30, 15) else ())


@given(WORDS, WORDS, WORDS)
def test_every_benchmark_is_named(one: list[str], two: list[str], text: list[str]) -> None:
    found = overlaps([("one", " ".join(one)), ("two", " ".join(two))], " ".join(text))
    assert found == tuple(name for name, words in (("one", one), ("two", two)) if naive(words, text, 13, 8))


def test_counts_and_tables_survive_the_disk(tmp_path: Path) -> None:
    long, chinese = "one two three four five six seven eight nine", "数学是利用符号语言研究数量与结构的学科"
    runs, counts = ProtectedRuns.of([("a", [long, "too short"], 1), ("b", [chinese], 2)])
    assert counts["a"].model_dump() == {"files": 1, "items": 2, "too_short": 1, "dropped": 0}
    assert counts["b"].model_dump() == {"files": 2, "items": 1, "too_short": 0, "dropped": 0}
    runs.save(tmp_path)
    again = ProtectedRuns.load(tmp_path, ("a", "b"))
    for text, expected in (
        (f"So {long}.", ("a",)),
        (f"“{chinese}”", ("b",)),
        (f"{long} {chinese}", ("a", "b")),
        ("", ()),
    ):
        assert again.overlaps(TokenHasher().hash_tokens(tokenise(text))) == expected


@pytest.mark.parametrize(
    ("name", "data", "strings"),
    [
        ("a.json", b'{"x": ["one", {"y": "two"}], "n": 3}', ["one", "two"]),
        ("a.jsonl", b'{"x": "one"}\n\n["two"]\n', ["one", "two"]),
        ("a.csv", b'h,i\n"one, half",two\n', ["h", "i", "one, half", "two"]),
        ("a.tsv", b"one\ttwo\n", ["one", "two"]),
        ("a.txt.gz", gzip.compress("一\n二".encode(), mtime=0), ["一", "二"]),
    ],
)
def test_strings_of_every_format(tmp_path: Path, name: str, data: bytes, strings: list[str]) -> None:
    (tmp_path / name).write_bytes(data)
    assert list(protected_texts([str(tmp_path / name)])) == strings
    assert list(protect_fingerprint({"b": (str(tmp_path / name),)})) == [f"protect/{tmp_path / name}"]


def test_parquet_and_folders(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    (tmp_path / "in").mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"q": ["one", "two"], "n": [1, 2]}), tmp_path / "in" / "b.parquet")
    (tmp_path / "in" / "a.txt").write_text("zero\n")
    assert list(protected_texts([str(tmp_path / "in")])) == ["zero", "one", "two"]


@pytest.mark.parametrize(("name", "data"), [("a.json", b"{"), ("a.csv", b"\xff"), ("a.txt.gz", b"no"), ("a.txt", None)])
def test_unreadable_benchmarks_name_the_key(tmp_path: Path, name: str, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=r"cleaning\.protect"):
        list(protected_texts([str(tmp_path / name)]))
