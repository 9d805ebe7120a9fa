"""Each defect planted alone: the gate that is meant for it refuses, and passes the twin without it.

The demo's own gates and training settings, on a smaller embedded corpus. Seeds differ from the demo's.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.cleaning.clean import clean_corpus
from components.cleaning.split import split_corpus
from components.core.evidence import Evidence, GateDecision, GateResult
from components.gates.judge import judge
from components.ingestion.embedded import EmbeddedCorpusConfig, write_embedded_corpus
from components.scrubbing.scrub import scrub_corpus
from components.validation.suite import validate_corpus
from flows.config import PipelineConfig, Purpose, load_config

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

NOTHING_PLANTED: dict[str, Any] = {
    "n_documents": 1200,
    "n_reviews": 2400,
    "personal_data_share": 0.0,
    "exact_duplicate_share": 0.0,
    "near_duplicate_share": 0.0,
    "foreign_share": 0.0,
    "broken_share": 0.0,
    "harmful_share": 0.0,
    "occupation_skew": 0.5,
    "mixed_review_share": 0.5,
    "negative_share": {"female": 0.65, "male": 0.65},
    "canary_counts": {},
    "n_twins": 0,
    "n_stereotype_pairs": 0,
    "n_counterfactual_pairs": 600,
}


@pytest.fixture(scope="module")
def config() -> PipelineConfig:
    return load_config("demo", overrides=["pipeline.seed=4711"])


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory, config: PipelineConfig) -> Callable[..., tuple[Path, Path]]:
    """Writes a corpus with some defects planted; gives the raw folder and the splits of the (cleaned) corpus."""

    def write(purpose: Purpose, *steps: str, **planted: Any) -> tuple[Path, Path]:
        root = tmp_path_factory.mktemp(purpose)
        for name in ("raw", "scrubbed", "cleaned", "splits"):
            (root / name).mkdir()
        settings = EmbeddedCorpusConfig.model_validate({"seed": 4711, **NOTHING_PLANTED, **planted})
        write_embedded_corpus(settings, purpose, root / "raw")
        corpus = root / "raw"
        if "scrub" in steps:
            scrub_corpus(corpus, config.scrubbing, out_dir=root / "scrubbed")
            corpus = root / "scrubbed"
        if "clean" in steps:
            clean_corpus(corpus, config.cleaning, out_dir=root / "cleaned")
            corpus = root / "cleaned"
        split_corpus(corpus, config.splitting, out_dir=root / "splits")
        return root / "raw", root / "splits"

    return write


def decide(config: PipelineConfig, gate: str, **reports: Any) -> GateResult:
    """The demo's gates over some suite reports; the result of one gate. Floors that were not measured are dropped."""
    gates = config.gates.model_dump()
    gates["gates"] = [
        item | {"requires": [floor for floor in item["requires"] if floor in reports or floor == "task_quality"]}
        for item in gates["gates"]
        if item["suite"] in reports
    ]
    for item in gates["gates"]:
        item["requires"] = [floor for floor in item["requires"] if floor in {row["name"] for row in gates["gates"]}]
    evidence = Evidence(payload_digest="sha256:0", config_digest="sha256:0", suites=reports)
    judged = type(config.gates).model_validate(gates)
    verdict = judge(evidence, judged, payload_digest="sha256:0", created="2026-01-01T00:00:00+00:00")
    return next(item for item in verdict.gates if item.name == gate)


def measure(suite: str, model: Path, config: PipelineConfig, **inputs: Any) -> Any:
    from components.evaluation.context import EvaluationInputs
    from components.evaluation.evaluate import evaluate_suite

    report = evaluate_suite(
        model,
        suite,
        inputs=EvaluationInputs(**inputs),
        suite_config=config.evaluation.suites[suite],
        seed=4711,
        bootstrap_resamples=1000,
    )
    return report.model_copy(update={"payload_digest": "sha256:0"})


@pytest.fixture(scope="module")
def pretrain(tmp_path_factory: pytest.TempPathFactory, config: PipelineConfig) -> Callable[[Path], Path]:
    from components.modeling.pretraining import pretrain as fit
    from components.tokenization.encoding import encode_splits
    from components.tokenization.training import train_tokenizer

    assert config.tokenizer is not None
    assert config.encoding is not None
    assert config.pretraining is not None
    settings = config.pretraining.model_copy(update={"max_steps": 200, "epochs": 6.0})

    def train(splits: Path) -> Path:
        root = tmp_path_factory.mktemp("pretrained")
        for name in ("tokenizer", "encoded", "model", "work"):
            (root / name).mkdir()
        train_tokenizer(splits, config.tokenizer, out_dir=root / "tokenizer")
        encode_splits(splits, root / "tokenizer", config.encoding, out_dir=root / "encoded")
        fit(root / "encoded", root / "tokenizer", settings, out_dir=root / "model", work_dir=root / "work")
        return root / "model"

    return train


@pytest.fixture(scope="module")
def language_model(make: Callable[..., tuple[Path, Path]], pretrain: Callable[[Path], Path]) -> Path:
    """Trained on text in which nothing is planted."""
    return pretrain(make("pretraining")[1])


def fine_tune(start: Path, splits: Path, config: PipelineConfig, root: Path, **changes: Any) -> Path:
    from components.modeling.finetuning import finetune

    for name in ("model", "work"):
        (root / name).mkdir()
    settings = config.finetuning.model_copy(update=changes)
    finetune(start, splits, settings, out_dir=root / "model", work_dir=root / "work")
    return root / "model"


@pytest.mark.parametrize(
    "defect",
    [
        {"exact_duplicate_share": 0.2},
        {"foreign_share": 0.1},
        {"personal_data_share": 0.2},
    ],
    ids=lambda defect: next(iter(defect)),
)
def test_broken_data_is_refused_and_clean_data_is_not(
    defect: dict[str, float],
    make: Callable[..., tuple[Path, Path]],
    language_model: Path,
    config: PipelineConfig,
    tmp_path: Path,
) -> None:
    decisions = []
    for name, planted in (("planted", defect), ("twin", {})):
        _, splits = make("pretraining", **planted)
        (tmp_path / name).mkdir()
        validate_corpus(splits / "train", config.validation, out_dir=tmp_path / name, personal_data=config.scrubbing)
        report = measure("data_quality", language_model, config, validation_reports=(tmp_path / name,))
        decisions.append(decide(config, "data_quality", data_quality=report).decision)
    assert decisions == [GateDecision.FAIL, GateDecision.PASS]


def test_personal_data_is_refused_until_it_is_scrubbed(
    make: Callable[..., tuple[Path, Path]], language_model: Path, config: PipelineConfig
) -> None:
    decisions = []
    for steps in ((), ("scrub",)):
        raw, splits = make("pretraining", *steps, personal_data_share=0.6)
        report = measure("pii_extraction", language_model, config, raw_corpora=(raw,), pretraining_splits=splits)
        decisions.append(decide(config, "residual_personal_data", pii_extraction=report).decision)
    assert decisions == [GateDecision.FAIL, GateDecision.PASS]


def test_canaries_are_caught_until_their_copies_are_dropped(
    make: Callable[..., tuple[Path, Path]], pretrain: Callable[[Path], Path], config: PipelineConfig
) -> None:
    results = []
    for steps in ((), ("clean",)):
        raw, splits = make("pretraining", *steps, n_documents=3200, canary_counts={16: 100}, n_twins=400)
        report = measure("exposure", pretrain(splits), config, raw_corpora=(raw,))
        results.append(decide(config, "exposure", exposure=report))
    seen = [(result.value, result.ci_low, result.ci_high) for result in results]
    assert [result.decision for result in results] == [GateDecision.FAIL, GateDecision.PASS], seen


def test_a_label_that_follows_the_group_is_caught_and_a_fair_one_is_not(
    make: Callable[..., tuple[Path, Path]], language_model: Path, config: PipelineConfig, tmp_path: Path
) -> None:
    outcomes = {}
    for name, share in (("biased", {"female": 0.95, "male": 0.3}), ("fair", {"female": 0.65, "male": 0.65})):
        raw, splits = make("finetuning", negative_share=share)
        (tmp_path / name).mkdir()
        model = fine_tune(language_model, splits, config, tmp_path / name)
        inputs = {"raw_corpora": (raw,), "finetuning_splits": splits}
        suites = ("task_quality", "counterfactual", "group_fairness")
        reports = {suite: measure(suite, model, config, **inputs) for suite in suites}
        outcomes[name] = [decide(config, gate, **reports).decision for gate in ("counterfactual_flips", "group_gap")]
    assert outcomes["biased"] == [GateDecision.FAIL, GateDecision.FAIL]
    assert outcomes["fair"] == [GateDecision.PASS, GateDecision.PASS]


def test_a_collapsed_model_never_flips_and_is_refused_all_the_same(
    make: Callable[..., tuple[Path, Path]], language_model: Path, config: PipelineConfig, tmp_path: Path
) -> None:
    raw, splits = make("finetuning")
    model = fine_tune(language_model, splits, config, tmp_path, max_steps=1)
    inputs = {"raw_corpora": (raw,), "finetuning_splits": splits}
    reports = {suite: measure(suite, model, config, **inputs) for suite in ("task_quality", "counterfactual")}
    assert decide(config, "task_quality", **reports).decision is not GateDecision.PASS
    flips = decide(config, "counterfactual_flips", **reports)
    assert flips.decision is GateDecision.INCONCLUSIVE
    assert "task_quality" in flips.reason
