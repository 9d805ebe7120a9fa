"""Rows to records: cells, languages, labels, cutting."""

from __future__ import annotations

import hashlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingestion.config import SourceConfig
from components.ingestion.identifiers import IdentifierRegistry, base_identifier
from components.ingestion.records import (
    QuarantineReason,
    RecordBuilder,
    as_text,
    cut_document,
    normalise_language,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1, "1"),
        (1.0, "1"),
        (1.5, "1.5"),
        (True, "True"),
        (" a ", "a"),
        ("", None),
        (None, None),
        (math.nan, None),
        ([1], None),
    ],
)
def test_cells(value: object, text: str | None) -> None:
    assert as_text(value) == text


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("EN", "en"),
        ("en-US", "en"),
        ("English", "en"),
        ("zh_Hant", "zh"),
        ("zho", "zh"),
        ("中文", "zh"),
        ("英文", "en"),
        ("fr", "fr"),
    ],
)
def test_language_names(name: str, code: str) -> None:
    assert normalise_language(name) == code


def build(row: dict[str, object], **settings: object) -> object:
    return RecordBuilder(SourceConfig(path="x", **settings), max_record_bytes=1_000, keep_unknown_columns=False).build(
        row
    )


def test_labels_are_mapped_and_unknown_ones_quarantined() -> None:
    labels = {0: "negative", 1: "positive"}
    assert build({"text": "a", "label": 1}, label_map=labels) == {"text": "a", "label": "positive"}
    assert build({"text": "a", "label": "1.0"}, label_map=labels) is QuarantineReason.UNKNOWN_LABEL
    assert build({"text": "a"}, label_map=labels) == {"text": "a"}


def test_source_language_and_split_fill_in() -> None:
    assert build({"text": "a"}, lang="en", split="dev") == {"text": "a", "lang": "en", "split": "dev"}
    assert build({"text": "a", "lang": "zh-CN"}, lang="en") == {"text": "a", "lang": "zh"}


def test_too_long_counts_bytes() -> None:
    assert build({"text": "字" * 333})["text"]
    assert build({"text": "字" * 334}) is QuarantineReason.TOO_LONG


@given(st.text(alphabet="ab。. \n字", max_size=600), st.integers(5, 80))
def test_cutting_loses_white_space_only_and_keeps_the_limit(text: str, limit: int) -> None:
    pieces = list(cut_document(text, limit))
    assert all(0 < len(piece) <= limit for piece in pieces)
    assert "".join("".join(pieces).split()) == "".join(text.split())


def test_cutting_prefers_paragraph_ends() -> None:
    assert list(cut_document("aaaa\n\nbbbb\n\ncccc", 10)) == ["aaaa\n\nbbbb", "cccc"]
    assert list(cut_document("第一句。第二句。第三句。", 8)) == ["第一句。第二句。", "第三句。"]


@given(st.lists(st.sampled_from(["a", "a~2", "b", None]), max_size=30))
def test_identifiers_are_unique(given_ids: list[str | None]) -> None:
    registry = IdentifierRegistry()
    made = [base_identifier({"text": "t"} | ({"id": name} if name else {}), b"k") or "" for name in given_ids]
    found = [registry.assign(name) for name in made]
    assert len(set(found)) == len(found)
    if "b" in given_ids:
        assert found[given_ids.index("b")] == "b"


def test_an_id_cannot_be_guessed_from_its_text() -> None:
    text = "Call Ana"
    made = base_identifier({"text": text}, b"secret of this home")
    assert made is not None and len(made) == 16
    digests = (
        hashlib.new(name, text.encode()).hexdigest()
        for name in ("md5", "sha1", "sha256", "sha512", "sha3_256", "blake2b")
    )
    assert made not in {digest[:16] for digest in digests}
    assert made == base_identifier({"text": text}, b"secret of this home") != base_identifier({"text": text}, b"other")
    assert base_identifier({"text": text}, None) is None


def test_too_long_an_id_is_replaced_and_not_shown() -> None:
    given = {"id": "x" * 300, "text": "a"}
    assert base_identifier(given, None) is None
    made = base_identifier(given, b"k")
    assert made == base_identifier(given | {"text": "b"}, b"k") != base_identifier({"id": "y" * 300, "text": "a"}, b"k")
