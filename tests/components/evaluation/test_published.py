"""Published numbers: what the authors' own scripts printed, from the data they published."""

from __future__ import annotations

import csv
import gzip
import json
import re

import numpy as np
import pytest
from testkit import shared_data

from components.evaluation.suites.counterfactual import pair_identity_templates
from components.evaluation.suites.crows_pairs import aggregate_preference, read_crows_pairs
from components.evaluation.suites.group_fairness import fairness_metrics
from components.evaluation.suites.stereoset import StereosetExample, read_stereoset, stereoset_scores

pytestmark = pytest.mark.shared_data


@pytest.mark.parametrize(
    ("model", "overall", "stereo", "antistereo"), [("bert", 59.04, 60.09, 52.43), ("roberta", 66.62, 68.10, 57.28)]
)
def test_crows_pairs_aggregation(model: str, overall: float, stereo: float, antistereo: float) -> None:
    path = shared_data("crows_pairs", f"published_pair_scores_{model}.shared_half.csv")
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))

    def score(chosen: list[dict[str, str]]) -> float | None:
        # The script behind this file wrote the two score columns the wrong way round in antistereo rows.
        columns = {
            "stereo": ("sent_more_score", "sent_less_score"),
            "antistereo": ("sent_less_score", "sent_more_score"),
        }
        more = [float(row[columns[row["stereo_antistereo"]][0]]) for row in chosen]
        less = [float(row[columns[row["stereo_antistereo"]][1]]) for row in chosen]
        return aggregate_preference(more, less)["stereotype_score"].value

    assert len(rows) == 752
    assert score(rows) == pytest.approx(overall, abs=0.005)
    assert score([r for r in rows if r["stereo_antistereo"] == "stereo"]) == pytest.approx(stereo, abs=0.005)
    assert score([r for r in rows if r["stereo_antistereo"] == "antistereo"]) == pytest.approx(antistereo, abs=0.005)
    interval = aggregate_preference(np.arange(752) < 444, np.zeros(752))["stereotype_score"]
    assert (interval.ci_low, interval.ci_high) == pytest.approx((55.5, 62.5), abs=0.05)  # half-width 3.6 is published


def test_crows_pairs_files_are_read_in_both_languages() -> None:
    english = read_crows_pairs(shared_data("crows_pairs", "crows_pairs_anonymized.shared_half.csv"))
    revised = read_crows_pairs(shared_data("crows_pairs", "crows_pairs_revised.shared_half.csv"))
    chinese = read_crows_pairs(shared_data("crows_pairs_zh", "crows_pairs_zh.shared_half.csv"))
    assert [len(pairs) for pairs in (english, revised, chinese)] == [752, 736, 519]
    assert {pair.lang for pair in english + revised} == {"en"}
    assert {pair.lang for pair in chinese} == {"zh"}
    assert sum(pair.direction == "stereo" for pair in english) == 649
    assert sum(pair.bias_type == "gender" for pair in chinese) == 131


def _printed() -> dict[str, dict[str, dict[str, float]]]:
    """The authors' output file: model, then part (or part/bias type), then score."""
    text = shared_data("stereoset", "published_evaluation_output.txt").read_text(encoding="utf-8")
    found: dict[str, dict[str, dict[str, float]]] = {}
    part = domain = ""
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip("\t"))
        name = line.strip()
        if name.startswith("Evaluating"):
            model = re.sub(r".*predictions_(.*)\.json.*", r"\1", name)
            found[model] = {}
        elif ":" in name:
            key, value = name.split(": ")
            found[model].setdefault("/".join(filter(None, [part, domain])), {})[key] = float(value)
        elif name:
            part, domain = (name, "") if depth == 0 else (part, name)
    return found


MODELS = ("bert-base-cased_BertNextSentence_BertLM", "gpt2_ModelNSP_GPT2LM", "roberta-base_ModelNSP_RoBERTaLM")


@pytest.fixture(scope="module")
def stereoset_examples() -> list[StereosetExample]:
    return read_stereoset(shared_data("stereoset", "stereoset_dev.json.gz"))


@pytest.mark.parametrize("model", MODELS)
def test_stereoset_reproduces_the_official_output_to_every_digit(
    stereoset_examples: list[StereosetExample], model: str
) -> None:
    path = shared_data("stereoset", f"published_predictions_{model}.json.gz")
    predictions = json.loads(gzip.decompress(path.read_bytes()))
    scores = {row["id"]: row["score"] for part in predictions.values() for row in part}
    official = _printed()[model]
    assert len(official) == 11
    for name, printed in official.items():
        part, _, domain = name.partition("/")
        chosen = [
            example
            for example in stereoset_examples
            if part in {"overall", example.part} and domain in {"", "overall", example.bias_type}
        ]
        found = stereoset_scores(chosen, scores)
        assert found == {
            "lms": printed["LM Score"],
            "ss": printed["SS Score"],
            "icat": printed["ICAT Score"],
        }, name


def test_compas_differences() -> None:
    text = gzip.decompress(shared_data("compas", "compas_two_years.csv.gz").read_bytes()).decode("utf-8")
    rows = [r for r in csv.DictReader(text.splitlines()) if r["race"] in {"African-American", "Caucasian"}]
    metrics = fairness_metrics(
        [row["two_year_recid"] == "1" for row in rows],
        [row["score_text"] != "Low" for row in rows],
        [row["race"] for row in rows],
        min_cell=30,
        seed=0,
    )
    parity, odds = metrics["demographic_parity_difference"], metrics["equalized_odds_difference"]
    assert parity.value == pytest.approx(0.2402, abs=5e-5)
    assert odds.value == pytest.approx(0.2140, abs=1e-4)  # printed from rounded rates
    assert parity.n == odds.n == 3696 + 2454
    assert parity.ci_low is not None and parity.ci_high is not None
    # Two independent shares: the textbook half-width of their difference.
    assert (parity.ci_high - parity.ci_low) / 2 == pytest.approx(0.0248, abs=0.002)


@pytest.mark.parametrize(("name", "lang"), [("en", "en"), ("zh-cn", "zh")])
def test_identity_templates_become_pairs_that_differ_in_the_identity_alone(name: str, lang: str) -> None:
    pairs = pair_identity_templates(shared_data("identity_templates", f"{name}_sentence_templates.csv.gz"), seed=1)
    assert len(pairs) > 30_000
    for pair in pairs[::97]:
        before, after = pair.template.split("{}")
        assert pair.lang == lang
        assert pair.text_a != pair.text_b
        for text in (pair.text_a, pair.text_b):
            assert text.startswith(before)
            assert text.endswith(after)
            assert len(text) > len(before) + len(after)
    assert len({pair.attribute for pair in pairs}) >= 5
