"""Fine-tuning: learns in a second, respects weights, repeats, resumes, refuses bad labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score, log_loss
from testkit.tiny_corpus import write_splits
from testkit.tiny_models import Tiny, tiny_finetuning

from components.core.corpus import read_records, write_records
from components.core.errors import ContractError
from components.core.hashing import digest_files
from components.core.jsonfiles import read_json, read_jsonl
from components.modeling.config import FinetuningConfig
from components.modeling.dev_evaluation import fit_temperature, negative_log_likelihood, score
from components.modeling.finetuning import FinetuningModule, class_weights, finetune
from components.modeling.inference import TextClassifier
from components.modeling.loading import quiet_transformers
from components.modeling.training_loop import LoopSettings


def run(model: Path, splits: Path, out: Path, work: Path, config: FinetuningConfig, **rest: Any) -> Path:
    out.mkdir(exist_ok=True)
    finetune(model, splits, config, out_dir=out, work_dir=work, **rest)
    return out


@pytest.fixture(scope="module")
def finetuned(tiny: Tiny, pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out, work = tmp_path_factory.mktemp("finetuned"), tmp_path_factory.mktemp("work")
    return run(pretrained, tiny.splits, out, work, tiny_finetuning(epochs=8, learning_rate=1e-2))


def test_learns_in_both_languages(tiny: Tiny, finetuned: Path) -> None:
    classifier = TextClassifier(finetuned)
    assert classifier.labels == ("negative", "positive")
    records = list(read_records(tiny.splits / "test"))
    guesses = classifier.predict([record["text"] for record in records]).argmax(1)
    right = np.array([classifier.labels[g] == record["label"] for g, record in zip(guesses, records, strict=True)])
    languages = np.array([record["lang"] for record in records])
    assert right[languages == "en"].mean() > 0.8
    assert right[languages == "zh"].mean() > 0.8


def test_opens_in_plain_transformers_with_equal_probabilities(tiny: Tiny, finetuned: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    texts = [record["text"] for record in read_records(tiny.splits / "test")]
    classifier = TextClassifier(finetuned, batch_tokens=200)
    model, tokenizer = (
        AutoModelForSequenceClassification.from_pretrained(finetuned),
        AutoTokenizer.from_pretrained(finetuned),
    )
    temperature = read_json(finetuned / "calibration.json")["temperature"]
    expected = []
    for text in texts:
        with torch.no_grad():
            logits = model.eval()(**tokenizer(text, return_tensors="pt")).logits[0].double()
        expected.append(torch.softmax(logits / temperature, -1).numpy())
    assert np.allclose(classifier.predict(texts), expected, atol=1e-5)
    assert model.config.id2label == {0: "negative", 1: "positive"}
    assert classifier.predict([]).shape == (0, 2)


def test_report_against_sklearn(tiny: Tiny, finetuned: Path) -> None:
    records = list(read_records(tiny.splits / "dev"))
    classifier = TextClassifier(finetuned)
    probabilities = classifier.predict([record["text"] for record in records])
    truth = [classifier.labels.index(record["label"]) for record in records]
    dev = read_json(finetuned / "report.json")["dev"]
    assert abs(dev["accuracy"] - accuracy_score(truth, probabilities.argmax(1))) < 1e-6
    assert abs(dev["macro_f1"] - f1_score(truth, probabilities.argmax(1), average="macro")) < 1e-6
    assert abs(dev["calibrated_loss"] - log_loss(truth, probabilities)) < 1e-4
    assert dev["calibrated_loss"] <= dev["loss"] + 0.02  # smoothed targets: not the least loss on these very records


def test_two_runs_same_bytes(tiny: Tiny, pretrained: Path, tmp_path: Path) -> None:
    config = tiny_finetuning(epochs=2)
    one = run(pretrained, tiny.splits, tmp_path / "a", tmp_path / "w1", config)
    two = run(pretrained, tiny.splits, tmp_path / "b", tmp_path / "w2", config)
    assert digest_files(one) == digest_files(two)


def kill_at(step: int) -> Callable[..., None]:
    def on_progress(done: int, *_: Any) -> None:
        if done == step:
            raise KeyboardInterrupt

    return on_progress


def test_interrupted_run_resumes_to_the_same_bytes(tiny: Tiny, pretrained: Path, tmp_path: Path) -> None:
    config = tiny_finetuning(epochs=2)
    whole = run(pretrained, tiny.splits, tmp_path / "a", tmp_path / "w1", config)
    with pytest.raises(KeyboardInterrupt):
        run(pretrained, tiny.splits, tmp_path / "torn", tmp_path / "w2", config, on_progress=kill_at(17))
    done: list[int] = []
    resumed = run(
        pretrained, tiny.splits, tmp_path / "b", tmp_path / "w2", config, on_progress=lambda step, *_: done.append(step)
    )
    assert done[0] == 14  # 200 records by 16 are 13 steps an epoch
    assert digest_files(resumed) == digest_files(whole)


def test_early_stop_keeps_the_best_epoch(tiny: Tiny, pretrained: Path, tmp_path: Path) -> None:
    config = tiny_finetuning(epochs=30, learning_rate=2e-2, patience_epochs=1, dropout=0.0)
    out = run(pretrained, tiny.splits, tmp_path / "a", tmp_path / "w", config)
    report = read_json(out / "report.json")
    losses = [row["dev_loss"] for row in read_jsonl(out / "metrics.jsonl") if "dev_loss" in row]
    assert len(losses) < 30
    assert report["best_epoch"] == int(np.argmin(losses)) + 1 == len(losses) - 1
    assert report["dev"]["loss"] == pytest.approx(min(losses), abs=1e-4)


def test_weights_are_the_gradient(pretrained: Path) -> None:
    """A record of weight 2 counts as two records, one of weight 0 as none."""
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(0)
    model = AutoModelForSequenceClassification.from_pretrained(pretrained, num_labels=2).eval()
    module = FinetuningModule(model, tiny_finetuning(), LoopSettings(1, 1.0, "fp32", 1, 1, 0, {}))
    rows = torch.tensor([[2, 40, 41, 3], [2, 50, 51, 3], [2, 60, 61, 3]])

    def loss(index: list[int], weights: list[float]) -> float:
        batch = {
            "input_ids_BT": rows[index],
            "attention_mask_BT": torch.ones_like(rows[index]),
            "labels_B": torch.tensor([0, 1, 1])[index],
            "weights_B": torch.tensor(weights),
        }
        return module.losses(batch)["loss"].item() * len(index)

    assert loss([0, 1, 2], [2.0, 1.0, 0.0]) == pytest.approx(loss([0, 0, 1], [1.0, 1.0, 1.0]), abs=1e-5)


def test_record_weights_decide_what_is_learned(tiny: Tiny, pretrained: Path, tmp_path: Path) -> None:
    """Half of the records carry the opposite label at weight 0: the model must not follow them."""
    flip = {"positive": "negative", "negative": "positive"}
    records = list(read_records(tiny.splits / "train"))
    wrong = [{**r, "id": r["id"] + "w", "label": flip[r["label"]], "weight": 0.0} for r in records]
    write_records([*records, *wrong], tmp_path / "splits" / "train")
    write_records(read_records(tiny.splits / "dev"), tmp_path / "splits" / "dev")
    out = run(
        pretrained, tmp_path / "splits", tmp_path / "a", tmp_path / "w", tiny_finetuning(epochs=8, learning_rate=1e-2)
    )
    assert read_json(out / "report.json")["dev"]["accuracy"] > 0.8


def test_class_weights_by_hand() -> None:
    labels, weights = np.array([0, 0, 0, 1]), np.array([1.0, 1.0, 1.0, 1.0], dtype=np.float32)
    assert class_weights(labels, weights, 2).tolist() == pytest.approx([4 / 6, 2.0])
    assert class_weights(labels, weights, 3).tolist() == pytest.approx([4 / 9, 4 / 3, 0.0])


def test_missing_and_unknown_labels_are_counted(tiny: Tiny, pretrained: Path, tmp_path: Path) -> None:
    splits = write_splits(tmp_path / "splits", {"train": 20, "dev": 10, "test": 1, "holdout": 1})
    records = list(read_records(splits / "train"))
    write_records(
        [{k: v for k, v in r.items() if k != "label" or i > 2} for i, r in enumerate(records)], splits / "train"
    )
    with pytest.raises(ContractError, match="3 of 20 records have no label"):
        run(pretrained, splits, tmp_path / "a", tmp_path / "w", tiny_finetuning())
    write_records(records, splits / "train")
    write_records([{**r, "label": "mixed"} for r in read_records(splits / "dev")], splits / "dev")
    with pytest.raises(ContractError, match="10 of 10 records have no label or one train lacks"):
        run(pretrained, splits, tmp_path / "a", tmp_path / "w", tiny_finetuning())
    write_records([{**r, "label": "same"} for r in records], splits / "train")
    with pytest.raises(ContractError, match="1 different labels"):
        run(pretrained, splits, tmp_path / "a", tmp_path / "w", tiny_finetuning())


def test_bad_weights_are_refused(tiny: Tiny, pretrained: Path, tmp_path: Path) -> None:
    splits = write_splits(tmp_path / "splits", {"train": 20, "dev": 10, "test": 1, "holdout": 1})
    write_records([{**r, "weight": -1.0} for r in read_records(splits / "train")], splits / "train")
    with pytest.raises(ContractError, match="weights must be finite"):
        run(pretrained, splits, tmp_path / "a", tmp_path / "w", tiny_finetuning())


def test_accepts_any_local_bert_style_checkpoint(tiny: Tiny, tmp_path: Path) -> None:
    from transformers import AutoTokenizer, DistilBertConfig, DistilBertForMaskedLM

    tokenizer = AutoTokenizer.from_pretrained(tiny.tokenizer)
    config = DistilBertConfig(vocab_size=len(tokenizer), dim=32, n_layers=1, n_heads=2, hidden_dim=64, pad_token_id=0)
    with quiet_transformers():
        DistilBertForMaskedLM(config).save_pretrained(tmp_path / "checkpoint")
    tokenizer.save_pretrained(tmp_path / "checkpoint")
    out = run(tmp_path / "checkpoint", tiny.splits, tmp_path / "a", tmp_path / "w", tiny_finetuning(epochs=1))
    assert TextClassifier(out).predict(["The nurse bought a lamp."]).sum() == pytest.approx(1.0)


def test_temperature_recovers_a_known_one() -> None:
    generator = np.random.default_rng(0)
    true_logits = generator.normal(size=(20_000, 3)) * 2
    draws = np.array(
        [generator.choice(3, p=p) for p in np.exp(true_logits) / np.exp(true_logits).sum(1, keepdims=True)]
    )
    assert fit_temperature(true_logits * 2.5, draws) == pytest.approx(2.5, rel=0.05)
    assert fit_temperature(true_logits, draws) == pytest.approx(1.0, rel=0.05)


def test_temperature_stays_modest_without_an_error() -> None:
    """Fifty records without an error vouch for about 98 %, not for certainty."""
    logits = np.array([[0.3, -0.3]] * 25 + [[-0.3, 0.3]] * 25)
    temperature = fit_temperature(logits, np.array([0] * 25 + [1] * 25))
    confidence = 1 / (1 + np.exp(-0.6 / temperature))
    assert confidence == pytest.approx(51 / 52, abs=1e-3)


def test_scores_against_sklearn() -> None:
    generator = np.random.default_rng(1)
    logits, labels = generator.normal(size=(200, 4)), generator.integers(0, 4, size=200)
    found = score(logits, labels, 2.0)
    guesses = logits.argmax(1)
    assert found.accuracy == pytest.approx(accuracy_score(labels, guesses), abs=1e-6)
    assert found.macro_f1 == pytest.approx(f1_score(labels, guesses, average="macro"), abs=1e-6)
    probabilities = np.exp(logits / 2) / np.exp(logits / 2).sum(1, keepdims=True)
    assert negative_log_likelihood(logits, labels, 2.0) == pytest.approx(log_loss(labels, probabilities), abs=1e-9)


def test_nothing_reaches_the_terminal(
    tiny: Tiny, pretrained: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run(pretrained, tiny.splits, tmp_path / "a", tmp_path / "w", tiny_finetuning(epochs=1))
    assert capfd.readouterr() == ("", "")
