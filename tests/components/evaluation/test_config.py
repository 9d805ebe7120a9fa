"""Evaluation settings: unknown names are answered with the known and the nearest."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.core.errors import ConfigError
from components.evaluation.catalogue import SUITE_METRICS
from components.evaluation.config import SUITE_CONFIGS, CrowsPairsConfig, EvaluationConfig
from components.evaluation.registry import find_suite, known_suites, register_suite


def test_every_suite_has_a_config_metrics_and_a_function() -> None:
    assert set(SUITE_CONFIGS) == set(SUITE_METRICS) == set(known_suites())
    for name in known_suites():
        assert callable(find_suite(name))


def test_suites_get_their_own_schema_and_survive_a_round_trip() -> None:
    config = EvaluationConfig.model_validate(
        {"languages": ["en", "zh"], "suites": {"crows_pairs": {"max_pairs": 50}, "exposure": None}}
    )
    assert isinstance(config.suites["crows_pairs"], CrowsPairsConfig)
    again = EvaluationConfig.model_validate(config.model_dump(mode="json"))
    assert again.digest() == config.digest()
    other = EvaluationConfig.model_validate(
        {"languages": ["en", "zh"], "suites": {"crows_pairs": {"max_pairs": 51}, "exposure": None}}
    )
    assert other.digest() != config.digest()


@pytest.mark.parametrize(
    ("suites", "message"),
    [
        ({"crows_pair": {}}, "did you mean crows_pairs"),
        ({"hatecheck": {}}, "known are counterfactual"),
        ({"crows_pairs": {"max_pairz": 3}}, "crows_pairs.max_pairz"),
        ({"group_fairness": {}}, "group_fairness.positive_label"),
        ({}, "at least 1 item"),
        ([], "mapping of suite name"),
    ],
)
def test_wrong_suites_are_refused_with_their_key(suites: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EvaluationConfig.model_validate({"languages": ["en"], "suites": suites})


def test_an_english_suite_is_refused_without_english() -> None:
    with pytest.raises(ValidationError, match="English only"):
        EvaluationConfig.model_validate({"languages": ["zh"], "suites": {"stereoset": {}}})


def test_registry_refuses_to_overwrite_and_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="registered already"):
        register_suite("perplexity", "somewhere:else")
    with pytest.raises(ConfigError, match="did you mean perplexity"):
        find_suite("perplexty")
