"""Boilerplate: lines that are not a document's own, since they hold a stock phrase or stand in many documents.

Counting lines over the corpus follows CCNet (Wenzek et al. 2020, section 3.1), where repeated paragraphs are mostly
navigation and notices; the stock phrases stand in ``phrases/<language>.yaml``. A document's lines are remembered as
8 bytes each, so that the count needs no second reading.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import yaml
from numpy.typing import NDArray

_PHRASES_DIR = Path(__file__).parent / "phrases"
# A phrase must be so much of its line: a sentence about cookie policies is a sentence.
_MIN_PHRASE_SHARE = 0.2
# The number that stands for every line with a stock phrase.
_STOCK = np.uint64(0)

LineTable = NDArray[np.void]
_LINE = np.dtype([("line", np.uint64), ("characters", np.uint32)])


def lines_of(text: str) -> LineTable:
    """A document's distinct lines by their hash, with the characters that stand on them. Shape (L,)."""
    counts: dict[int, int] = {}
    for line in text.split("\n"):
        if not (folded := " ".join(line.casefold().split())):
            continue
        if (stock := _stock_phrases().search(folded)) and len(stock[0]) >= _MIN_PHRASE_SHARE * len(folded):
            key = int(_STOCK)
        else:
            digest = hashlib.blake2b(folded.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            key = int.from_bytes(digest, "little") | 1
        counts[key] = counts.get(key, 0) + len(folded)
    return np.array(list(counts.items()), _LINE)


def stock_share(lines: LineTable) -> float:
    """Share of a document's characters that stand on lines with a stock phrase."""
    total = int(lines["characters"].sum())
    return int(lines["characters"][lines["line"] == _STOCK].sum()) / total if total else 0.0


def boilerplate_shares(lines: LineTable, counts: Sequence[int], *, min_documents: int) -> NDArray[np.float64]:
    """Share of each document's characters on boilerplate lines, in [0, 1]. Shape (N,).

    Args:
        lines: All documents' tables, one after the other.
        counts: Rows of each document in it.
        min_documents: Documents in which a line must stand to be boilerplate.
    """
    _, inverse, documents = np.unique(lines["line"], return_inverse=True, return_counts=True)
    common = (documents[inverse] >= min_documents) | (lines["line"] == _STOCK)
    owner = np.repeat(np.arange(len(counts)), counts)
    characters = lines["characters"].astype(np.float64)
    totals = np.bincount(owner, characters, len(counts))
    shared = np.bincount(owner, characters * common, len(counts))
    return np.divide(shared, totals, out=np.zeros(len(counts)), where=totals > 0)


@cache
def _stock_phrases() -> re.Pattern[str]:
    phrases: Iterable[str] = (
        phrase
        for path in sorted(_PHRASES_DIR.glob("*.yaml"))
        for phrase in yaml.safe_load(path.read_text(encoding="utf-8"))
    )
    return re.compile("|".join(map(re.escape, phrases)))
