"""Decontamination: records that share a long run of tokens with a benchmark must not be trained on.

A run is 13 words (GPT-3, Brown et al. 2020, appendix C) or 30 Chinese characters. A benchmark item that is shorter
counts as a whole, from 8 words or 15 characters on; below that, sharing it says nothing.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from components.cleaning.shingles import TokenHasher, is_mostly_han, tokenise
from components.core.errors import ConfigError
from components.core.hashing import digest_file

WORDS_PER_RUN = 13
HAN_PER_RUN = 30
MIN_WORDS = 8
MIN_HAN = 15


class ProtectedRuns:
    """All runs of the protected items, found by their first ``MIN_WORDS`` or ``MIN_HAN`` tokens."""

    def __init__(self, texts: Iterable[str], hasher: TokenHasher) -> None:
        self._hasher = hasher
        self._runs: dict[int, defaultdict[int, set[tuple[int, int]]]] = {}
        for text in texts:
            tokens = tokenise(text)
            full, least = (HAN_PER_RUN, MIN_HAN) if is_mostly_han(tokens) else (WORDS_PER_RUN, MIN_WORDS)
            if len(tokens) >= least:
                self._add(tokens, min(full, len(tokens)), least)
        self._heads = {least: np.array(sorted(runs), np.uint64) for least, runs in self._runs.items()}

    def _add(self, tokens: list[str], length: int, least: int) -> None:
        runs = self._runs.setdefault(least, defaultdict(set))
        heads, whole = self._hasher.ngrams(tokens, least).tolist(), self._hasher.ngrams(tokens, length).tolist()
        for head, run in zip(heads, whole, strict=False):
            runs[head].add((length, run))

    def overlaps(self, text: str) -> bool:
        """Whether the text holds any protected run."""
        tokens = tokenise(text) if self._runs else []
        return any(self._holds(tokens, least) for least in self._runs if len(tokens) >= least)

    def _holds(self, tokens: list[str], least: int) -> bool:
        heads = self._hasher.ngrams(tokens, least)
        known = self._heads[least]
        places = np.minimum(np.searchsorted(known, heads), known.size - 1)
        for start in np.flatnonzero(known[places] == heads).tolist():
            for length, run in self._runs[least][int(heads[start])]:
                window = tokens[start : start + length]
                if len(window) == length and int(self._hasher.ngrams(window, length)[0]) == run:
                    return True
        return False


def protected_texts(paths: Iterable[str]) -> Iterator[str]:
    """Every string in benchmark files: JSON, JSON Lines, CSV, TSV or lines of text, plain or .gz.

    Raises ConfigError for a file that is missing or unreadable.
    """
    for path in paths:
        yield from _strings_in(Path(path).expanduser())


def protect_fingerprint(paths: Iterable[str]) -> dict[str, str]:
    """Digest of each benchmark file. Raises ConfigError if one is missing."""
    try:
        return {path: digest_file(Path(path).expanduser()) for path in paths}
    except OSError as error:
        raise ConfigError(f"{error.filename}: no such file; check cleaning.protect") from error


def _strings_in(path: Path) -> Iterator[str]:
    try:
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


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
