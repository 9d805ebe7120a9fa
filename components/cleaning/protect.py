"""Decontamination: records that share a long run of tokens with a benchmark must not be trained on.

A run is 13 words (GPT-3, Brown et al. 2020, appendix C) or 30 Chinese characters. A benchmark item that is shorter
counts as a whole, from 8 words or 15 characters on; below that, sharing it says nothing, and the report says how many
items that left out.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from components.cleaning.shingles import Hashes, TokenHasher, is_mostly_han, ngrams, tokenise
from components.core.errors import ConfigError
from components.core.hashing import digest_file

WORDS_PER_RUN = 13
HAN_PER_RUN = 30
MIN_WORDS = 8
MIN_HAN = 15

_ROW = np.dtype([("head", np.uint64), ("run", np.uint64), ("length", np.uint8), ("benchmark", np.uint16)])


class BenchmarkCounts(BaseModel):
    """What is protected of one benchmark, and what that cost."""

    files: int
    items: int
    too_short: int
    dropped: int = 0


class ProtectedRuns:
    """All runs of the protected items, found by their first ``MIN_WORDS`` or ``MIN_HAN`` tokens.

    Sorted rows of 19 bytes a run, which every process opens from the same file.
    """

    def __init__(self, names: tuple[str, ...], tables: Mapping[int, NDArray[np.void]]) -> None:
        """``tables``: number of tokens in a head to rows sorted by head."""
        self._names = names
        self._tables = {least: table for least, table in tables.items() if table.size}

    @staticmethod
    def read(protect: Mapping[str, tuple[str, ...]]) -> tuple[ProtectedRuns, dict[str, BenchmarkCounts]]:
        """Read every benchmark's files. Raises ConfigError for a file that is missing or unreadable."""
        return ProtectedRuns.of((name, protected_texts(paths), len(paths)) for name, paths in protect.items())

    @staticmethod
    def of(benchmarks: Iterable[tuple[str, Iterable[str], int]]) -> tuple[ProtectedRuns, dict[str, BenchmarkCounts]]:
        """From each benchmark's name, texts and number of files."""
        hasher, counts = TokenHasher(), dict[str, BenchmarkCounts]()
        rows: dict[int, list[NDArray[np.void]]] = {MIN_WORDS: [], MIN_HAN: []}
        for number, (name, texts, files) in enumerate(benchmarks):
            counts[name] = BenchmarkCounts(files=files, items=0, too_short=0)
            for text in texts:
                least, found = _runs_of(text, number, hasher)
                counts[name].items += 1
                counts[name].too_short += found is None
                if found is not None:
                    rows[least].append(found)
        tables = {least: np.unique(np.concatenate(found)) for least, found in rows.items() if found}
        return ProtectedRuns(tuple(counts), tables), counts

    def save(self, folder: Path) -> None:
        """Write the tables for other processes."""
        for least, table in self._tables.items():
            np.save(folder / f"protected-{least}.npy", table)

    @staticmethod
    def load(folder: Path, names: tuple[str, ...]) -> ProtectedRuns:
        """Open what ``save`` wrote."""
        paths = {least: folder / f"protected-{least}.npy" for least in (MIN_WORDS, MIN_HAN)}
        return ProtectedRuns(names, {least: np.load(path) for least, path in paths.items() if path.exists()})

    def overlaps(self, hashed: Hashes) -> tuple[str, ...]:
        """The benchmarks of which the text, given by its hashed tokens, holds a protected run; most often none."""
        found: set[int] = set()
        for least, table in self._tables.items():
            if len(hashed) >= least:
                found |= _find(hashed, least, table)
        return tuple(self._names[number] for number in sorted(found))


def _runs_of(text: str, benchmark: int, hasher: TokenHasher) -> tuple[int, NDArray[np.void] | None]:
    tokens = tokenise(text)
    full, least = (HAN_PER_RUN, MIN_HAN) if is_mostly_han(tokens) else (WORDS_PER_RUN, MIN_WORDS)
    if len(tokens) < least:
        return least, None
    hashed, length = hasher.hash_tokens(tokens), min(full, len(tokens))
    runs = ngrams(hashed, length)
    rows = np.empty(runs.size, _ROW)
    rows["head"], rows["run"] = ngrams(hashed, least)[: runs.size], runs
    rows["length"], rows["benchmark"] = length, benchmark
    return least, rows


def _find(hashed: Hashes, least: int, table: NDArray[np.void]) -> set[int]:
    """Numbers of the benchmarks of which a run stands in the text."""
    heads, known = ngrams(hashed, least), table["head"]
    places = np.minimum(np.searchsorted(known, heads), known.size - 1)
    found: set[int] = set()
    for start in np.flatnonzero(known[places] == heads).tolist():
        low = int(places[start])
        rows = table[low : int(np.searchsorted(known, heads[start], side="right"))]
        for length in np.unique(rows["length"]).tolist():
            if start + length <= len(hashed):
                run = ngrams(hashed[start : start + length], length)[0]
                found.update(rows["benchmark"][(rows["run"] == run) & (rows["length"] == length)].tolist())
    return found


def protected_texts(paths: Iterable[str]) -> Iterator[str]:
    """Every string in benchmark files: JSON, JSON Lines, CSV, TSV, Parquet or lines of text, plain or .gz.

    Raises ConfigError for a file that is missing or unreadable.
    """
    for path in paths:
        for file in _files_of(path):
            yield from _strings_in(file)


def protect_fingerprint(protect: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Digest of each benchmark file. Raises ConfigError if one is missing."""
    files = (file for paths in protect.values() for path in paths for file in _files_of(path))
    try:
        return {f"protect/{file}": digest_file(file) for file in files}
    except OSError as error:
        raise ConfigError(f"{error.filename}: no such file; check cleaning.protect") from error


def _files_of(path: str) -> list[Path]:
    """The file, or all files of a folder."""
    place = Path(path).expanduser()
    return sorted(file for file in place.rglob("*") if file.is_file()) if place.is_dir() else [place]


def _strings_in(path: Path) -> Iterator[str]:
    try:
        if path.suffix == ".parquet":
            yield from _strings_of_parquet(path)
            return
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = data.decode("utf-8-sig")
        yield from _strings_of_format(text, path.name.lower().removesuffix(".gz"))
    except (OSError, EOFError) as error:
        raise ConfigError(f"{path}: cannot be read as a benchmark file; check cleaning.protect") from error
    except ValueError as error:  # bytes that are not UTF-8, or JSON that is none
        raise ConfigError(f"{path}: not UTF-8, or not the format its suffix says; check cleaning.protect") from error


def _strings_of_format(text: str, name: str) -> Iterator[str]:
    if name.endswith(".json"):
        yield from _strings(json.loads(text))
    elif name.endswith((".jsonl", ".ndjson")):
        for line in text.splitlines():
            yield from _strings(json.loads(line)) if line.strip() else ()
    elif name.endswith(".csv"):
        csv.field_size_limit(max(csv.field_size_limit(), len(text)))
        yield from (cell for row in csv.reader(io.StringIO(text)) for cell in row)
    else:
        yield from (cell for line in text.splitlines() for cell in line.split("\t"))


def _strings_of_parquet(path: Path) -> Iterator[str]:
    import pyarrow.parquet

    for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
        yield from _strings(batch.to_pydict())


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
