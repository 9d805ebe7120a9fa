"""A tiny BERT with random weights and a whole-word vocabulary of both languages: real transformers, no training."""

from __future__ import annotations

from pathlib import Path

_ENGLISH = """the a he she is was nurse engineer doctor said that her his code word blue green red seven gate river of
and to good bad very not report for team north south"""
_CHINESE = "护士工程师他她是的代号蓝绿红门河好坏很不报告北南"
WORDS = [*_ENGLISH.split(), *_CHINESE, ".", "。", ","]
LABELS = ("negative", "positive")


def save_tokenizer(folder: Path, *, max_tokens: int = 64) -> None:
    """A BERT tokenizer over WORDS."""
    from transformers import BertTokenizerFast

    vocabulary = {token: index for index, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    folder.mkdir(parents=True, exist_ok=True)
    BertTokenizerFast(vocab=vocabulary, model_max_length=max_tokens).save_pretrained(folder)


def save_language_model(folder: Path, *, seed: int = 0) -> Path:
    """A BertForPreTraining folder with random weights large enough that its guesses differ."""
    return _save(folder, "BertForPreTraining", seed)


def save_classifier(folder: Path, *, seed: int = 0) -> Path:
    """A BertForSequenceClassification folder with two labels."""
    return _save(folder, "BertForSequenceClassification", seed)


def _save(folder: Path, kind: str, seed: int) -> Path:
    import torch
    import transformers

    save_tokenizer(folder)
    config = transformers.BertConfig(
        vocab_size=len(WORDS) + 5,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.5,
        id2label=dict(enumerate(LABELS)),
        label2id={label: index for index, label in enumerate(LABELS)},
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        getattr(transformers, kind)(config).save_pretrained(folder)
    return folder
