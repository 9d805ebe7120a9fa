"""Configuration: every shipped profile parses, every invalid file is refused and says where."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from components.core.errors import ConfigError
from flows.config import PROFILES, PROFILES_DIR, STAGES, load_config

INVALID = Path(__file__).parents[1] / "golden" / "configs" / "invalid"


def copy_of(profile: str, folder: Path) -> Path:
    return Path(shutil.copytree(PROFILES_DIR / profile, folder / profile))


@pytest.mark.parametrize("profile", PROFILES)
def test_every_shipped_profile_parses(profile: str) -> None:
    config = load_config(profile)
    assert config.profile == profile
    assert {path.stem for path in (PROFILES_DIR / profile).glob("*")} <= set(STAGES)


@pytest.mark.parametrize("path", sorted(INVALID.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_invalid_file_is_refused_and_named(path: Path, tmp_path: Path) -> None:
    folder = copy_of("demo", tmp_path)
    stage = path.name.split(".")[0]
    shutil.copyfile(path, folder / f"{stage}.yaml")
    expected = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# expect: ")
    with pytest.raises(ConfigError) as caught:
        load_config(config_dir=folder)
    assert expected in str(caught.value)
    assert f"{stage}.yaml" in str(caught.value)


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    folder = copy_of("demo", tmp_path)
    (folder / "packaging.yaml").write_text("task: poetry\n", encoding="utf-8")
    (folder / "encoding.yaml").write_text("max_sentence_tokens: 0\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(config_dir=folder)
    assert {line.split(":")[0].rpartition("/")[2] for line in str(caught.value).splitlines()} == {
        "packaging.yaml",
        "encoding.yaml",
    }


def test_seed_and_languages_reach_every_stage() -> None:
    config = load_config("demo", overrides=["pipeline.seed=77"])
    assert config.pretraining is not None and config.ingestion.embedded is not None
    seeds = [config.pretraining.seed, config.finetuning.seed, config.splitting.seed, config.ingestion.embedded.seed]
    assert seeds == [77] * 4
    assert config.gates.languages == config.scrubbing.languages == ("en", "zh")


def test_set_goes_through_the_same_schema() -> None:
    config = load_config("demo", overrides=["finetuning.epochs=2", "gates.gates.exposure.threshold=1.5"])
    assert config.finetuning.epochs == 2
    assert {gate.name: gate.threshold for gate in config.gates.gates}["exposure"] == 1.5
    assert config.digest() != load_config("demo").digest()


def test_by_how_many_changes_no_digest(tmp_path: Path) -> None:
    plain = load_config("demo")
    stages = ("ingestion", "scrubbing", "cleaning", "splitting", "validation")
    more = load_config("demo", overrides=[*(f"{stage}.workers=3" for stage in stages), "pipeline.side_by_side=1"])
    assert more.digest() == plain.digest()
    assert more.cleaning.workers == 3
    folder = copy_of("demo", tmp_path)
    given = {
        "name": "more",
        "overrides": {"cleaning": {"workers": 5, "normalise": "minimal"}, "splitting": {"seed": 3}},
    }
    values = yaml.safe_load((folder / "pipeline.yaml").read_text(encoding="utf-8")) | {"candidates": [given]}
    digests = set()
    for workers in (5, 6):
        given["overrides"]["cleaning"]["workers"] = workers  # type: ignore[index]
        (folder / "pipeline.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
        config = load_config(config_dir=folder, overrides=["splitting.workers=2"])
        digests.add(config.digest())
        ours = config.for_candidate(config.pipeline.candidates[0])
        assert (ours.cleaning.workers, ours.splitting.workers) == (workers, 2)
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("finetuning.epoch=2", "did you mean epochs?"),
        ("finetune.epochs=2", "did you mean finetuning?"),
        ("finetuning.epochs=-1", "finetuning.yaml: epochs"),
        ("finetuning", "expected STAGE.KEY=VALUE"),
        ("gates.gates.exposre.threshold=1", "known: "),
        ("finetuning.epochs=[1", "not valid YAML"),
    ],
)
def test_a_wrong_override_is_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?").replace(".", r"\.")):
        load_config("demo", overrides=[override])


def test_a_missing_and_a_stray_file_are_named(tmp_path: Path) -> None:
    folder = copy_of("demo", tmp_path)
    (folder / "gates.yaml").rename(folder / "gate.yaml")
    with pytest.raises(ConfigError) as caught:
        load_config(config_dir=folder)
    assert "gates.yaml: missing" in str(caught.value)
    assert "gate.yaml: no stage has this name; did you mean gates?" in str(caught.value)


def test_unknown_profile_and_folder() -> None:
    with pytest.raises(ConfigError, match="did you mean demo"):
        load_config("demmo")
    with pytest.raises(ConfigError, match="no such folder"):
        load_config(config_dir=Path("nowhere"))


def test_a_candidates_overrides_are_checked_with_their_place(tmp_path: Path) -> None:
    folder = copy_of("demo", tmp_path)
    settings = yaml.safe_load((folder / "pipeline.yaml").read_text(encoding="utf-8"))
    settings["candidates"] = [
        {"name": "slow", "overrides": {"finetuning": {"epochs": 9}, "balance": {"max_weight": 0}}}
    ]
    (folder / "pipeline.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    config = load_config(config_dir=folder)
    with pytest.raises(ConfigError, match=r"candidates\.slow\.overrides\.balance: max_weight"):
        config.for_candidate(config.pipeline.candidates[0])


def test_data_root_stands_before_relative_paths_only() -> None:
    config = load_config(
        "public", overrides=["pipeline.data_root=/data", "finetuning.sources=[a.csv, /b.csv, 'hf://x/y']"]
    )
    assert config.finetuning.sources == ("/data/a.csv", "/b.csv", "hf://x/y")
    assert config.evaluation.suites["stereoset"].data == ("/data/stereoset/stereoset_dev.json.gz",)


def test_the_benchmarks_of_the_evaluation_are_protected_unless_told_otherwise(tmp_path: Path) -> None:
    folder = copy_of("demo", tmp_path)
    suites = {
        "crows_pairs": {"data": ["c.csv"]},
        "perplexity": {},
        "exposure": {"data": ["planted.jsonl"]},  # the training text's own canaries must stay
        "task_quality": {"data": ["/abs/t.csv"]},
    }
    (folder / "evaluation.yaml").write_text(yaml.safe_dump({"suites": suites}), encoding="utf-8")
    derived = {"crows_pairs": ("data/c.csv",), "task_quality": ("/abs/t.csv",)}
    cases: list[tuple[object, dict[str, tuple[str, ...]]]] = [
        ("evaluation", derived),
        (["evaluation", "own/x.jsonl"], derived | {"x.jsonl": ("data/own/x.jsonl",)}),
        (["x.jsonl"], {"x.jsonl": ("data/x.jsonl",)}),
        ({"mine": ["a.csv", "b.csv"]}, {"mine": ("data/a.csv", "data/b.csv")}),
        ([], {}),
    ]
    cleaning = yaml.safe_load((folder / "cleaning.yaml").read_text(encoding="utf-8"))
    for given, expected in cases:
        (folder / "cleaning.yaml").write_text(yaml.safe_dump(cleaning | {"protect": given}), encoding="utf-8")
        assert load_config(config_dir=folder, overrides=["pipeline.data_root=data"]).cleaning.protect == expected
    del cleaning["protect"]
    (folder / "cleaning.yaml").write_text(yaml.safe_dump(cleaning), encoding="utf-8")
    assert load_config(config_dir=folder, overrides=["pipeline.data_root=data"]).cleaning.protect == derived


@pytest.mark.parametrize(
    ("profile", "kinds"),
    [
        ("demo", ["rules"]),
        ("finetune", ["tagger", "rules"]),
        ("public", ["tagger", "rules"]),
        ("full", ["tagger", "rules"]),
    ],
)
def test_profiles_find_names_and_leave_what_is_nobodys(profile: str, kinds: list[str]) -> None:
    scrubbing = load_config(profile).scrubbing
    assert [detector.kind for detector in scrubbing.detectors] == kinds
    assert {"PERSON", "STREET_ADDRESS", "USERNAME", "AGE", "US_SSN", "CN_ID_CARD"} <= set(scrubbing.labels)
    assert not {"LOCATION", "ORGANIZATION", "DATE_TIME", "NRP", "TITLE", "MONEY"} & set(scrubbing.labels)
