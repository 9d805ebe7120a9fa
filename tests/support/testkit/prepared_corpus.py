"""A small corpus taken through every data stage for real, in a store of its own."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.cleaning.clean import clean_corpus
from components.cleaning.config import CleaningConfig, SplitConfig
from components.cleaning.split import split_corpus
from components.core.artefacts import (
    Artefact,
    CleanCorpus,
    DriftReport,
    RawCorpus,
    ScrubbedCorpus,
    Splits,
    ValidationReport,
)
from components.core.config import StageConfig
from components.core.store import ArtefactStore
from components.documentation.config import DocumentationConfig, StageConfigs
from components.ingestion.config import IngestionConfig
from components.ingestion.ingest import ingest_corpus, source_fingerprint
from components.scrubbing.config import ScrubbingConfig
from components.scrubbing.scrub import scrub_corpus
from components.validation import DriftConfig, ValidationConfig
from components.validation.drift import measure_drift
from components.validation.suite import validate_corpus

SECRETS = ("ann.lee", "13812345678", "4111 1111 1111 1111")
_WORDS = {
    "en": ["the", "kettle", "lamp", "radio", "box", "works", "well", "today", "with", "new", "blue", "shop", "price",
           "old", "good", "bad"],
    "zh": list("今天水壶台灯收音机盒子颜色价格商店很好用坏旧新蓝红绿大小"),
}  # fmt: skip
_NEAR = {"threshold": 0.8}
_CLEANING = {
    "languages": ["en", "zh"],
    "normalise": "full",
    "length": {"min_characters": 10, "max_characters": 5000},
    "language": None,
    "quality": None,
    "exact_duplicates": "drop",
    "near_duplicates": _NEAR,
}
_SPLITTING = {
    "fractions": {"train": 0.6, "dev": 0.1, "test": 0.2, "holdout": 0.1},
    "unit": "document",
    "group_near_duplicates": _NEAR,
    "respect_given_splits": False,
}
_VALIDATION = {
    "min_rows": 20,
    "max_null_share": 0.0,
    "min_characters": 5,
    "max_characters": 5000,
    "max_length_outlier_share": 0.0,
    "min_language_share": {"en": 0.2, "zh": 0.2},
    "max_wrong_language_share": 0.2,
    "max_duplicate_share": 0.0,
    "max_residual_personal_data_share": 0.0,
}
_DRIFT = {
    "min_rows": 30,
    "max_length_distance": 1.0,
    "max_language_distance": 0.2,
    "max_label_distance": 0.2,
    "max_topic_distance": 0.6,
    "max_vocabulary_distance": 0.6,
    "max_new_word_share": 0.3,
}


@dataclass(frozen=True)
class Prepared:
    """Artefacts by role, their folders and the settings behind them."""

    artefacts: dict[str, Artefact]
    folders: dict[str, Path]
    configs: StageConfigs


def write_source(path: Path, *, n: int = 240, seed: int = 1) -> Path:
    """Labelled records in both languages: two of them copies, one blank, some with personal data in them."""
    rng = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for i in range(n):
        lang = "zh" if i % 2 else "en"
        words = _WORDS[lang]
        text = (" " if lang == "en" else "").join(rng.choice(words) for _ in range(rng.randint(14, 30)))
        if i % 8 == 0:
            text += f" mail {SECRETS[0]}{i}@example.com"
        if i % 8 == 1:
            text += f"电话{SECRETS[1]}。"
        row = {"id": f"{i:03d}", "text": text, "lang": lang, "label": rng.choice(["good", "bad"])}
        rows.append(row | {"group": rng.choice(["female", "male"])})
    rows += [rows[4] | {"id": "copy-1"}, rows[5] | {"id": "copy-2"}, {"id": "blank", "text": "  ", "lang": "en"}]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def prepare_corpus(
    root: Path, source: Path, *, skip: tuple[str, ...] = (), documentation: Mapping[str, Any] | None = None
) -> Prepared:
    """Ingest, scrub, clean, split, validate and compare; ``skip`` as a candidate's."""
    store = ArtefactStore(root)
    ingestion = IngestionConfig(
        purpose="finetuning", sources=(str(source),), languages=("en", "zh"), max_quarantined_share=0.5
    )
    scrubbing = ScrubbingConfig(
        languages=("en", "zh"), labels=("EMAIL_ADDRESS", "PHONE_NUMBER", "IBAN_CODE"), policy="redact", min_score=0.5
    )
    made: dict[str, Artefact] = {}
    splitting = SplitConfig.model_validate(_SPLITTING)

    def produce(
        role: str, kind: type[Artefact], inputs: list[str], config: StageConfig, build: Any, **more: Any
    ) -> None:
        given = {name: made[name] for name in inputs}
        made[role], _ = store.produce(
            kind, stage=role, inputs=given, config=config, code_version="test",
            build=lambda folders, out, _: build(*(folders[name] for name in inputs), out), **more,
        )  # fmt: skip

    produce("raw", RawCorpus, [], ingestion, lambda out: ingest_corpus(ingestion, key=b"k", out_dir=out),
            outside=source_fingerprint(ingestion), restricted=True)  # fmt: skip
    last = "raw"
    if "scrubbing" not in skip:
        produce("scrubbed", ScrubbedCorpus, [last], scrubbing, lambda i, out: scrub_corpus(i, scrubbing, out_dir=out))
        last = "scrubbed"
    if "cleaning" not in skip:
        cleaning = CleaningConfig.model_validate(_CLEANING)
        produce("cleaned", CleanCorpus, [last], cleaning, lambda i, out: clean_corpus(i, cleaning, out_dir=out))
        last = "cleaned"
    produce("splits", Splits, [last], splitting, lambda i, out: split_corpus(i, splitting, out_dir=out),
            restricted="scrubbing" in skip)  # fmt: skip
    suite = ValidationConfig.model_validate(_VALIDATION)
    produce("quality", ValidationReport, ["splits"], suite,
            lambda i, out: validate_corpus(i / "train", suite, out_dir=out, personal_data=scrubbing))  # fmt: skip
    if last != "raw":
        limits = DriftConfig.model_validate(_DRIFT)
        produce("drift", DriftReport, [last, "raw"], limits,
                lambda now, then, out: measure_drift(now, then, limits, out_dir=out))  # fmt: skip
    declared = DocumentationConfig.model_validate({"name": "reviews", **(documentation or {})})
    folders = {role: store.path(artefact) for role, artefact in made.items()}
    return Prepared(made, folders, StageConfigs(ingestion, scrubbing, splitting, declared))
