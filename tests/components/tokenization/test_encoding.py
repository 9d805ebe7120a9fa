"""Encoding: nothing lost, words right, bytes repeat."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import datasets
import pytest
from testkit.tiny_corpus import write_splits

from components.core.corpus import read_records, write_records
from components.core.errors import ContractError
from components.core.hashing import digest_files
from components.core.jsonfiles import read_json
from components.tokenization.config import EncodingConfig, TokenizerConfig
from components.tokenization.encoding import SPLITS, encode_splits
from components.tokenization.training import train_tokenizer

EXTRA = [
    {"id": "e1", "text": "One 😀. Two [PERSON]'s kettle!\n\n护士购买了“台灯”。Then 她 left… ", "lang": "zh"},
    {"id": "e2", "text": "   ", "lang": "en"},
    {"id": "e3", "text": "kettle " * 300},
    {"id": "e4", "text": "机"},
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("world")
    splits = write_splits(root / "splits")
    write_records([*read_records(splits / "train"), *EXTRA], splits / "train")
    (root / "tokenizer").mkdir()
    train_tokenizer(splits, TokenizerConfig(vocabulary_size=400, max_tokens=64), out_dir=root / "tokenizer")
    return splits, root / "tokenizer"


@pytest.fixture(scope="module")
def encoded(world: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("encoded")
    encode_splits(*world, EncodingConfig(max_sentence_tokens=20, documents_per_batch=64), out_dir=out)
    return out


def rows(encoded: Path, split: str) -> dict[str, Any]:
    return {row["id"]: row for row in datasets.load_from_disk(str(encoded / split))}


@pytest.mark.parametrize("split", SPLITS)
def test_no_token_is_lost(world: tuple[Path, Path], encoded: Path, split: str) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(world[1])
    found = rows(encoded, split)
    records = list(read_records(world[0] / split))
    assert list(found) == [record["id"] for record in records]
    for record in records:
        expected = tokenizer.backend_tokenizer.encode(record["text"], add_special_tokens=False).ids
        sentences = found[record["id"]]["sentences"]
        assert [token for sentence in sentences for token in sentence] == expected
        assert all(0 < len(sentence) <= 20 for sentence in sentences)
        assert [len(words) for words in found[record["id"]]["words"]] == [len(sentence) for sentence in sentences]


def test_round_trip_to_the_text(world: tuple[Path, Path], encoded: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(world[1])
    found = rows(encoded, "dev")
    for record in read_records(world[0] / "dev"):
        ids = [token for sentence in found[record["id"]]["sentences"] for token in sentence]
        text = tokenizer.decode(ids)
        assert "".join(text.split()).lower() == "".join(record["text"].split()).lower()


def test_words_are_those_of_the_segmenter(world: tuple[Path, Path], encoded: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(world[1])
    row = rows(encoded, "train")["e1"]
    words = []
    for sentence, numbers in zip(row["sentences"], row["words"], strict=True):
        assert numbers[0] == 0
        assert all(after - before in {0, 1} for before, after in pairwise(numbers))
        for number in range(numbers[-1] + 1):
            tokens = [token for token, word in zip(sentence, numbers, strict=True) if word == number]
            words.append("".join(tokenizer.convert_ids_to_tokens(tokens)).replace("##", ""))
    expected = ["one", "😀", ".", "two", "[PERSON]", "'", "s", "kettle", "!"]
    assert words[: len(expected)] == expected
    assert words[len(expected) :] == ["护士", "购买", "了", "“", "台灯", "”", "。", "then", "她", "left", "…"]


def test_language_column(encoded: Path) -> None:
    found = rows(encoded, "train")
    assert found["e3"]["lang"] == "en"
    assert found["e4"]["lang"] == "zh"  # no lang in the record: an ideograph decides
    assert found["e2"]["sentences"] == []


def test_schema_is_int32_lists(encoded: Path) -> None:
    features = datasets.load_from_disk(str(encoded / "train")).features
    assert features["sentences"] == datasets.List(datasets.List(datasets.Value("int32")))
    assert features["words"] == features["sentences"]


def test_two_runs_same_bytes_and_batches_do_not_matter(world: tuple[Path, Path], encoded: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        encode_splits(*world, EncodingConfig(max_sentence_tokens=20, documents_per_batch=64), out_dir=tmp_path / name)
    assert digest_files(tmp_path / "one") == digest_files(tmp_path / "two") == digest_files(encoded)
    (tmp_path / "three").mkdir()
    encode_splits(*world, EncodingConfig(max_sentence_tokens=20, documents_per_batch=7), out_dir=tmp_path / "three")
    assert rows(tmp_path / "three", "train") == rows(encoded, "train")


def test_report_counts(world: tuple[Path, Path], encoded: Path) -> None:
    report = read_json(encoded / "report.json")["splits"]
    assert report["train"]["documents"] == 204
    assert report["train"]["empty_documents"] == 1
    for split in SPLITS:
        found = rows(encoded, split).values()
        assert report[split]["sentences"] == sum(len(row["sentences"]) for row in found)
        assert report[split]["tokens"] == sum(len(sentence) for row in found for sentence in row["sentences"])


def test_missing_inputs_are_named(world: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ContractError, match="dev, test, holdout"):
        (tmp_path / "splits" / "train").mkdir(parents=True)
        encode_splits(tmp_path / "splits", world[1], EncodingConfig(), out_dir=tmp_path)
    with pytest.raises(ContractError, match=r"tokenizer\.json"):
        encode_splits(world[0], tmp_path, EncodingConfig(), out_dir=tmp_path)
