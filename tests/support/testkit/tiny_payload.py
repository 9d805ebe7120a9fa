"""A real payload with a random two-class model and a rules-only filter: kilobytes, made in a second."""

from __future__ import annotations

import shutil
from pathlib import Path

from components.core.jsonfiles import write_json
from components.packaging.config import PackagingConfig
from components.packaging.payload import build_payload
from components.safety.filter import FilterSettings
from components.safety.training import RULES_DIR

WORDS = ["good", "bad", "the", "film", "was", "好", "坏", "电", "影", "很"]


def write_tiny_classifier(folder: Path, *, seed: int = 0) -> Path:
    """A Hugging Face folder of a BERT-style classifier with 16 dimensions, one layer and random weights."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    vocabulary = {word: index for index, word in enumerate(special + WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), special, strict=True))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **names)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        id2label={0: "negative", 1: "positive"},
        label2id={"negative": 0, "positive": 1},
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    write_json({"temperature": 1.0}, folder / "calibration.json")
    return folder


def write_tiny_payload(folder: Path, *, seed: int = 0, name: str = "tiny") -> Path:
    """A payload folder; different seeds give different weights, hence different digests."""
    work = folder.with_name(f"{folder.name}-parts")
    model = write_tiny_classifier(work / "model", seed=seed)
    shutil.copytree(RULES_DIR, work / "filter" / "rules", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    settings = FilterSettings(
        categories=("hate", "threat"),
        languages=("en", "zh"),
        thresholds={},
        max_characters=10_000,
        refusals={"en": "I can't help with that.", "zh": "抱歉，无法协助。"},
        category_refusals={},
        redact_personal_data=False,
        scrubbing=None,
    )
    write_json(settings.model_dump(mode="json"), work / "filter" / "filter.json")
    folder.mkdir(parents=True)
    config = PackagingConfig(name=name, task="text-classification", languages=("en", "zh"))
    build_payload(model, None, work / "filter", config, out_dir=folder)
    shutil.rmtree(work)
    return folder
