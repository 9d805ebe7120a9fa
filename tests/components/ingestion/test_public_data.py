"""The public data sets beside the checkout, read as the shipped profile reads them; counts as published with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from testkit import shared_data

from components.core.corpus import read_records
from components.ingestion.config import IngestionConfig
from components.ingestion.ingest import ingest_corpus

pytestmark = pytest.mark.shared_data


def ingest(tmp_path: Path, source: dict[str, object], lang: str) -> tuple[dict[str, object], list[dict[str, str]]]:
    config = IngestionConfig.model_validate({"sources": [source | {"lang": lang}], "languages": [lang]})
    summary = ingest_corpus(config, key=b"k", out_dir=tmp_path).summary
    return dict(summary), list(read_records(tmp_path))


def test_enwiki_core(tmp_path: Path) -> None:
    summary, records = ingest(tmp_path, {"path": str(shared_data("enwiki-core"))}, "en")
    assert (summary["read"], summary["kept"]) == (476, 476)
    assert sum(len(record["text"]) for record in records) == pytest.approx(8.1e6, rel=0.01)


def test_enwiki_2018_stubs_are_left_out(tmp_path: Path) -> None:
    source = {"path": str(shared_data("enwiki-2018")), "min_document_characters": 201}
    summary, _ = ingest(tmp_path, source, "en")
    assert summary["read"] == 16_800
    assert summary["kept"] == pytest.approx(5_026, abs=5)  # published count takes the title line along
    assert set(summary["reasons"]) == {"too_short"}


def test_zhwiki(tmp_path: Path) -> None:
    core, _ = ingest(tmp_path, {"path": str(shared_data("zhwiki-core"))}, "zh")
    assert core["kept"] == 64 + 222
    extracts_dir = tmp_path / "extracts"
    extracts_dir.mkdir()
    source = {"path": str(shared_data("zhwiki-extracts")), "min_document_characters": 101}
    extracts, _ = ingest(extracts_dir, source, "zh")
    assert extracts["read"] == 33_728
    assert extracts["kept"] == pytest.approx(11_427, abs=5)


def test_gutenberg_books_are_cut_and_none_is_lost(tmp_path: Path) -> None:
    source = {
        "path": str(shared_data("gutenberg-15", "gutenberg-15.tar.gz")),
        "split_documents": "whole_file",
        "unwrap_lines": True,
        "encoding": "latin-1",
        "max_document_characters": 4_000,
    }
    summary, records = ingest(tmp_path, source, "en")
    assert len({record["id"].split("#")[0] for record in records}) == 15
    assert summary["quarantined"] == 0
    assert max(len(record["text"]) for record in records) <= 4_000
    assert sum(len(record["text"]) for record in records) == pytest.approx(6.7e6, rel=0.03)


def test_zh_laws(tmp_path: Path) -> None:
    _, records = ingest(tmp_path, {"path": str(shared_data("zh-laws")), "format": "markdown"}, "zh")
    assert len(records) == 349
    assert not any("INFO END" in record["text"] for record in records)


def test_sst2_and_chnsenticorp(tmp_path: Path) -> None:
    labels = {0: "negative", 1: "positive"}
    plain = {"has_header": False, "columns": {"text": 0, "label": 1}, "label_map": labels}
    train, _ = ingest(tmp_path, {"path": str(shared_data("sst2", "train.tsv"))} | plain, "en")
    assert (train["kept"], train["labels"]["positive"]) == (6_920, 3_610)
    dev, _ = ingest(tmp_path, {"path": str(shared_data("sst2", "dev.tsv"))} | plain, "en")
    assert (dev["kept"], dev["labels"]["positive"]) == (872, 444)
    headed = {"columns": {"text": "text_a", "label": "label"}, "label_map": labels}
    chinese, _ = ingest(tmp_path, {"path": str(shared_data("chnsenticorp", "train.tsv.gz"))} | headed, "zh")
    assert (chinese["kept"], chinese["quarantined"]) == (9_600, 0)
