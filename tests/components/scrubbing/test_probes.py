"""The residual risk is what a finder misses, whoever it is."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from components.core.corpus import write_records
from components.scrubbing import LABELS, ScrubbingConfig, Span
from components.scrubbing.engine import Engine
from components.scrubbing.probe_values import probe_value
from components.scrubbing.probes import find_probes, measure_residual_risk, plant_probes, read_carriers
from components.scrubbing.shards import ShardCounts

TEXTS = {
    "en": "The harbour was quiet in the evening. Nobody had seen the boat since the storm of last winter.",
    "zh": "港口在傍晚很安静，没有人见过那条船。去年冬天的暴风雨之后，渔民们再也没有出海。",
}


def config(**changes: object) -> ScrubbingConfig:
    values = {"languages": ("en", "zh"), "labels": LABELS, "policy": "redact", "min_score": 0.5, "probes_per_label": 20}
    return ScrubbingConfig.model_validate(values | changes)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    write_records([{"id": lang, "text": text, "lang": lang} for lang, text in TEXTS.items()], tmp_path)
    return tmp_path


class Blind:
    def detect_many(self, texts: Sequence[str], langs: Sequence[str | None] | None = None) -> list[list[Span]]:
        return [[] for _ in texts]


class Greedy(Blind):
    """Takes every character but the last one for personal data."""

    def __init__(self, spared: int) -> None:
        self.spared = spared

    def detect_many(self, texts: Sequence[str], langs: Sequence[str | None] | None = None) -> list[list[Span]]:
        return [[Span(0, len(text) - self.spared, "PERSON", 1.0, "greedy")] for text in texts]


def test_probes_stand_in_sentences_of_the_corpus(corpus: Path) -> None:
    carriers = read_carriers(corpus, ("en", "zh"))
    probes = plant_probes(carriers, config())
    drawn = Counter((probe.label, probe.lang) for probe in probes)
    assert set(drawn.values()) == {20}
    assert {label for label, _ in drawn} >= {"PERSON", "EMAIL_ADDRESS", "PHONE_NUMBER", "CN_ID_CARD", "US_SSN"}
    for probe in probes:
        rest = probe.text[: probe.start] + probe.text[probe.end :]
        assert any(sentence[:6] in rest or sentence[-6:] in rest for sentence in carriers[probe.lang])
        assert 0 < probe.end - probe.start < 80
    assert len({probe.text[probe.start : probe.end] for probe in probes}) > 0.95 * len(probes)
    assert probes == plant_probes(read_carriers(corpus, ("en", "zh")), config())


def test_recall_of_one_who_sees_all_and_one_who_sees_nothing(corpus: Path) -> None:
    everything = measure_residual_risk(corpus, Greedy(0), config())
    assert everything.recall.value == 1.0
    n = everything.recall.n
    assert everything.recall.ci_low == pytest.approx(n / (n + 1.959964**2))  # Wilson's bound for n of n
    nothing = measure_residual_risk(corpus, Blind(), config(), ShardCounts(spans_per_label={"en": {"URL": 3}}))
    assert (nothing.recall.value, nothing.recall.ci_low) == (0.0, 0.0)
    assert nothing.expected_missed["en"]["URL"].value is None  # nobody can say


def test_half_a_value_is_a_miss(corpus: Path) -> None:
    probes = plant_probes(read_carriers(corpus, ("en", "zh")), config(labels=("US_SSN",)))

    class Half(Blind):
        def detect_many(self, texts: Sequence[str], langs: Sequence[str | None] | None = None) -> list[list[Span]]:
            return [[Span(p.start, p.end - 1, "US_SSN", 1.0, "half")] for p in probes]

    assert not any(find_probes(probes, Half()))


def test_expected_missed_follows_from_recall(corpus: Path) -> None:
    counts = ShardCounts(spans_per_label={"en": {"PERSON": 90}})
    risk = measure_residual_risk(corpus, Engine(config()), config(), counts)
    recall, missed = risk.slices["en"]["PERSON"], risk.expected_missed["en"]["PERSON"]
    assert recall.value
    assert missed.value == pytest.approx(90 / recall.value - 90)
    assert missed.ci_low is not None
    assert missed.ci_high is not None
    assert missed.ci_low <= missed.value <= missed.ci_high


def test_built_in_detectors_miss_little_that_has_a_shape(corpus: Path) -> None:
    risk = measure_residual_risk(corpus, Engine(config()), config())
    for label in ("EMAIL_ADDRESS", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS", "URL", "US_SSN", "CN_ID_CARD"):
        value = risk.labels[label].value
        assert value is not None
        assert value >= 0.9, label
    assert set(risk.slices) == {"en", "zh"}
    metrics = risk.as_metrics()
    assert metrics["scrub.recall.en.URL"] == risk.slices["en"]["URL"].value
    assert all(isinstance(value, float) for value in metrics.values())


def test_no_probe_reaches_the_report(corpus: Path) -> None:
    risk = measure_residual_risk(corpus, Engine(config()), config())
    dumped = json.dumps(risk.model_dump(mode="json"), ensure_ascii=False)
    for probe in plant_probes(read_carriers(corpus, ("en", "zh")), config()):
        assert probe.text[probe.start : probe.end] not in dumped


def test_a_language_without_sentences_is_said(tmp_path: Path) -> None:
    write_records([{"id": "a", "text": TEXTS["en"], "lang": "en"}], tmp_path)
    risk = measure_residual_risk(tmp_path, Blind(), config())
    assert set(risk.slices) == {"en"}
    assert "zh" in risk.recall.note
    off = measure_residual_risk(tmp_path, Blind(), config(probes_per_label=0))
    assert (off.recall.value, off.recall.n) == (None, 0)


def test_a_label_without_probes_is_named() -> None:
    import random

    assert probe_value("NO_SUCH_LABEL", "en", random.Random(1)) is None
