"""Private fine-tuning: what is charged, what is claimed, what is refused, and what the files must not say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from testkit.tiny_classifier import write_tiny_classifier
from testkit.tiny_corpus import make_record, write_splits

pytest.importorskip("dp_accounting", reason="needs the extra `privacy`")
pytest.importorskip("opacus", reason="needs the extra `privacy`")

from components.core.corpus import write_records
from components.core.errors import ConfigError, ContractError
from components.core.jsonfiles import read_json, read_jsonl
from components.modeling.config import FinetuningConfig
from components.modeling.finetuning import finetune
from components.modeling.private_training import PrivateBatches
from components.privacy.accounting import Mechanism, compose
from components.privacy.claim import PrivacyClaim
from components.privacy.config import PrivacyConfig
from components.privacy.ledger import LedgerPlace, open_ledger
from components.privacy.mechanism import draw_units, micro_batches, release_gradients


def settings(*, training: dict[str, Any] | None = None, **privacy: Any) -> FinetuningConfig:
    private = {
        "scope": "people", "unit": "example", "epsilon": 8.0, "delta": 1e-4, "lifetime_epsilon": 9.0,
        "expected_units": 20, "charge_steps": 4, "micro_batch_rows": 8,
    }  # fmt: skip
    values = {"epochs": 1, "max_tokens": 32, "threads": 1, "balance_classes": False, "log_every_steps": 2}
    return FinetuningConfig.model_validate(values | (training or {}) | {"privacy": private | privacy})


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_classifier(tmp_path_factory.mktemp("model"))


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    return write_splits(tmp_path / "splits", {"train": 100, "dev": 20})


def place(home: Path) -> LedgerPlace:
    return LedgerPlace(home / "ledger" / "ledger.jsonl", home / "keys" / "ledger.head", "uid 1", "one finetune")


def train(model: Path, splits: Path, home: Path, config: FinetuningConfig, **rest: Any) -> Path:
    out = home / "out"
    out.mkdir(exist_ok=True)
    finetune(model, splits, config, out_dir=out, work_dir=home / "work", ledger=place(home), **rest)
    return out


def charged(home: Path) -> int:
    return sum(record.steps for record in open_ledger(place(home)).trusted_records())


@pytest.mark.parametrize("clipping", ["bookkeeping", "hooks"])
def test_charges_claims_and_says_no_more_than_it_may(model: Path, splits: Path, tmp_path: Path, clipping: str) -> None:
    out = train(model, splits, tmp_path, settings(clipping=clipping))
    claim = PrivacyClaim.model_validate(read_json(out / "privacy.json"))
    assert (claim.steps, claim.units, claim.sampling_rate) == (5, 100, 0.2)
    assert charged(tmp_path) == 5
    assert claim.epsilon == compose([Mechanism(0.2, claim.noise_multiplier, 5)], 1e-4).epsilon == claim.epsilon_charged
    assert 7.9 < claim.epsilon <= 8.0
    assert abs(claim.epsilon_second_opinion - claim.epsilon) < 0.02 + 0.01 * claim.epsilon
    assert any("not audited" in line for line in claim.lines())
    lines = list(read_jsonl(out / "metrics.jsonl"))
    assert {name for line in lines for name in line} == {
        "step", "gradient_norm", "learning_rate", "dev_loss", "dev_accuracy", "dev_macro_f1"
    }  # fmt: skip
    assert read_json(out / "report.json")["train_records"] == {}


class Killed(Exception):  # noqa: N818 - what happens to the process
    pass


def test_steps_taken_again_after_a_kill_are_charged_again(model: Path, splits: Path, tmp_path: Path) -> None:
    config = settings(training={"epochs": 2}, lifetime_epsilon=20.0)

    def die(done: int, *_: Any) -> None:
        if done == 7:
            raise Killed

    with pytest.raises(Killed):
        train(model, splits, tmp_path, config, on_progress=die)
    assert charged(tmp_path) == 8  # two charges of four
    out = train(model, splits, tmp_path, config)
    assert charged(tmp_path) == 8 + 5  # it went on from the checkpoint after the first epoch, step 5 of 10
    claim = PrivacyClaim.model_validate(read_json(out / "privacy.json"))
    assert claim.steps == 10
    assert claim.epsilon_charged == compose([Mechanism(0.2, claim.noise_multiplier, 13)], 1e-4).epsilon > claim.epsilon


def test_it_stops_before_the_step_that_the_budget_does_not_hold(model: Path, splits: Path, tmp_path: Path) -> None:
    """A second training on the same people is not begun; nothing of it is on the disk or in the ledger."""
    train(model, splits, tmp_path, settings())
    second = tmp_path / "second"
    second.mkdir()
    taken: list[int] = []
    with pytest.raises(ConfigError, match=r"lifetime_epsilon: this training does not start.* 9\.0 for scope people"):
        finetune(
            model, splits, settings(), out_dir=second, work_dir=tmp_path / "w2", ledger=place(tmp_path),
            on_progress=lambda done, *_: taken.append(done),
        )  # fmt: skip
    assert charged(tmp_path) == 5
    assert not taken


def test_users_are_drawn_whole(model: Path, tmp_path: Path) -> None:
    records = [make_record(index) | {"user": f"u{index % 30}"} for index in range(100)]
    splits = write_splits(tmp_path / "splits", {"dev": 20})
    write_records(records, splits / "train")
    config = settings(unit="user", max_rows_per_unit=3, expected_units=10, delta=1e-3)
    claim = PrivacyClaim.model_validate(read_json(train(model, splits, tmp_path, config) / "privacy.json"))
    assert (claim.units, claim.steps, claim.unit) == (30, 3, "user")


@pytest.mark.parametrize(
    "case",
    [
        ({}, {"unit": "user"}, ContractError, "100 of 100 records have no field user"),
        ({"weight": 2.0}, {}, ContractError, "100 of 100 records have a weight"),
        ({}, {"delta": 0.01}, ConfigError, "privacy.delta .* not below 1/100"),
        ({}, {"expected_units": 101}, ConfigError, "expected_units .101. is above the 100 units"),
    ],
)
def test_data_that_does_not_fit_is_refused(
    model: Path, tmp_path: Path, case: tuple[dict[str, Any], dict[str, Any], type[Exception], str]
) -> None:
    change, privacy, error, says = case
    splits = write_splits(tmp_path / "splits", {"dev": 20})
    write_records([make_record(index) | change for index in range(100)], splits / "train")
    with pytest.raises(error, match=says):
        train(model, splits, tmp_path, settings(**privacy))
    assert not place(tmp_path).path.exists()


def test_privacy_without_a_ledger_or_with_class_weights_is_refused(model: Path, splits: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no ledger"):
        finetune(model, splits, settings(), out_dir=tmp_path, work_dir=tmp_path / "work")
    with pytest.raises(ValidationError, match="balance_classes and privacy"):
        settings(training={"balance_classes": True})


def test_every_unit_is_drawn_by_itself() -> None:
    """500 draws of 40 units at rate 0.1: counts and pairs against the binomial, five standard deviations wide."""
    generator = np.random.default_rng(1)
    draws = [set(draw_units(40, 0.1, generator).tolist()) for _ in range(500)]
    single = Counter(unit for draw in draws for unit in draw)
    assert max(abs(single[unit] - 50) for unit in range(40)) < 5 * (500 * 0.1 * 0.9) ** 0.5
    sizes = np.array([len(draw) for draw in draws])
    assert abs(sizes.mean() - 4) < 5 * (40 * 0.1 * 0.9 / 500) ** 0.5
    assert 0.8 < sizes.var() / (40 * 0.1 * 0.9) < 1.2
    assert sizes.min() == 0


def test_micro_batches_hold_every_row_of_the_drawn_units_once() -> None:
    rows_of_unit = [[0, 1], [2], [3, 4], [5, 6], [7, 8, 9]]
    found = micro_batches([0, 1, 3, 4, 2], rows_of_unit, 4)
    assert found == [([2], 1), ([0, 1, 5, 6], 2), ([3, 4], 2), ([7, 8, 9], 3)]
    assert micro_batches([], rows_of_unit, 4) == []


def test_empty_draws_are_steps_too(model: Path, splits: Path, tmp_path: Path) -> None:
    """One unit expected of 100: more than a third of the steps draw nobody, and the noise alone is applied."""
    out = train(model, splits, tmp_path, settings(expected_units=1, training={"max_steps": 12}))
    assert read_json(out / "privacy.json")["steps"] == 12
    batches = PrivateBatches([[1]] * 9, np.zeros(9, dtype=np.int64), [[0]], pad_id=0, sampling_rate=0.0,
                             micro_batch_rows=2)  # fmt: skip
    assert batches.parts(0) == []


def test_noise_and_divisor_are_constants() -> None:
    weight = torch.nn.Parameter(torch.zeros(200, 200))
    generator = torch.Generator().manual_seed(5)
    for total in (torch.zeros(200, 200), torch.full((200, 200), 3.0)):
        release_gradients({weight: total}, clip_norm=0.5, noise_multiplier=2.0, expected_units=10, generator=generator)
        assert weight.grad is not None
        noise = weight.grad - total / 10
        assert float(noise.std()) == pytest.approx(2.0 * 0.5 / 10, rel=0.02)
        assert abs(float(noise.mean())) < 5 * 0.1 / 200


def test_the_config_names_its_scope_unit_and_budget() -> None:
    """Decisions have no default."""
    required = {name for name, field in PrivacyConfig.model_fields.items() if field.is_required()}
    assert required == {"scope", "unit", "epsilon", "delta", "lifetime_epsilon", "expected_units"}


def wide_model(folder: Path) -> Path:
    """A BERT with so many words that every canary has words of its own: what memorises best."""
    import transformers

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(3000))]
    tokenizer = transformers.BertTokenizerFast(vocab={word: index for index, word in enumerate(words)})
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        config = transformers.BertConfig(vocab_size=len(words), max_position_embeddings=16, num_labels=2, **shape)
        transformers.BertForSequenceClassification(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("noise", [True, False], ids=["private", "twin without noise"])
def test_an_audit_catches_the_twin_without_noise_and_clears_the_private_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise: bool
) -> None:
    """Positive control: the same claim and the same code, less the noise."""
    if not noise:
        monkeypatch.setattr(
            "components.modeling.private_training.release_gradients",
            lambda sums, **values: release_gradients(sums, **(values | {"noise_multiplier": 0.0})),
        )
    splits = write_splits(tmp_path / "splits", {"train": 60, "dev": 10})
    config = settings(
        epsilon=0.5, lifetime_epsilon=0.5, delta=1e-5, expected_units=60, micro_batch_rows=64, audit_canaries=300,
        training={"epochs": 10, "learning_rate": 2e-2, "max_tokens": 16, "layerwise_decay": 1.0, "dropout": 0.0},
    )  # fmt: skip
    out = train(wide_model(tmp_path / "model"), splits, tmp_path, config)
    claim = PrivacyClaim.model_validate(read_json(out / "privacy.json"))
    assert claim.audit is not None
    assert (claim.units, claim.audit.canaries, claim.audit.guesses) == (60, 300, 300)
    assert claim.refuted == (not noise)
    assert any(f"audited lower bound of epsilon (95 %): {claim.audit.epsilon:.3f}" in line for line in claim.lines())
