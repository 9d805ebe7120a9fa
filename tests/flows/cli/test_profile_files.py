"""Profile folders: every key gets a comment, comments survive edits, proposals follow from n."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import yaml

from components.core.errors import ConfigError
from components.ingestion.guess import DataProfile
from components.validation.config import ValidationConfig
from flows.cli.profile_files import comment_keys, fit_gates, fit_to_data, half_width, new_profile, set_checkpoint
from flows.config import PROFILES_DIR, load_config

FOUND = DataProfile(
    rows=1000,
    sampled=1000,
    all_columns=("内容", "标签"),
    columns={"text": "内容", "label": "标签"},
    languages={"zh": 1.0},
    labels={"好评": 600, "差评": 400},
    groups={},
    median_characters=40,
)

GATES = """
# Floors first.
gates:
  - {name: floor, suite: task_quality, metric: accuracy, direction: min, threshold: 0.6, min_n: 200, severity: block}
  - name: exposure
    suite: exposure
    metric: exposure_bits
    direction: max
    threshold: 2.0   # bits
    min_n: 100
    severity: block
  - {name: parity, suite: group_fairness, metric: demographic_parity_difference, direction: max, threshold: 0.05,
     min_n: 100, severity: block}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = {
        "pipeline": "name: x  # the experiment\nlanguages: [en, zh]\n# Steady.\nseed: 1\n",
        "finetuning": "# Task data.\nsources: [old.csv]\ncheckpoint: null\n",
        "ingestion": "# How sources are read.\nmax_record_bytes: 1000000  # longer ones are set aside\n",
        "validation": "min_rows: 10  # fewer fail\nmin_language_share: {en: 0.1, zh: 0.1}\nmax_characters: 500\n",
        "splitting": "fractions: {train: 0.8, dev: 0.1, test: 0.1, holdout: 0}\n",
        "evaluation": "suites:\n  group_fairness: {positive_label: positive}  # who is selected\n  stereoset: {}\n",
        "gates": GATES,
    }
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def _load(folder: Path, stage: str) -> dict:
    return yaml.safe_load((folder / f"{stage}.yaml").read_text(encoding="utf-8"))


def test_every_key_is_commented() -> None:
    text = comment_keys("min_rows: 5\n# mine\nmax_null_share: 0.1\nmin_characters: 1  # own\n", ValidationConfig)
    lines = text.splitlines()
    assert lines[0] == "# Fewer records than this fail."
    assert lines[2:4] == ["# mine", "max_null_share: 0.1"]
    assert "# labels: []" in lines
    assert yaml.safe_load(text) == {"min_rows": 5, "max_null_share": 0.1, "min_characters": 1}


def test_fitting_keeps_comments_and_maps_chinese_columns(folder: Path) -> None:
    changes = fit_to_data(folder, "mine", Path("/data/工单.csv"), FOUND)
    assert _load(folder, "ingestion") == {"max_record_bytes": 1_000_000, "columns": {"text": "内容", "label": "标签"}}
    assert _load(folder, "pipeline") == {"name": "mine", "languages": ["zh"], "seed": 1}
    assert _load(folder, "finetuning")["sources"] == ["/data/工单.csv"]
    assert _load(folder, "validation")["min_language_share"] == {"zh": 0.5}
    assert _load(folder, "validation")["labels"] == ["好评", "差评"]
    assert _load(folder, "validation")["max_characters"] == 800
    assert _load(folder, "evaluation")["suites"] == {"group_fairness": {"positive_label": "好评"}}
    assert "# longer ones are set aside" in (folder / "ingestion.yaml").read_text()
    assert (
        folder / "pipeline.yaml"
    ).read_text() == "name: mine # the experiment\nlanguages: [zh]\n# Steady.\nseed: 1\n"
    assert "# bits" in (folder / "gates.yaml").read_text()
    assert {"pipeline.name", "ingestion.columns"} <= {change["key"] for change in changes}


def test_gates_that_cannot_apply_are_declared_and_thresholds_are_resolvable() -> None:
    gates = yaml.safe_load(GATES)
    fit_gates(gates, FOUND, 100)
    assert [item["gate"] for item in gates["not_applicable"]] == ["exposure", "parity"]
    floor = gates["gates"][0]
    # 60 % by always answering 好评, and ±9.6 points on 100 items
    assert floor["threshold"] == round(0.6 + 1.96 * math.sqrt(0.6 * 0.4 / 100), 2)
    assert floor["min_n"] == 80


def test_a_group_column_keeps_the_parity_gate_with_a_threshold_that_n_resolves() -> None:
    gates = yaml.safe_load(GATES)
    fit_gates(gates, FOUND.model_copy(update={"groups": {"男": 500, "女": 500}}), 400)
    assert [item["gate"] for item in gates["not_applicable"]] == ["exposure"]
    assert gates["gates"][2]["threshold"] > math.sqrt(2) * half_width(0.3, 200)


def test_a_checkpoint_must_be_a_model(folder: Path) -> None:
    model = folder / "model"
    model.mkdir()
    with pytest.raises(ConfigError, match=r"no config\.json"):
        set_checkpoint(folder, str(model))
    (model / "config.json").write_text("{}")
    set_checkpoint(folder, str(model))
    assert _load(folder, "finetuning")["checkpoint"] == str(model)
    set_checkpoint(folder, "bert-base-chinese")
    assert _load(folder, "finetuning")["checkpoint"] == "bert-base-chinese"
    with pytest.raises(ConfigError, match="no such folder"):
        set_checkpoint(folder, "./nowhere")


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path, folder: Path) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / "note").touch()
    with pytest.raises(ConfigError, match="not an empty folder"), new_profile(folder, target):
        pass
    assert [path.name for path in target.iterdir()] == ["note"]


@pytest.mark.parametrize("was_there", [True, False])
def test_nothing_stays_of_a_profile_that_could_not_be_fitted(tmp_path: Path, was_there: bool) -> None:
    target = tmp_path / "target"
    if was_there:
        target.mkdir()
    with pytest.raises(ConfigError, match="no such folder"), new_profile(PROFILES_DIR / "finetune", target):
        set_checkpoint(target, "./nowhere")
    assert (list(target.iterdir()) if was_there else target.exists()) == ([] if was_there else False)


@pytest.mark.parametrize("languages", [{"zh": 1.0}, {"en": 1.0}, {"en": 0.4, "zh": 0.6}])
def test_the_shipped_profile_fitted_to_any_languages_loads(tmp_path: Path, languages: dict[str, float]) -> None:
    folder = tmp_path / "mine"
    with new_profile(PROFILES_DIR / "finetune", folder):
        fit_to_data(folder, "mine", Path("/data/tickets.csv"), FOUND.model_copy(update={"languages": languages}))
    config = load_config(config_dir=folder)
    assert set(config.pipeline.languages) == set(config.balance.min_coverage) == set(languages)
