"""The tokenizer: fixed ids, placeholders whole, repeatable bytes, train only."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from testkit.tiny_corpus import write_splits

from components.core.corpus import read_records, write_records
from components.core.errors import ContractError
from components.core.hashing import digest_files
from components.core.jsonfiles import read_json
from components.tokenization.config import PLACEHOLDERS, TokenizerConfig
from components.tokenization.training import train_tokenizer

CONFIG = TokenizerConfig(vocabulary_size=300)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_splits(tmp_path_factory.mktemp("splits"))


@pytest.fixture(scope="module")
def trained(splits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer(splits, CONFIG, out_dir=out)
    return out


def test_opens_in_plain_transformers_with_fixed_ids(trained: Path) -> None:
    from transformers import AutoTokenizer, BertTokenizerFast

    for tokenizer in (AutoTokenizer.from_pretrained(trained), BertTokenizerFast.from_pretrained(trained)):
        assert tokenizer.convert_tokens_to_ids(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]) == [0, 1, 2, 3, 4]
        assert tokenizer.convert_tokens_to_ids("[PERSON]") == 5
        assert sorted(tokenizer.all_special_ids) == [0, 1, 2, 3, 4]
        assert len(tokenizer) <= CONFIG.vocabulary_size
        assert sorted(tokenizer.get_vocab().values()) == list(range(len(tokenizer)))


def test_placeholders_are_one_token_and_chinese_goes_by_character(trained: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(trained)
    for placeholder in PLACEHOLDERS:
        assert tokenizer.tokenize(f"x{placeholder}护士")[-3:] == [placeholder, "护", "士"]
    assert tokenizer.decode(tokenizer("The nurse met [PERSON].")["input_ids"], skip_special_tokens=True).count(
        "[PERSON]"
    )


def test_two_runs_same_bytes(splits: Path, trained: Path, tmp_path: Path) -> None:
    train_tokenizer(splits, CONFIG, out_dir=tmp_path)
    assert digest_files(tmp_path) == digest_files(trained)


def test_bytes_repeat_where_the_alphabet_is_cut(tmp_path: Path) -> None:
    """Ties at the border are the hard case: every rare character occurs once."""
    records = [{"id": str(i), "text": f"common words {chr(0x4E00 + i)} x{chr(0x100 + i)}y"} for i in range(150)]
    for name in ("train", "dev"):
        write_records(records, tmp_path / "splits" / name)
    digests = []
    for run in range(3):
        out = tmp_path / str(run)
        out.mkdir()
        train_tokenizer(tmp_path / "splits", TokenizerConfig(vocabulary_size=120), out_dir=out)
        digests.append(digest_files(out))
    assert digests[0] == digests[1] == digests[2]
    report = read_json(tmp_path / "0" / "report.json")
    assert report["dropped_characters"] > 0
    assert report["coverage"]["zh"]["unknown_share"] > 0


def test_only_train_is_learned_from(splits: Path, trained: Path, tmp_path: Path) -> None:
    write_records(read_records(splits / "train"), tmp_path / "splits" / "train")
    write_records([{"id": "x", "text": "zzzqqq 龘龘龘"}] * 50, tmp_path / "splits" / "dev")
    out = tmp_path / "out"
    out.mkdir()
    train_tokenizer(tmp_path / "splits", CONFIG, out_dir=out)
    assert (out / "tokenizer.json").read_bytes() == (trained / "tokenizer.json").read_bytes()
    assert read_json(out / "report.json")["coverage"]["zh"]["unknown_share"] > 0.5


def test_draw_of_documents_is_bounded_and_seeded(splits: Path, tmp_path: Path) -> None:
    vocabularies = []
    for number, seed in enumerate((0, 0, 1)):
        out = tmp_path / str(number)
        out.mkdir()
        config = TokenizerConfig(vocabulary_size=300, max_training_documents=5, seed=seed)
        train_tokenizer(splits, config, out_dir=out)
        assert read_json(out / "report.json")["training_documents"] == 5
        vocabularies.append((out / "tokenizer.json").read_bytes())
    assert vocabularies[0] == vocabularies[1] != vocabularies[2]


def test_coverage_by_hand(tmp_path: Path) -> None:
    write_records([{"id": "a", "text": "aa bb aa bb 你好", "lang": "en"}], tmp_path / "splits" / "train")
    write_records(
        [{"id": "b", "text": "aa bb", "lang": "en"}, {"id": "c", "text": "你你们", "lang": "zh"}],
        tmp_path / "splits" / "dev",
    )
    out = tmp_path / "out"
    out.mkdir()
    train_tokenizer(tmp_path / "splits", TokenizerConfig(vocabulary_size=64), out_dir=out)
    coverage = read_json(out / "report.json")["coverage"]
    assert coverage["en"] == {
        "documents": 1, "tokens": 2, "tokens_per_word": 1.0, "tokens_per_character": 0.5, "unknown_share": 0.0,
    }  # fmt: skip
    assert coverage["zh"]["unknown_share"] == pytest.approx(1 / 3, abs=1e-6)
    assert coverage["zh"]["tokens_per_word"] == 1.0


def test_no_text_is_refused(tmp_path: Path) -> None:
    write_records([{"id": "a", "text": "你好", "lang": "zh"}], tmp_path / "train")
    with pytest.raises(ContractError, match="no text in en"):
        train_tokenizer(tmp_path, TokenizerConfig(vocabulary_size=64, languages=("en",)), out_dir=tmp_path)


@pytest.mark.parametrize(
    "values",
    [
        {"vocabulary_size": 10},
        {"vocabulary_size": 100, "placeholders": ["PERSON"]},
        {"vocabulary_size": 100, "placeholders": ["[MASK]"]},
        {"vocabulary_size": 100, "placeholders": ["[A]", "[A]"]},
        {"vocabulary_size": 100, "languages": ["fr"]},
        {"vocabulary_size": 100, "unknown": 1},
    ],
)
def test_bad_configs(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TokenizerConfig.model_validate(values)
