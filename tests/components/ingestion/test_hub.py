"""Folders as they lie on the hub, and as ``save_to_disk`` leaves them, through ``datasets`` itself."""

from __future__ import annotations

from pathlib import Path

import datasets
import pytest

from components.core.corpus import read_records
from components.core.errors import ConfigError, ContractError
from components.ingestion.config import IngestionConfig, SourceConfig
from components.ingestion.ingest import ingest_corpus, source_fingerprint
from components.ingestion.readers import read_documents
from components.ingestion.records import Quarantined

CARD = """---
configs:
- config_name: main
  default: true
  data_files:
  - split: train
    path: data/train-*
  - split: validation
    path: data/validation-*
- config_name: extra
  data_files: data/extra.parquet
---
# A data set
"""
FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "text": datasets.Value("string"),
        "label": datasets.ClassLabel(names=["negative", "positive"]),
        "tags": datasets.List(datasets.Value("string")),
    }
)
ROWS = [
    {"id": f"a{n}", "text": f"The parcel number {n} was here.", "label": n % 2, "tags": ["x", "y"]} for n in range(40)
]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets.disable_progress_bars()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of two configurations, the first in two shards and two splits."""
    found = tmp_path / "set"
    (found / "data").mkdir(parents=True)
    rows = datasets.Dataset.from_list(ROWS, features=FEATURES)
    for name, part in (
        ("train-00000-of-00002", range(20)),
        ("train-00001-of-00002", range(20, 30)),
        ("validation-00000-of-00001", range(30, 40)),
        ("extra", range(3)),
    ):
        rows.select(part).to_parquet(found / "data" / f"{name}.parquet")
    (found / "README.md").write_text(CARD, encoding="utf-8")
    return found


def read(address: str, **settings: object) -> list[tuple[object, ...]]:
    items = read_documents([SourceConfig(path=address, **settings)])
    return [
        (item.line, item.reason.value)
        if isinstance(item, Quarantined)
        else (item["id"], item.get("label"), item.get("split"))
        for item in items
    ]


def expected(part: range, split: str | None = None) -> list[tuple[object, ...]]:
    return [(f"a{n}", ("negative", "positive")[n % 2], split) for n in part]


def test_configurations_and_splits(folder: Path) -> None:
    assert read(f"hf://{folder}") == expected(range(30), "train") + expected(range(30, 40), "dev")
    assert read(f"hf://{folder}:main#validation") == expected(range(30, 40))
    assert read(f"hf://{folder}:extra") == expected(range(3))
    assert read(f"hf://{folder}#train", max_records=5) == expected(range(5))
    for wrong in (":absent", "#absent", ":main#absent"):
        with pytest.raises(ConfigError, match="absent"):
            read(f"hf://{folder}{wrong}")


def test_what_save_to_disk_wrote(tmp_path: Path) -> None:
    rows = datasets.Dataset.from_list(ROWS, features=FEATURES)
    rows.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=rows.select(range(30)), test=rows.select(range(30, 40))).save_to_disk(tmp_path / "two")
    assert read(f"hf://{tmp_path / 'one'}") == expected(range(40))
    assert read(f"hf://{tmp_path / 'two'}") == expected(range(30), "train") + expected(range(30, 40), "test")
    assert read(f"hf://{tmp_path / 'two'}#test") == expected(range(30, 40))
    with pytest.raises(ConfigError, match="train, test"):
        read(f"hf://{tmp_path / 'two'}#absent")
    (tmp_path / "one" / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(ContractError, match="damaged"):
        read(f"hf://{tmp_path / 'one'}")


def test_a_broken_shard_costs_what_follows_it_and_is_counted(folder: Path) -> None:
    (folder / "data" / "train-00001-of-00002.parquet").write_bytes(b"PAR1 broken PAR1")
    assert read(f"hf://{folder}#train") == [*expected(range(20)), (21, "unreadable_file")]


def test_a_column_of_lists_is_no_text(folder: Path) -> None:
    columns = {"text": "tags"}
    assert {entry[1] for entry in read(f"hf://{folder}#train", columns=columns)} == {"text_not_string"}
    with pytest.raises(ContractError, match="no column for text"):
        read(f"hf://{folder}#train", columns={"text": "body"})


def test_the_stage_reads_it_beside_files(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("The letter that came has gone.", encoding="utf-8")
    config = IngestionConfig.model_validate(
        {"sources": [f"hf://{folder}", str(tmp_path / "b.txt")], "languages": ["en"], "workers": 2}
    )
    report = ingest_corpus(config, key=b"k", out_dir=tmp_path / "out")
    assert report.rows == 41
    assert [record["id"] for record in read_records(tmp_path / "out")][:40] == [row["id"] for row in ROWS]
    before = source_fingerprint(config)
    (folder / "data" / "extra.parquet").unlink()
    assert source_fingerprint(config) != before
