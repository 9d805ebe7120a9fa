from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

from testkit.harm_lines import write_harm_lines
from testkit.tiny_classifier import write_tiny_classifier

from components.packaging.config import PackagingConfig
from components.packaging.payload import build_payload
from components.safety.config import SafetyConfig
from components.safety.training import train_filter
from components.scrubbing.config import ScrubbingConfig

CONFIG = PackagingConfig(name="demo", task="text-classification", languages=("en", "zh"), max_texts_per_request=4)


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model folder and a filter folder."""
    root = tmp_path_factory.mktemp("parts")
    config = SafetyConfig(
        seed=1,
        languages=("en", "zh"),
        categories=("hate", "threat"),
        block_threshold=0.5,
        target_false_positive_rate=0.01,
        refusals={"en": "I cannot help with that.", "zh": "我无法提供帮助。"},
        redact_personal_data=True,
        scrubbing=ScrubbingConfig(languages=("en", "zh"), labels=("EMAIL_ADDRESS",), policy="redact", min_score=0.5),
    )
    (root / "filter").mkdir()
    train_filter(write_harm_lines(root / "harmful.jsonl"), config, out_dir=root / "filter")
    return write_tiny_classifier(root / "model"), root / "filter"


@pytest.fixture(scope="session")
def payload(parts: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A payload; a test that changes it copies it first."""
    out = tmp_path_factory.mktemp("packaged") / "payload"
    out.mkdir()
    build_payload(parts[0], None, parts[1], CONFIG, out_dir=out)
    return out
