"""A tokenizer, an encoded corpus and settings so small that training takes a second."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.modeling.config import ArchitectureConfig, FinetuningConfig, PretrainingConfig
from components.tokenization.config import EncodingConfig, TokenizerConfig
from components.tokenization.encoding import encode_splits
from components.tokenization.training import train_tokenizer
from testkit.tiny_corpus import write_splits


@dataclass(frozen=True)
class Tiny:
    """Folders of the small world that several tests share."""

    splits: Path
    tokenizer: Path
    encoded: Path


def make_tiny(root: Path) -> Tiny:
    """Splits, tokenizer and encoded corpus under ``root``."""
    tiny = Tiny(write_splits(root / "splits"), root / "tokenizer", root / "encoded")
    tiny.tokenizer.mkdir()
    tiny.encoded.mkdir()
    train_tokenizer(tiny.splits, TokenizerConfig(vocabulary_size=300, max_tokens=64), out_dir=tiny.tokenizer)
    encode_splits(tiny.splits, tiny.tokenizer, EncodingConfig(), out_dir=tiny.encoded)
    return tiny


def tiny_pretraining(**changes: object) -> PretrainingConfig:
    """Twelve steps of one narrow layer."""
    shape = ArchitectureConfig(layers=1, hidden=32, heads=2, intermediate=64, max_tokens=64)
    values = {"architecture": shape, "tokens_per_batch": 512, "max_steps": 12, "learning_rate": 3e-3, "threads": 1}
    return PretrainingConfig.model_validate({**values, "log_every_steps": 5, "checkpoint_every_steps": 4, **changes})


def tiny_finetuning(**changes: object) -> FinetuningConfig:
    """Few epochs at a rate that suits a narrow model."""
    values = {"epochs": 3, "batch_size": 16, "max_tokens": 64, "learning_rate": 3e-3, "threads": 1}
    return FinetuningConfig.model_validate({**values, "log_every_steps": 5, **changes})
