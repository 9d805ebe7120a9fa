"""Boilerplate lines: stock phrases, and lines that many documents share."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.cleaning.boilerplate import boilerplate_shares, lines_of, stock_share


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("We use cookies.\nThe river rose all night.", 15 / 40),
        ("请启用JavaScript", 1.0),
        ("版权所有 2020\n河水涨了一整夜。", 9 / 17),
        ("The court held that the cookie policy of the website had been changed without notice to its users.", 0.0),
        ("The river rose all night.", 0.0),
        ("", 0.0),
        (" \n\n ", 0.0),
    ],
)
def test_stock_phrases(text: str, share: float) -> None:
    assert stock_share(lines_of(text)) == pytest.approx(share)


@given(
    st.lists(st.lists(st.sampled_from(["a", "bb", "ccc", "dddd", ""]), max_size=6), min_size=1, max_size=12),
    st.integers(2, 4),
)
def test_shared_lines_against_a_naive_count(documents: list[list[str]], min_documents: int) -> None:
    tables = [lines_of("\n".join(lines)) for lines in documents]
    found = boilerplate_shares(np.concatenate(tables), list(map(len, tables)), min_documents=min_documents)
    standing = Counter(line for lines in documents for line in set(lines) if line)
    for lines, share in zip(documents, found, strict=True):
        total = sum(map(len, lines))
        shared = sum(len(line) for line in lines if standing[line] >= min_documents)
        assert share == pytest.approx(shared / total if total else 0)
