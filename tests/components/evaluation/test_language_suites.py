"""Suites that ask a masked language model, against naive loops over the same tiny random BERT."""

from __future__ import annotations

import difflib
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from testkit.random_bert import WORDS, save_language_model

from components.core.corpus import read_records, write_records
from components.core.errors import ContractError
from components.core.jsonfiles import write_jsonl
from components.evaluation.config import (
    CrowsPairsConfig,
    ExposureConfig,
    MembershipConfig,
    PerplexityConfig,
    StereosetConfig,
)
from components.evaluation.context import EvaluationContext, EvaluationInputs, find_models
from components.evaluation.masking import random_masks, windows
from components.evaluation.statistics import area_under_curve
from components.evaluation.suites import stereoset
from components.evaluation.suites.crows_pairs import measure_crows_pairs, score_pairs
from components.evaluation.suites.exposure import Canary, exposures, mean_exposure, measure_exposure, score_canaries
from components.evaluation.suites.membership import blind_scores, measure_membership
from components.evaluation.suites.perplexity import measure_perplexity
from components.modeling.inference import MaskedLanguageModel

ENGLISH = ("the nurse said that she is good", "the engineer said that he is very good", "her report is not bad")
CHINESE = ("护士是她的好报告。", "工程师不是很好。", "他的代号是红门")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_language_model(tmp_path_factory.mktemp("model") / "lm")


@pytest.fixture(scope="module")
def language_model(model_dir: Path) -> MaskedLanguageModel:
    return MaskedLanguageModel(model_dir)


def make_context(model_dir: Path, **inputs: Any) -> EvaluationContext:
    return EvaluationContext(
        models=find_models(model_dir),
        inputs=EvaluationInputs(**inputs),
        languages=("en", "zh"),
        seed=1,
        bootstrap_resamples=300,
    )


def naive_log_probability(model_dir: Path, token_ids: list[int], hidden: list[int]) -> list[float]:
    """One row alone through plain transformers: log P of the hidden tokens."""
    import torch
    from transformers import BertForPreTraining

    model = BertForPreTraining.from_pretrained(model_dir).eval()
    row = torch.tensor([token_ids])
    row[0, hidden] = 4
    with torch.no_grad():
        log_probabilities = model(row).prediction_logits[0].log_softmax(-1)
    return [float(log_probabilities[position, token_ids[position]]) for position in hidden]


def test_pair_scores_equal_hiding_one_token_at_a_time(model_dir: Path, language_model: MaskedLanguageModel) -> None:
    pairs = [
        ("the nurse said that she is good", "the nurse said that he is good"),
        ("the nurse said that her code is red", "the engineer said that her code is very red"),
        ("护士说她很好", "护士说他很好"),
        ("she", "he"),
    ]
    found = score_pairs(language_model, pairs)
    for row, pair in zip(found, pairs, strict=True):
        first, second = (language_model.tokenizer(text)["input_ids"] for text in pair)
        blocks = difflib.SequenceMatcher(None, list(map(str, first)), list(map(str, second))).get_matching_blocks()
        for side, token_ids in enumerate((first, second)):
            shared = [k for block in blocks for k in range(block[side], block[side] + block.size)]
            inner = [k for k in shared if token_ids[k] not in (2, 3)]
            expected = sum(naive_log_probability(model_dir, token_ids, [k])[0] for k in inner)
            assert row[side] == pytest.approx(expected, abs=1.1e-3)
    assert list(found[3]) == [0.0, 0.0]


def test_crows_pairs_reads_embedded_pairs_and_slices_them(model_dir: Path, tmp_path: Path) -> None:
    rows = [
        {"id": f"{lang}-{k}", "lang": lang, "bias_type": "gender", "cluster": f"job{k % 4}",
         "sent_more": more, "sent_less": less}
        for lang, more, less in (("en", "the nurse said that she is good", "the nurse said that he is good"),
                                 ("zh", "护士是她的好", "护士是他的好"))
        for k in range(12)
    ]  # fmt: skip
    write_jsonl(rows, tmp_path / "truth" / "stereotype_pairs.jsonl")
    result = measure_crows_pairs(make_context(model_dir, raw_corpora=(tmp_path,)), CrowsPairsConfig())
    report = result.report
    assert report.n == report.metrics["stereotype_score"].n == 24
    assert {name: found["stereotype_score"].n for name, found in report.slices.items()} == {
        "en": 12, "zh": 12, "gender": 24,
    }  # fmt: skip
    assert len({item["item"] for item in result.items}) == 24
    assert not any(key == "sent_more" for item in result.items for key in item)
    value = report.metrics["stereotype_score"].value
    assert value == pytest.approx(100 * np.mean([item["score"] for item in result.items]))


def test_intrasentence_reveals_the_word_left_to_right(model_dir: Path, language_model: MaskedLanguageModel) -> None:
    example = stereoset.StereosetExample(
        part="intrasentence",
        target="nurse",
        bias_type="gender",
        context="the nurse is BLANK.",
        sentences={"stereotype": "the nurse is very good.", "anti-stereotype": "the nurse is bad.",
                   "unrelated": "the nurse is river."},
        ids={"stereotype": "s", "anti-stereotype": "a", "unrelated": "u"},
    )  # fmt: skip
    found = stereoset.score_examples(language_model, [example])
    ids = {word: index + 5 for index, word in enumerate(WORDS)}
    the, nurse, is_, very, good, bad, dot = (ids[w] for w in ("the", "nurse", "is", "very", "good", "bad", "."))
    first = naive_log_probability(model_dir, [2, the, nurse, is_, very, dot, 3], [4])[0]
    second = naive_log_probability(model_dir, [2, the, nurse, is_, very, good, dot, 3], [5])[0]
    assert found["s"] == pytest.approx((math.exp(first) + math.exp(second)) / 2, rel=1e-4)
    single = naive_log_probability(model_dir, [2, the, nurse, is_, bad, dot, 3], [4])[0]
    assert found["a"] == pytest.approx(math.exp(single), rel=1e-4)


def test_intersentence_is_the_probability_of_is_next(model_dir: Path, language_model: MaskedLanguageModel) -> None:
    import torch
    from transformers import BertForPreTraining

    sentences = {"stereotype": "she is good", "anti-stereotype": "he is bad", "unrelated": "red river"}
    example = stereoset.StereosetExample(
        "intersentence", "nurse", "gender", "the nurse said", sentences, {key: key for key in sentences}
    )
    found = stereoset.score_examples(language_model, [example])
    model = BertForPreTraining.from_pretrained(model_dir).eval()
    for label, sentence in sentences.items():
        encoded = language_model.tokenizer("the nurse said", sentence, return_tensors="pt")
        with torch.no_grad():
            expected = model(**encoded).seq_relationship_logits.softmax(-1)[0, 0]
        assert found[label] == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize(
    ("context", "sentence", "word"),
    [
        ("The BLANK is here.", "The cat is here.", "cat"),
        ("She was BLANK.", "She was very kind.", "very kind"),
        ("BLANK are nice", "Dogs are nice", "Dogs"),
        ("The chess player was BLANK.", "the chess player was hispanic.", "hispanic"),
        ("He is BLANK", "he is!", "is"),
    ],
)
def test_blank_span(context: str, sentence: str, word: str) -> None:
    start, end = stereoset.blank_span(context, sentence)
    assert sentence[start:end] == word


def test_stereoset_needs_its_file(model_dir: Path) -> None:
    report = stereoset.measure_stereoset(make_context(model_dir), StereosetConfig()).report
    assert all(metric.value is None for metric in report.metrics.values())
    assert "no StereoSet file" in report.notes[0]


def test_exposure_by_brute_force() -> None:
    twins = np.array([-9.0, -7.0, -7.0, -5.0, -3.0])
    for score in (-10.0, -8.0, -7.0, -4.0, 0.0):
        rank = 1 + sum(t > score for t in twins) + sum(t == score for t in twins) / 2
        assert exposures(np.array([score]), twins)[0] == pytest.approx(math.log2(6) - math.log2(rank))
    assert exposures(np.array([0.0]), twins)[0] == pytest.approx(math.log2(6))


def test_exposure_by_chance_is_one_and_a_half_bits_and_its_interval_covers() -> None:
    random = np.random.default_rng(0)
    hits, values = 0, []
    for seed in range(120):
        inserted, twins = random.normal(size=100), random.normal(size=400)
        interval, n = mean_exposure([(inserted, twins)], seed=seed, resamples=300)
        values.append(interval.value)
        hits += interval.low <= math.log2(math.e) <= interval.high
        assert n == 100
    assert np.mean(values) == pytest.approx(math.log2(math.e), abs=0.05)
    assert hits / 120 >= 0.88


def test_a_collapsed_model_exposes_nothing() -> None:
    assert exposures(np.zeros(5), np.zeros(400)) == pytest.approx(1.0, abs=0.01)


def _canary_rows(twins: int) -> list[dict[str, Any]]:
    random = np.random.default_rng(5)
    words = {"en": ["blue", "red", "seven", "gate", "river", "green"], "zh": ["蓝", "红", "门", "河", "绿"]}
    prefix = {"en": "the code of team is", "zh": "代号是"}
    rows = []
    for lang in ("en", "zh"):
        for number, repetitions in enumerate([16] * 30 + [4] * 5 + [0] * twins):
            secret = " ".join(random.choice(words[lang], 3))
            rows.append(
                {"canary": f"{lang}{number}", "lang": lang, "prefix": prefix[lang], "secret": secret,
                 "text": f"{prefix[lang]} {secret}.", "repetitions": repetitions}
            )  # fmt: skip
    return rows


def test_canary_scores_equal_the_naive_loop(model_dir: Path, language_model: MaskedLanguageModel) -> None:
    canary = Canary("c", "en", "the code is blue gate.", "blue gate", 16)
    token_ids = language_model.tokenizer(canary.text)["input_ids"]
    alone = sum(naive_log_probability(model_dir, token_ids, [k])[0] for k in (4, 5))
    joint = sum(naive_log_probability(model_dir, token_ids, [4, 5]))
    assert score_canaries(language_model, [canary], masking="one_at_a_time")[0] == pytest.approx(alone, abs=1e-4)
    assert score_canaries(language_model, [canary], masking="all_at_once")[0] == pytest.approx(joint, abs=1e-4)
    with pytest.raises(ContractError, match="does not stand in the text"):
        score_canaries(language_model, [Canary("c", "en", "the code", "blue", 16)], masking="one_at_a_time")


def test_exposure_of_an_untrained_model_is_chance(model_dir: Path, tmp_path: Path) -> None:
    write_jsonl(_canary_rows(twins=150), tmp_path / "truth" / "canaries.jsonl")
    report = measure_exposure(make_context(model_dir, raw_corpora=(tmp_path,)), ExposureConfig()).report
    metric = report.metrics["exposure_bits"]
    assert metric.n == 60
    assert metric.ci_low is not None and metric.ci_high is not None
    assert metric.ci_low < 1.44 < metric.ci_high
    assert report.slices["zh"]["exposure_bits"].n == 30
    assert report.metrics["exposure_bits_1"].value is None
    assert report.metrics["mann_whitney_p"].value > 0.01  # type: ignore[operator]


def test_too_few_twins_give_no_exposure(model_dir: Path, tmp_path: Path) -> None:
    write_jsonl(_canary_rows(twins=50), tmp_path / "truth" / "canaries.jsonl")
    report = measure_exposure(make_context(model_dir, raw_corpora=(tmp_path,)), ExposureConfig()).report
    assert report.metrics["exposure_bits"].value is None
    assert "50 twins, needs 100" in report.metrics["exposure_bits"].note


def _splits(folder: Path, documents: int = 120, *, tell_tale: str = "") -> Path:
    random = np.random.default_rng(9)
    for split, count in (("train", documents), ("test", documents // 2)):
        records = []
        for k in range(count):
            lang = ("en", "zh")[k % 2]
            words = random.choice(WORDS[:40] if lang == "en" else WORDS[40:-4], 18)
            text = (" " if lang == "en" else "").join(words) + (tell_tale if split == "train" else "")
            records.append({"id": f"{split}{k}", "text": text, "lang": lang})
        write_records(records, folder / split)
    return folder


def test_perplexity_counts_like_a_naive_loop(
    model_dir: Path, language_model: MaskedLanguageModel, tmp_path: Path
) -> None:
    context = make_context(model_dir, pretraining_splits=_splits(tmp_path, 20))
    report = measure_perplexity(context, PerplexityConfig()).report
    hits = masked = bits = characters = 0.0
    for record in read_records(tmp_path / "test"):
        row = language_model.tokenizer(record["text"])["input_ids"]
        seeds = [context.seed_for("perplexity", record["id"], 0)]
        (hidden,) = random_masks([(0, row)], language_model.tokenizer, masked_share=0.15, seeds=seeds)
        scores = naive_log_probability(model_dir, row, hidden.positions)
        bits -= sum(scores) / math.log(2) * (len(row) - 2) / len(scores)
        characters += len(record["text"])
        masked += len(scores)
        table = language_model.masked_distributions([row], [hidden.positions])[0]
        hits += sum(int(t.argmax()) == row[p] for t, p in zip(table, hidden.positions, strict=True))
    assert report.metrics["mlm_accuracy"].value == pytest.approx(hits / masked)
    assert report.metrics["bits_per_character"].value == pytest.approx(bits / characters, rel=1e-4)
    assert report.metrics["unknown_share"].value == 0.0
    gain, accuracy, base = (
        report.metrics[name].value for name in ("accuracy_gain", "mlm_accuracy", "unigram_accuracy")
    )
    assert gain == pytest.approx(accuracy - base)  # type: ignore[operator]
    assert report.metrics["accuracy_gain"].n == 10


def test_masks_hide_a_fixed_share_of_known_tokens_and_no_special_one(language_model: MaskedLanguageModel) -> None:
    row = [2, *range(5, 45), 1, 1, 3]
    masked = random_masks([(0, row)] * 40, language_model.tokenizer, masked_share=0.15, seeds=range(40))
    assert all(len(m.positions) == 6 for m in masked)
    assert {p for m in masked for p in m.positions} <= set(range(1, 41))
    assert random_masks([(0, [2, 1, 3])], language_model.tokenizer, masked_share=0.15, seeds=[0]) == []
    again = random_masks([(0, row)] * 40, language_model.tokenizer, masked_share=0.15, seeds=range(40))
    assert again == masked


def test_windows_hold_every_token_once(language_model: MaskedLanguageModel) -> None:
    ids = list(range(5, 50)) * 4
    parts = windows(language_model.tokenizer, ids, 64)
    assert [token for part in parts for token in part[1:-1]] == ids
    assert max(map(len, parts)) == 64
    assert windows(language_model.tokenizer, [], 64) == []


def test_membership_of_an_untrained_model_is_chance_and_needs_a_reference(model_dir: Path, tmp_path: Path) -> None:
    splits = _splits(tmp_path / "splits", 200)
    alone = measure_membership(make_context(model_dir, pretraining_splits=splits), MembershipConfig()).report
    assert alone.metrics["auc"].value is None
    assert "no reference model" in alone.metrics["auc"].note
    reference = save_language_model(tmp_path / "reference", seed=3)
    context = make_context(model_dir, pretraining_splits=splits, reference_model=reference)
    report = measure_membership(context, MembershipConfig(max_documents=100)).report
    auc = report.metrics["auc"]
    assert auc.ci_low < 0.5 < auc.ci_high  # type: ignore[operator]
    assert auc.n == 100
    caught = report.metrics["tpr_at_1_percent_fpr"]
    exact = stats.binomtest(round(caught.value * 100), 100).proportion_ci(method="exact")  # type: ignore[operator]
    assert (caught.ci_low, caught.ci_high) == pytest.approx((exact.low, exact.high))


def test_members_that_look_different_make_the_attack_invalid(model_dir: Path, tmp_path: Path) -> None:
    splits = _splits(tmp_path / "splits", 200, tell_tale=" seven")
    reference = save_language_model(tmp_path / "reference", seed=3)
    context = make_context(model_dir, pretraining_splits=splits, reference_model=reference)
    report = measure_membership(context, MembershipConfig()).report
    assert report.metrics["auc"].value is None
    assert report.metrics["auc"].note.startswith("INVALID")
    assert report.metrics["blind_auc"].ci_low > 0.5  # type: ignore[operator]


def test_blind_auc_is_chance_on_one_distribution() -> None:
    """Cross-validation leans below a half where there is nothing to find, so only a lower limit above it counts."""
    random = np.random.default_rng(1)
    texts = [" ".join(random.choice(WORDS[:30], 20)) for _ in range(200)]
    scores = blind_scores(texts, np.arange(200) < 100, seed=1)
    interval = area_under_curve(scores[:100], scores[100:])
    assert interval.low < 0.5
    assert interval.value < 0.55


def test_copies_stand_on_neither_side(model_dir: Path, tmp_path: Path) -> None:
    """A raw corpus repeats texts in training; the repeats must not give members away."""
    splits = _splits(tmp_path / "splits", 200)
    train, test = (list(read_records(splits / name)) for name in ("train", "test"))
    repeated = [{"id": f"copy{k}", "text": "seven red seven", "lang": "en"} for k in range(150)]
    across = [{**row, "id": f"again-{row['id']}"} for row in test[:10]]
    write_records([*train, *repeated, *across], splits / "train")
    reference = save_language_model(tmp_path / "reference", seed=3)
    context = make_context(model_dir, pretraining_splits=splits, reference_model=reference)
    result = measure_membership(context, MembershipConfig(max_documents=400))
    named = {item["item"] for item in result.items}
    assert not any(name.startswith(("copy", "again-")) for name in named)
    assert not named & {row["id"] for row in test[:10]}
    assert sum(item["member"] for item in result.items) == sum(not item["member"] for item in result.items) == 90
    assert result.report.metrics["auc"].value is not None
