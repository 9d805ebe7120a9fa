"""Private pretraining: whose rows are drawn, whose targets they hold, what is charged and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from testkit.tiny_models import Tiny, tiny_pretraining

pytest.importorskip("dp_accounting", reason="needs the extra `privacy`")

from components.core.errors import ConfigError
from components.core.jsonfiles import read_json, read_jsonl
from components.modeling.config import PretrainingConfig
from components.modeling.corpus import load_split
from components.modeling.loading import load_tokenizer
from components.modeling.networks import make_network
from components.modeling.pretraining import PretrainingModule, loop_settings, pretrain
from components.modeling.private_pretraining import NO_TARGET, PrivatePretrainingBatches
from components.modeling.step_data import to_tensors
from components.modeling.vocabulary import VocabularyIds
from components.privacy.clipping import make_clipper
from components.privacy.ledger import LedgerPlace, open_ledger

LAYOUTS = [("bert", "mlm"), ("modern", "mlm"), ("llama", "clm")]


def settings(layout: str = "bert", objective: str = "mlm", **changes: Any) -> PretrainingConfig:
    shape = {"layout": layout, "layers": 1, "hidden": 32, "heads": 2, "intermediate": 64, "max_tokens": 64}
    privacy = {
        "scope": "people", "unit": "document", "max_rows_per_unit": 2, "epsilon": 8.0, "delta": 1e-4,
        "lifetime_epsilon": 8.0, "expected_units": 20, "micro_batch_rows": 8,
    }  # fmt: skip
    values: dict[str, Any] = {"architecture": shape, "objective": objective, "privacy": privacy, "max_steps": 3}
    return tiny_pretraining(**(values | changes))


def batches_of(tiny: Tiny, config: PretrainingConfig) -> tuple[PrivatePretrainingBatches, VocabularyIds]:
    assert config.privacy is not None
    vocabulary = VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    split = load_split(tiny.encoded, "train")
    made = PrivatePretrainingBatches(
        split, vocabulary, config, config.privacy, max_tokens=64, generator=np.random.default_rng(2)
    )
    return made, vocabulary


@pytest.mark.parametrize(("layout", "objective"), LAYOUTS)
def test_norms_of_documents_are_those_of_autograd(tiny: Tiny, layout: str, objective: str) -> None:
    """One document at a time through plain autograd, against both ways of clipping."""
    config = settings(layout, objective)
    batches, vocabulary = batches_of(tiny, config)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = make_network(config, vocabulary).train()
    module = PretrainingModule(network, config, loop_settings(config, 1, "test"))
    part = max((to_tensors(made) for made in batches.parts(0)), key=lambda one: len(one["input_ids_BT"]))
    size, rows = int(part["rows_per_unit"]), len(part["input_ids_BT"])
    norms = []
    for start in range(0, rows, size):
        network.zero_grad()
        one = {name: value[start : start + size] if value.ndim else value for name, value in part.items()}
        module.row_losses(one).mean().backward()
        found = [parameter.grad.flatten().double() for parameter in network.parameters() if parameter.grad is not None]
        norms.append(float(torch.cat(found).norm()))
    network.zero_grad(set_to_none=True)
    for mode in ("bookkeeping", "hooks"):
        clipper = make_clipper(mode, network, 1.0)
        with clipper.watching(rows // size):
            clipper.add(module.row_losses(part).reshape(rows // size, size).mean(1))
        assert clipper.norms_U.tolist() == pytest.approx(norms, rel=1e-5), mode


def test_rows_hold_one_document_and_its_targets(tiny: Tiny) -> None:
    config = settings(objective="clm", layout="llama")
    batches, vocabulary = batches_of(tiny, config)
    assert batches.units == load_split(tiny.encoded, "train").documents
    assert max(len(rows) for rows in batches.rows_of_unit) <= 2
    taken = [row for rows in batches.rows_of_unit for row in rows]
    assert len(set(taken)) == len(taken)
    for part in batches.parts(0):
        for ids, mask, columns, targets in zip(
            part.input_ids_BT, part.attention_mask_BT, part.columns_BK, part.targets_BK, strict=True
        ):
            real = targets != NO_TARGET
            assert real.sum() == mask.sum() - 1
            assert (ids[columns[real] + 1] == targets[real]).all()
            assert ids[0] == vocabulary.cls


def test_masked_targets_are_the_words_that_stood_there(tiny: Tiny) -> None:
    batches, vocabulary = batches_of(tiny, settings())
    part = batches.parts(0)[0]
    real = part.targets_BK != NO_TARGET
    assert real.any(1).all()
    masked = np.take_along_axis(part.input_ids_BT, part.columns_BK, 1)[real]
    assert 0.5 < (masked == vocabulary.mask).mean() <= 1
    assert not np.isin(part.targets_BK[real], vocabulary.special).any()


def test_a_private_pretraining_is_charged_and_says_so(tiny: Tiny, tmp_path: Path) -> None:
    place = LedgerPlace(tmp_path / "ledger.jsonl", tmp_path / "ledger.head", "uid 1", "one pretrain")
    out = tmp_path / "out"
    out.mkdir()
    pretrain(tiny.encoded, tiny.tokenizer, settings(), out_dir=out, work_dir=tmp_path / "work", ledger=place)
    claim = read_json(out / "privacy.json")
    assert (claim["steps"], claim["unit"], claim["units"]) == (3, "document", 200)
    assert sum(record.steps for record in open_ledger(place).trusted_records()) == 3
    assert not any("loss" in name for line in read_jsonl(out / "metrics.jsonl") for name in line)
    with pytest.raises(ConfigError, match="no ledger"):
        pretrain(tiny.encoded, tiny.tokenizer, settings(), out_dir=out, work_dir=tmp_path / "other")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"objective": "mlm+nsp"}, "pairs put a document"),
        ({"packing": True}, "a packed row is several documents"),
        ({"devices": 2}, "one process"),
    ],
)
def test_what_breaks_the_unit_is_refused_when_the_config_is_loaded(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        settings(**changes)


def test_users_of_encoded_text_are_unknown() -> None:
    privacy = settings().privacy
    assert privacy is not None
    with pytest.raises(ValidationError, match="kept by document"):
        settings(privacy=privacy.model_dump() | {"unit": "user"})
