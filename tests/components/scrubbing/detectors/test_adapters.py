"""Detectors of other libraries on small models that the test makes and saves itself."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from components.core.errors import ConfigError
from components.scrubbing.config import ScrubbingConfig
from components.scrubbing.detectors.adapters import SpacyDetector, TransformersDetector
from components.scrubbing.detectors.make import make_detectors
from components.scrubbing.engine import Engine

TEXT = "Yesterday Zanele Moko paid in Quorby."
NAMES = ("PERSON", "LOCATION")


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spaCy pipeline on disk that knows two names."""
    spacy = pytest.importorskip("spacy")
    made = spacy.blank("en")
    ruler = made.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "PERSON", "pattern": "Zanele Moko"}, {"label": "GPE", "pattern": "Quorby"}])
    folder = tmp_path_factory.mktemp("spacy") / "pipeline"
    made.to_disk(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A token classifier on disk that was taught that ``zanele`` and ``moko`` are persons."""
    import torch
    from transformers import BertConfig, BertForTokenClassification, BertTokenizerFast

    folder = tmp_path_factory.mktemp("hf") / "checkpoint"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "zanele", "moko", "yesterday", "paid", "in", "."]
    tokenizer = BertTokenizerFast(vocab={word: at for at, word in enumerate(words)}, do_lower_case=True)
    torch.manual_seed(0)
    model = BertForTokenClassification(
        BertConfig(
            vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
            max_position_embeddings=64, id2label={0: "O", 1: "B-PER", 2: "I-PER"}, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
    )  # fmt: skip
    texts = ["paid in . " * count + "yesterday zanele moko paid in ." for count in range(12)]
    batch = tokenizer([*texts, "paid in . " * 14], return_tensors="pt", padding=True)
    gold = (batch["input_ids"] == words.index("zanele")) + 2 * (batch["input_ids"] == words.index("moko"))
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(40):
        optimiser.zero_grad()
        model(**batch, labels=gold.long()).loss.backward()
        optimiser.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_spacy(pipeline: Path) -> None:
    detector = SpacyDetector(models={"en": str(pipeline)}, types={}, labels=NAMES, score=0.9)
    english, chinese, again = detector.detect_many([TEXT, TEXT, f"😀 {TEXT}"], ["en", "zh", "en"])
    assert [(TEXT[s.start : s.end], s.label, s.score) for s in english] == [
        ("Zanele Moko", "PERSON", 0.9),
        ("Quorby", "LOCATION", 0.9),
    ]
    assert not chinese
    assert [f"😀 {TEXT}"[s.start : s.end] for s in again] == ["Zanele Moko", "Quorby"]


def test_spacy_takes_the_wanted_labels_only(pipeline: Path) -> None:
    detector = SpacyDetector(models={"en": str(pipeline)}, types={"GPE": "CITY"}, labels=("PERSON",), score=0.9)
    assert [span.label for span in detector.detect(TEXT, "en")] == ["PERSON"]


def test_presidio(pipeline: Path) -> None:
    pytest.importorskip("presidio_analyzer")
    settings = {"kind": "presidio", "models": {"en": str(pipeline)}, "labels": ["PERSON", "EMAIL_ADDRESS"]}
    config = ScrubbingConfig.model_validate(
        {"languages": ["en"], "labels": ["PERSON", "EMAIL_ADDRESS"], "policy": "redact", "min_score": 0.4,
         "detectors": [settings]}
    )  # fmt: skip
    (detector,) = make_detectors(config.detectors, config.languages)
    text = f"{TEXT} Write to zm@example.com."
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Presidio's own, about recognisers of other languages
        spans = list(detector.detect(text, "en"))
    assert {(text[s.start : s.end], s.label) for s in spans} == {
        ("Zanele Moko", "PERSON"),
        ("zm@example.com", "EMAIL_ADDRESS"),
    }


def test_transformers(checkpoint: Path) -> None:
    detector = TransformersDetector(model=str(checkpoint), types={}, labels=NAMES, batch_size=2, max_characters=200)
    text = "Yesterday Zanele Moko paid in ."
    (span,) = detector.detect(text, "en")
    assert (text[span.start : span.end], span.label, span.detector) == ("Zanele Moko", "PERSON", "transformers")
    assert span.score > 0.8


def test_transformers_reads_long_texts_in_windows(checkpoint: Path) -> None:
    detector = TransformersDetector(model=str(checkpoint), types={}, labels=NAMES, batch_size=2, max_characters=100)
    text = "paid in . " * 8 + "yesterday Zanele Moko paid in ."
    assert {text[span.start : span.end] for span in detector.detect(text, "en")} == {"Zanele Moko"}
    assert detector.detect_many(["", text], ["en", "en"])[0] == []


def test_the_engine_takes_adapters_by_config(pipeline: Path) -> None:
    config = ScrubbingConfig.model_validate(
        {"languages": ["en"], "labels": ["PERSON"], "policy": "redact", "min_score": 0.5,
         "detectors": [{"kind": "spacy", "models": {"en": str(pipeline)}}]}
    )  # fmt: skip
    found = [TEXT[span.start : span.end] for span in Engine(config).detect(TEXT, "en")]
    assert found == ["Zanele Moko"]


def test_what_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    pytest.importorskip("spacy")
    with pytest.raises(ConfigError, match=r"no pipeline 'no_such_model'.*spacy download"):
        SpacyDetector(models={"en": "no_such_model"}, types={}, labels=NAMES, score=0.9).detect(TEXT, "en")
    empty = TransformersDetector(model=str(tmp_path), types={}, labels=NAMES, batch_size=1, max_characters=100)
    with pytest.raises(ConfigError, match="no token classifier"):
        empty.detect(TEXT, "en")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "flair"}, "detectors"),
        ({"kind": "spacy", "models": {}}, "models"),
        ({"kind": "spacy", "models": {"de": "x"}}, "models"),
        ({"kind": "tagger", "recall_bias": "much"}, "recall_bias"),
        ({"kind": "rules", "weights": "x"}, "weights"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ScrubbingConfig.model_validate(
            {"languages": ["en"], "labels": ["PERSON"], "policy": "redact", "min_score": 0.5, "detectors": [settings]}
        )
