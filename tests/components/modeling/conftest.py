"""A small world and one pretrained model, made once for the whole folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from testkit.tiny_models import Tiny, make_tiny, tiny_pretraining

from components.modeling.pretraining import pretrain


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return make_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def pretrained(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out, work = tmp_path_factory.mktemp("pretrained"), tmp_path_factory.mktemp("work")
    pretrain(tiny.encoded, tiny.tokenizer, tiny_pretraining(), out_dir=out, work_dir=work)
    return out
