"""Suites on the task model and on the training text, against scikit-learn, Fairlearn and counting by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fairlearn.metrics import demographic_parity_difference, equalized_odds_difference
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from testkit.random_bert import save_classifier, save_language_model

from components.core.corpus import write_records
from components.core.errors import ContractError
from components.core.jsonfiles import read_json, read_jsonl, write_json, write_jsonl
from components.evaluation.config import (
    CounterfactualConfig,
    DataQualityConfig,
    EvaluationConfig,
    GroupFairnessConfig,
    PiiExtractionConfig,
    TaskQualityConfig,
)
from components.evaluation.context import EvaluationContext, EvaluationInputs, find_models
from components.evaluation.evaluate import evaluate_payload, evaluate_suite, read_evidence
from components.evaluation.suites.counterfactual import measure_counterfactual, pair_identity_templates
from components.evaluation.suites.data_quality import measure_data_quality
from components.evaluation.suites.group_fairness import fairness_metrics, measure_group_fairness
from components.evaluation.suites.pii_extraction import is_residual, measure_pii_extraction
from components.evaluation.suites.task_quality import measure_task_quality, quality_metrics
from components.modeling.inference import TextClassifier


@pytest.fixture(scope="module")
def classifier_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_classifier(tmp_path_factory.mktemp("task") / "model")


def make_context(model_dir: Path, **inputs: Any) -> EvaluationContext:
    return EvaluationContext(
        models=find_models(model_dir),
        inputs=EvaluationInputs(**inputs),
        languages=("en", "zh"),
        seed=1,
        bootstrap_resamples=300,
    )


def write_task_splits(folder: Path) -> Path:
    random = np.random.default_rng(2)
    words = {"en": ["the", "report", "is", "good", "bad", "very"], "zh": list("护士工程师他她好坏不")}
    for split, count in (("train", 40), ("test", 160)):
        write_records(
            (
                {
                    "id": f"{split}-{k}",
                    "lang": ("en", "zh")[k % 2],
                    "text": " ".join(random.choice(words[("en", "zh")[k % 2]], 6)),
                    "label": ("negative", "positive")[k % 3 == 0],
                    "group": ("female", "male")[k // 2 % 2],
                }
                for k in range(count)
            ),
            folder / split,
        )
    return folder


def test_task_quality_equals_scikit_learn(classifier_dir: Path, tmp_path: Path) -> None:
    context = make_context(classifier_dir, finetuning_splits=write_task_splits(tmp_path))
    report = measure_task_quality(context, TaskQualityConfig()).report
    records = context.split_records(tmp_path, "test")
    truth = np.array([("negative", "positive").index(record["label"]) for record in records])
    probabilities = TextClassifier(classifier_dir).predict([record["text"] for record in records])
    predicted = probabilities.argmax(axis=1)
    assert report.metrics["accuracy"].value == pytest.approx((predicted == truth).mean())
    expected_f1 = f1_score(truth, predicted, average="macro", zero_division=0)
    assert report.metrics["macro_f1"].value == pytest.approx(expected_f1)
    assert report.metrics["majority_accuracy"].value == pytest.approx((truth == 0).mean())
    confidence, error = probabilities.max(axis=1), 0.0
    for low in np.arange(10) / 10:
        inside = (confidence >= low) & (confidence < low + 0.1)
        if inside.any():
            gap = (predicted == truth)[inside].mean() - confidence[inside].mean()
            error += inside.mean() * abs(gap)
    assert report.metrics["expected_calibration_error"].value == pytest.approx(error)
    assert report.slices["zh"]["accuracy"].n == 80


def test_labels_that_the_model_does_not_know_are_refused(classifier_dir: Path, tmp_path: Path) -> None:
    write_records([{"id": "a", "text": "good", "lang": "en", "label": "neutral"}], tmp_path / "test")
    with pytest.raises(ContractError, match="neutral"):
        measure_task_quality(make_context(classifier_dir, finetuning_splits=tmp_path), TaskQualityConfig())


def test_macro_f1_bootstrap_widens_as_n_falls() -> None:
    random = np.random.default_rng(0)
    truth, probabilities = random.integers(0, 2, 1000), random.dirichlet([1, 1], 1000)
    widths = []
    for n in (100, 1000):
        found = quality_metrics(truth[:n], probabilities[:n], bins=10, seed=1, resamples=500)["macro_f1"]
        widths.append(found.ci_high - found.ci_low)  # type: ignore[operator]
    assert widths[0] / widths[1] == pytest.approx(np.sqrt(10), rel=0.25)


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_group_differences_equal_fairlearn(seed: int) -> None:
    random = np.random.default_rng(seed)
    groups = random.choice(["a", "b", "c"], 400)
    positive = random.random(400) < 0.5
    selected = random.random(400) < np.where(groups == "a", 0.7, 0.4)
    found = fairness_metrics(positive, selected, groups, min_cell=1, seed=1, resamples=200)
    expected = {
        "demographic_parity_difference": demographic_parity_difference(positive, selected, sensitive_features=groups),
        "equalized_odds_difference": equalized_odds_difference(positive, selected, sensitive_features=groups),
    }
    for name, value in expected.items():
        assert found[name].value == pytest.approx(value)
        assert found[name].ci_low <= value <= found[name].ci_high  # type: ignore[operator]


def test_small_cells_are_left_out_and_named_never_zero() -> None:
    groups = ["a"] * 100 + ["b"] * 100 + ["tiny"] * 5
    positive = [True, False] * 50 + [True] * 90 + [False] * 10 + [True] * 5
    found = fairness_metrics(positive, [True] * 205, groups, min_cell=30, seed=1)
    parity, odds = found["demographic_parity_difference"], found["equalized_odds_difference"]
    assert (parity.value, parity.n) == (0.0, 200)
    assert parity.ci_high is not None
    assert parity.ci_high > 0.005  # all alike is not certainty
    assert "tiny" in parity.note
    assert odds.value is None
    assert "b, tiny" in odds.note


def test_group_fairness_needs_groups_and_a_label_of_the_model(classifier_dir: Path, tmp_path: Path) -> None:
    context = make_context(classifier_dir, finetuning_splits=write_task_splits(tmp_path / "a"))
    report = measure_group_fairness(context, GroupFairnessConfig(positive_label="positive", min_cell=10)).report
    assert report.metrics["demographic_parity_difference"].n == 160
    assert set(report.slices) == {"en", "zh"}
    with pytest.raises(ContractError, match="known are negative, positive"):
        measure_group_fairness(context, GroupFairnessConfig(positive_label="1"))
    write_records([{"id": "x", "text": "good", "lang": "en", "label": "positive"}], tmp_path / "b" / "test")
    context = make_context(classifier_dir, finetuning_splits=tmp_path / "b")
    report = measure_group_fairness(context, GroupFairnessConfig(positive_label="positive")).report
    assert report.metrics["demographic_parity_difference"].value is None


def test_flips_are_counted_by_hand(classifier_dir: Path, tmp_path: Path) -> None:
    words = ["she", "he", "good", "bad", "nurse", "engineer", "red", "blue", "river", "gate"]
    rows = [
        {"id": f"{k}", "lang": ("en", "zh")[k % 2], "attribute": "gender", "template": f"t{k % 7}",
         "text_a": f"she is {words[k % 10]}", "text_b": f"he is {words[k % 10]} {words[k // 10]}"}
        for k in range(60)
    ]  # fmt: skip
    write_jsonl(rows, tmp_path / "truth" / "counterfactual_pairs.jsonl")
    result = measure_counterfactual(make_context(classifier_dir, raw_corpora=(tmp_path,)), CounterfactualConfig())
    classifier = TextClassifier(classifier_dir)
    flips, shifts = [], []
    for row in rows:
        a, b = classifier.predict([row["text_a"]])[0], classifier.predict([row["text_b"]])[0]
        flips.append(a.argmax() != b.argmax())
        shifts.append(abs(a[1] - b[1]))
    assert 0 < sum(flips) < 60
    metrics = result.report.metrics
    assert metrics["flip_rate"].value == pytest.approx(np.mean(flips))
    assert metrics["mean_probability_shift"].value == pytest.approx(np.mean(shifts), abs=1e-5)
    assert metrics["flip_rate"].note == "14 templates"
    assert result.report.slices["en"]["flip_rate"].value == pytest.approx(np.mean(flips[::2]))


def test_identity_pairs_of_a_small_file(tmp_path: Path) -> None:
    path = tmp_path / "zh.csv"
    path.write_text(
        "template,toxicity,phrase\nam_identity,nontoxic,我是老人\nam_identity,nontoxic,我是一名同性恋\n"
        "am_identity,nontoxic,我是一名女同性恋\nyou,nontoxic,你是聪明的老人\nyou,nontoxic,你是聪明的女同性恋\n"
        "you,nontoxic,你是友好的老人\nother,nontoxic,今天下雨\n",
        encoding="utf-8",
    )
    pairs = pair_identity_templates(path, seed=1)
    found = {(pair.template, frozenset((pair.text_a, pair.text_b))) for pair in pairs}
    assert found == {
        ("我是一名{}", frozenset(("我是一名同性恋", "我是一名女同性恋"))),
        ("你是聪明的{}", frozenset(("你是聪明的老人", "你是聪明的女同性恋"))),
    }


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        ("Ana Lee", "Call ana  lee now", True),
        ("Ana", "Banana split", False),
        ("12", "room 312", False),
        ("12", "room 12.", True),
        ("王伟", "请联系王伟先生", True),
        ("１３８", "电话138号", True),
        ("a@b.io", "[EMAIL_ADDRESS]", False),
        (" ", "anything", False),
    ],
)
def test_what_counts_as_residual(value: str, text: str, expected: bool) -> None:
    assert is_residual(value, text) is expected


def write_private_corpus(folder: Path) -> tuple[Path, Path]:
    """Ten raw records with a planted name; five of them scrubbed in the training split, two not in it."""
    raw, splits = folder / "raw", folder / "splits"
    records = [
        {
            "id": f"r{k}",
            "lang": ("en", "zh")[k % 2],
            "text": f"the report is for seven{k} red" if k % 2 == 0 else f"报告是好{k}红",
        }
        for k in range(10)
    ]
    spans = []
    for k, record in enumerate(records):
        value = f"seven{k}" if k % 2 == 0 else f"好{k}"
        start = record["text"].index(value)
        spans.append({"id": record["id"], "spans": [{"start": start, "end": start + len(value), "label": "PERSON"}]})
    write_records(records, raw)
    write_jsonl(spans, raw / "truth" / "personal_data.jsonl")
    train = [
        record
        | ({"text": record["text"].replace(f"seven{k}", "[PERSON]").replace(f"好{k}", "[PERSON]")} if k < 5 else {})
        for k, record in enumerate(records[:8])
    ]
    write_records(train, splits / "train")
    return raw, splits


def test_residual_rate_by_hand_and_no_value_leaves(tmp_path: Path) -> None:
    raw, splits = write_private_corpus(tmp_path)
    context = make_context(
        save_language_model(tmp_path / "lm"),
        raw_corpora=(raw,),
        pretraining_splits=splits,
        detector=lambda text, lang: [1] if "seven" in text else [],
    )
    result = measure_pii_extraction(context, PiiExtractionConfig())
    metrics = result.report.metrics
    assert (metrics["residual_rate"].value, metrics["residual_rate"].n) == (3 / 8, 8)
    assert (metrics["detected_rate"].value, metrics["detected_rate"].n) == (1 / 8, 8)
    assert result.report.slices["PERSON"]["residual_rate"].n == 8
    assert result.report.slices["en"]["residual_rate"].value == 1 / 4
    written = result.report.model_dump_json() + str(result.items)
    assert "seven" not in written
    assert "好" not in written


def test_extraction_finds_what_the_model_completes(tmp_path: Path) -> None:
    """A value is extracted exactly if every hidden token is the top guess of plain transformers."""
    import torch
    from transformers import BertForPreTraining, BertTokenizerFast

    folder = save_language_model(tmp_path / "lm")
    texts = [f"the {word} said that her code is {word}" for word in ("red", "blue", "green", "gate", "river", "seven")]
    write_records([{"id": f"r{k}", "lang": "en", "text": text} for k, text in enumerate(texts)], tmp_path / "raw")
    spans = [
        {"id": f"r{k}", "spans": [{"start": 4, "end": 4 + len(t.split()[1]), "label": "SECRET"}]}
        for k, t in enumerate(texts)
    ]
    write_jsonl(spans, tmp_path / "raw" / "truth" / "personal_data.jsonl")
    report = measure_pii_extraction(make_context(folder, raw_corpora=(tmp_path / "raw",)), PiiExtractionConfig()).report
    model, tokenizer = BertForPreTraining.from_pretrained(folder).eval(), BertTokenizerFast.from_pretrained(folder)
    hits = 0
    for text in texts:
        row = tokenizer(text, return_tensors="pt")["input_ids"]
        truth = int(row[0, 2])
        row[0, 2] = 4
        with torch.no_grad():
            hits += int(model(row).prediction_logits[0, 2].argmax()) == truth
    assert report.metrics["extraction_rate"].value == pytest.approx(hits / 6)
    assert report.metrics["residual_rate"].value is None


def test_offsets_outside_the_record_are_a_contract_error(tmp_path: Path) -> None:
    raw, splits = write_private_corpus(tmp_path)
    write_jsonl(
        [{"id": "r0", "spans": [{"start": 3, "end": 999, "label": "X"}]}], raw / "truth" / "personal_data.jsonl"
    )
    context = make_context(save_language_model(tmp_path / "lm"), raw_corpora=(raw,), pretraining_splits=splits)
    with pytest.raises(ContractError, match="r0 span 0"):
        measure_pii_extraction(context, PiiExtractionConfig())


def write_payload(folder: Path) -> Path:
    save_classifier(folder / "model")
    save_language_model(folder / "language_model")
    write_json(
        {"schema": "touchstone.payload/1", "files": {}, "labels": ["negative", "positive"]}, folder / "payload.json"
    )
    return folder


def test_a_payload_is_measured_into_an_evidence_folder_twice_alike(tmp_path: Path) -> None:
    payload = write_payload(tmp_path / "payload")
    config = EvaluationConfig.model_validate(
        {
            "languages": ["en", "zh"],
            "bootstrap_resamples": 200,
            "suites": {"task_quality": {}, "group_fairness": {"positive_label": "positive"}, "perplexity": {},
                       "crows_pairs": {}, "exposure": {}, "membership": {}, "pii_extraction": {}, "counterfactual": {}},
        }
    )  # fmt: skip
    inputs = EvaluationInputs(finetuning_splits=write_task_splits(tmp_path / "splits"))
    seen: list[tuple[str, int, int]] = []
    for name in ("one", "two"):
        out = tmp_path / name
        out.mkdir()
        evaluate_payload(payload, config, inputs, out_dir=out, on_progress=lambda *step: seen.append(step))
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert [(tmp_path / "one" / f).read_bytes() for f in files] == [(tmp_path / "two" / f).read_bytes() for f in files]
    evidence = read_evidence(tmp_path / "one")
    assert evidence.config_digest == config.digest()
    assert set(evidence.suites) == set(config.suites)
    assert evidence.suites["task_quality"].metrics["accuracy"].n == 160
    assert evidence.suites["exposure"].metrics["exposure_bits"].value is None
    assert read_json(tmp_path / "one" / "suites" / "task_quality.json")["payload_digest"] == evidence.payload_digest
    assert len(list(read_jsonl(tmp_path / "one" / "items" / "task_quality.jsonl"))) == 160
    assert seen[0] == ("task_quality", 0, 8)
    assert seen[8] == ("done", 8, 8)


def test_plain_checkpoints_are_measured_too(tmp_path: Path, classifier_dir: Path) -> None:
    inputs = EvaluationInputs(finetuning_splits=write_task_splits(tmp_path))
    report = evaluate_suite(classifier_dir, "task_quality", inputs=inputs)
    assert report.n == 160
    assert report.payload_digest.startswith("sha256:")
    missing = evaluate_suite(classifier_dir, "crows_pairs")
    assert missing.metrics["stereotype_score"].value is None
    with pytest.raises(ContractError, match="neither payload"):
        evaluate_suite(tmp_path / "nowhere", "task_quality")
    with pytest.raises(ContractError, match="no such file for suite crows_pairs"):
        lm = save_language_model(tmp_path / "lm")
        evaluate_suite(lm, "crows_pairs", inputs=EvaluationInputs(suite_data={"crows_pairs": (tmp_path / "no.csv",)}))


def _validation_report(rows: int, **observed: float | None) -> dict[str, Any]:
    expectations = [
        {"name": name, "state": "error" if value is None else "pass" if value < 0.05 else "fail", "observed": value,
         "limit": 0.05, "side": "max", "n": rows, "reason": ""}
        for name, value in observed.items()
    ]  # fmt: skip
    return {"suite": "quality", "state": "fail", "rows": rows, "expectations": expectations}


def test_data_checks_become_metrics_pooled_over_corpora(classifier_dir: Path, tmp_path: Path) -> None:
    write_json(
        _validation_report(100, duplicates=0.2, text_missing=0.0, wrong_language=None), tmp_path / "a/report.json"
    )
    write_json(
        _validation_report(300, duplicates=0.0, text_missing=0.0, wrong_language=0.01), tmp_path / "b/report.json"
    )
    context = make_context(classifier_dir, validation_reports=(tmp_path / "a", tmp_path / "b"))
    metrics = measure_data_quality(context, DataQualityConfig()).report.metrics
    assert (metrics["duplicate_rate"].value, metrics["duplicate_rate"].n) == (20 / 400, 400)
    assert metrics["missing_text_rate"].value == 0.0
    assert metrics["wrong_language_rate"].value is None
    assert metrics["length_outlier_rate"].value is None
    failed = metrics["failed_expectations"]
    assert (failed.value, failed.ci_low, failed.ci_high) == (2.0, 2.0, 2.0)
    assert failed.note == "duplicates: fail, wrong_language: error"
    nothing = measure_data_quality(make_context(classifier_dir), DataQualityConfig()).report
    assert nothing.metrics["failed_expectations"].value is None
