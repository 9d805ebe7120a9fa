"""The ingestion stage: counts add up, and a corpus that is not what the config promises is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.core.corpus import read_records
from components.core.errors import ConfigError, ContractError
from components.core.jsonfiles import read_json, read_jsonl
from components.ingestion.config import IngestionConfig
from components.ingestion.ingest import ingest_corpus, source_fingerprint

ENGLISH = "The parcel that we ordered has not arrived and nobody knows where it is."
CHINESE = "我们订的包裹还没有到，谁也不知道它在哪里。"


def write_lines(path: Path, rows: list[object]) -> Path:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def config_of(path: Path, **settings: object) -> IngestionConfig:
    return IngestionConfig.model_validate({"sources": [str(path)], "languages": ["en", "zh"]} | settings)


def make_out(tmp_path: Path, name: str = "out") -> Path:
    out = tmp_path / name
    out.mkdir()
    return out


def test_counts_add_up_and_nothing_of_a_text_is_in_the_quarantine(tmp_path: Path) -> None:
    rows: list[object] = [
        {"text": ENGLISH},
        {"text": CHINESE},
        "{broken secret",
        {"text": "hi"},
        {"text": "x" * 20, "lang": "fr"},
    ]
    path = write_lines(tmp_path / "a.jsonl", rows)
    out = make_out(tmp_path)
    report = ingest_corpus(config_of(path, max_quarantined_share=0.5, min_document_characters=5), key=b"k", out_dir=out)
    assert report.rows == 3
    assert report.summary["read"] == 5 and report.summary["reasons"] == {"not_json": 1, "too_short": 1}
    assert report.summary["languages"] == {"en": 1, "unknown": 1, "zh": 1}
    assert [row["lang"] for row in read_records(out)] == ["en", "zh", "fr"]
    assert list(read_jsonl(out / "quarantine.jsonl")) == [
        {"source": str(path), "line": 3, "reason": "not_json"},
        {"source": str(path), "line": 4, "reason": "too_short"},
    ]
    assert "secret" not in "".join(item.read_text() for item in out.iterdir() if item.name != "part-00000.jsonl")
    assert read_json(out / "report.json")["sources"][0]["kept"] == 3


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "no record at all"),
        (["", " "], "no record at all"),
        ([{"text": ENGLISH}], "no record in zh"),
        ([{"text": ENGLISH}, {"text": CHINESE}, "{", "{"], "line 3: not_json; 2 of 4"),
        (["{", "["], "line 1: not_json; 2 of 2"),
        ([{"body": ENGLISH}], "no record has the text column"),
    ],
)
def test_a_corpus_that_breaks_its_promise_is_refused(tmp_path: Path, rows: list[object], message: str) -> None:
    path = write_lines(tmp_path / "a.jsonl", rows)
    with pytest.raises(ContractError, match=message) as caught:
        ingest_corpus(config_of(path), key=b"k", out_dir=make_out(tmp_path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value) and "parcel" not in str(caught.value)


def test_one_source_of_stubs_is_named(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": "hi"}])
    with pytest.raises(ContractError, match="min_document_characters"):
        ingest_corpus(config_of(path, min_document_characters=10), key=b"k", out_dir=make_out(tmp_path))


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": ENGLISH}, {"text": CHINESE}, {"text": CHINESE}])
    outs = [make_out(tmp_path, name) for name in ("one", "two")]
    for out in outs:
        ingest_corpus(config_of(path), key=b"k", out_dir=out)
    files = [{item.name: item.read_bytes() for item in out.iterdir()} for out in outs]
    assert files[0] == files[1]


def test_max_records_and_two_sources(tmp_path: Path) -> None:
    english = write_lines(tmp_path / "en.jsonl", [{"id": "1", "text": ENGLISH}] * 3)
    chinese = write_lines(tmp_path / "zh.jsonl", [{"id": "1", "text": CHINESE}] * 3)
    sources = [{"path": str(english), "max_records": 2, "split": "train"}, str(chinese)]
    out = make_out(tmp_path)
    ingest_corpus(config_of(english, sources=sources, max_records=4), key=b"k", out_dir=out)
    assert [(row["id"], row["lang"], row.get("split")) for row in read_records(out)] == [
        ("1", "en", "train"),
        ("1~2", "en", "train"),
        ("1~3", "zh", None),
        ("1~4", "zh", None),
    ]


def test_free_text_taken_for_labels_stays_out_of_the_report(tmp_path: Path) -> None:
    rows: list[object] = [{"text": CHINESE, "label": f"call me {index}"} for index in range(200)]
    path = write_lines(tmp_path / "a.jsonl", rows)
    report = ingest_corpus(config_of(path, languages=["zh"]), key=b"k", out_dir=make_out(tmp_path))
    assert report.summary["labels"] == {}


def test_fingerprint_follows_the_bytes(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "a.jsonl", [{"text": ENGLISH}])
    before = source_fingerprint(config_of(path))
    assert list(before) == [str(path)]
    assert before == source_fingerprint(config_of(path))
    write_lines(path, [{"text": ENGLISH + "!"}])
    assert before != source_fingerprint(config_of(path))
    assert list(source_fingerprint(config_of(tmp_path))) == [str(path)]
    with pytest.raises(ConfigError, match="stdin"):
        source_fingerprint(config_of(path, sources=["-"]))
    with pytest.raises(ConfigError, match="no such file"):
        source_fingerprint(config_of(tmp_path / "absent.jsonl"))
    assert list(source_fingerprint(config_of(path, sources=[f"hf://{tmp_path}"]))) == [str(path)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sources": []}, "sources"),
        ({"sources": ["embedded", "a.jsonl"]}, "stands alone"),
        ({"sources": ["embedded"]}, "generator's settings"),
        ({"sources": [{"path": "a", "colums": {}}]}, "colums"),
        ({"columns": {"txt": "body"}}, "txt"),
        ({"languages": []}, "languages"),
        ({"max_quarantined_share": 1.5}, "max_quarantined_share"),
    ],
)
def test_bad_settings_name_their_key(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        IngestionConfig.model_validate({"sources": ["a"], "languages": ["en"]} | settings)
