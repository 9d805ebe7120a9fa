"""Each flow once, for real: a shrunken demo, what it leaves behind, and the second run that reuses everything."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from components.core.errors import ConfigError
from flows.config import PipelineConfig, load_config
from flows.results import PipelineResult

pytestmark = [pytest.mark.servers, pytest.mark.filterwarnings("ignore")]  # Prefect and MLflow warn of themselves

SMALL = [
    "ingestion.embedded.n_documents=400",
    "ingestion.embedded.n_reviews=400",
    "ingestion.embedded.canary_counts={16: 10}",
    "ingestion.embedded.n_twins=400",
    "ingestion.embedded.n_stereotype_pairs=20",
    "ingestion.embedded.n_counterfactual_pairs=40",
    "pretraining.max_steps=6",
    "finetuning.max_steps=6",
    "evaluation.bootstrap_resamples=200",
]


@pytest.fixture(scope="module")
def small() -> PipelineConfig:
    return load_config("demo", overrides=SMALL)


@pytest.fixture(scope="module")
def first(home: Path, small: PipelineConfig) -> PipelineResult:
    from flows.pipeline import run_pipeline

    return run_pipeline(small)


def test_every_candidate_is_judged_by_every_gate(first: PipelineResult, small: PipelineConfig) -> None:
    assert [candidate.name for candidate in first.candidates] == ["raw", "clean"]
    for candidate in first.candidates:
        assert [gate.name for gate in candidate.gates] == [gate.name for gate in small.gates.gates]
    assert first.refused  # six steps of training pass no floor
    assert first.reused_stages >= 4  # ingest and check are shared


def test_the_run_is_written_down_and_tracked(first: PipelineResult, home: Path) -> None:
    written = json.loads((home / "runs" / f"{first.run_name}.json").read_text(encoding="utf-8"))
    assert written["candidates"][0]["decision"] == "refused"
    rows = sqlite3.connect(home / "mlflow" / "mlflow.db").execute("select name, status from runs").fetchall()
    assert {name for name, _ in rows} == {
        first.run_name,
        *(f"{first.run_name} {name}" for name in ("raw", "clean")),
        *(f"{name} {stage}" for name in ("raw", "clean") for stage in ("pretrain", "finetune")),
    }
    assert {status for _, status in rows} == {"FINISHED"}


def test_what_scrubbing_found_and_missed_is_tracked(first: PipelineResult, home: Path) -> None:
    query = "select key, value from metrics join runs using (run_uuid) where runs.name like ? and key like ?"
    database = sqlite3.connect(home / "mlflow" / "mlflow.db")
    logged = dict(database.execute(query, ("% clean", "pretraining/scrub.%")).fetchall())
    low, recall, high = (logged[f"pretraining/scrub.recall{end}"] for end in (".ci_low", "", ".ci_high"))
    assert 0.5 < low < recall <= high <= 1
    report = next(
        report for path in (home / "artefacts" / "ScrubbedCorpus").glob("*/report.json")
        if (report := json.loads(path.read_text(encoding="utf-8")))["spans"] == logged["pretraining/scrub.spans"]
    )  # fmt: skip
    for lang, labels in report["spans_per_label"].items():
        for label, count in labels.items():
            assert logged[f"pretraining/scrub.spans.{lang}.{label}"] == count
    assert not database.execute(query, ("% raw", "%scrub.%")).fetchall()


def test_a_second_run_builds_nothing(first: PipelineResult, small: PipelineConfig) -> None:
    from flows.pipeline import run_pipeline

    second = run_pipeline(small)
    assert second.built_stages == 0
    assert [item.payload_digest for item in second.candidates] == [item.payload_digest for item in first.candidates]


def test_a_promotion_changes_nothing_for_the_next_run(first: PipelineResult, small: PipelineConfig) -> None:
    from flows.pipeline import run_pipeline
    from tasks.release_control import promote_version, sign_decision
    from tasks.settings import Settings

    kept = tuple(gate for gate in small.gates.gates if gate.name == "residual_personal_data")
    config = small.model_copy(update={"gates": small.gates.model_copy(update={"gates": kept})})
    clean = run_pipeline(config).candidates[1]
    assert (clean.name, clean.decision) == ("clean", "pending")
    settings = Settings()
    sign_decision("approve", Path(str(clean.release_path)), "test", settings=settings, policy=config.release)
    promote_version("demo", str(clean.version), settings=settings, policy=config.release)
    again = run_pipeline(config)
    assert again.built_stages == 0
    assert again.candidates[1].version == clean.version


def test_a_refused_run_completes_in_a_state_named_refused(first: PipelineResult, small: PipelineConfig) -> None:
    from flows.pipeline import pipeline

    state: Any = pipeline(small, "named-refused", return_state=True)
    assert state.is_completed()
    assert state.name == "Refused"


def test_no_planted_value_reaches_what_people_see(first: PipelineResult, home: Path) -> None:
    from tasks.stages import open_store

    store = open_store()
    values: set[str] = set()
    for folder in (store.root / "artefacts" / "RawCorpus").iterdir():
        records = {}
        for line in (folder / "part-00000.jsonl").read_text(encoding="utf-8").splitlines():
            record = json.loads(line)
            records[record["id"]] = record["text"]
        for line in (folder / "truth" / "personal_data.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            values |= {records[row["id"]][span["start"] : span["end"]] for span in row["spans"]}
    assert len(values) > 100
    seen = [home / "runs", home / "mlflow", *(store.root / "artefacts" / kind for kind in
            ("ValidationReport", "DriftReport", "EvidenceArtefact", "VerdictArtefact"))]  # fmt: skip
    seen += [path for path in (store.root / "artefacts" / "DataDocuments").glob("*/*") if path.is_file()]
    shown = [path for folder in seen for path in ([folder] if folder.is_file() else folder.rglob("*"))]
    shown = [path for path in shown if path.is_file() and path.suffix != ".db"]
    assert len(shown) > 20
    long_values = [value for value in values if len(value) > 6]
    for path in shown:
        text = path.read_text(encoding="utf-8", errors="ignore")
        assert not [value for value in long_values if value in text], path


def test_the_data_behind_a_candidate_can_be_exported(first: PipelineResult, tmp_path: Path) -> None:
    from datasets import load_from_disk

    from components.documentation.export import export_dataset
    from tasks.documents import find_documents
    from tasks.settings import Settings

    for purpose in ("pretraining", "finetuning"):
        documents = find_documents("clean", purpose, Settings())
        facts = export_dataset(documents, tmp_path / purpose)
        loaded = load_from_disk(str(tmp_path / purpose))
        assert {name: len(split) for name, split in loaded.items()} == {s.name: s.records for s in facts.splits}
        assert facts.declared.name == f"demo-{purpose}"
    with pytest.raises(ConfigError, match="--allow-personal-data"):
        export_dataset(find_documents("raw", "finetuning", Settings()), tmp_path / "raw")
    with pytest.raises(ConfigError, match="no such data; it has: finetuning, pretraining"):
        find_documents("clean", "testing", Settings())


def test_monitor_tells_drift_from_none(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.monitor import monitor

    same = load_config("demo").ingestion_of("finetuning")
    from components.ingestion.ingest import ingest_corpus

    folder = tmp_path / "same"
    folder.mkdir()
    ingest_corpus(same, key=b"k", out_dir=folder)
    state: Any = monitor(str(folder / "part-00000.jsonl"), profile="demo", return_state=True)
    assert state.name == "Completed"
    lines = (json.loads(line) for line in (folder / "part-00000.jsonl").read_text(encoding="utf-8").splitlines())
    far = tmp_path / "far.jsonl"
    far.write_text(
        "".join(
            json.dumps({"text": f"{row['text']} {row['text']} {row['text']}", "lang": row["lang"], "label": "negative"})
            + "\n"
            for row in lines
        ),
        encoding="utf-8",
    )
    state = monitor(str(far), profile="demo", return_state=True)
    assert state.name == "Drifted"


def test_promote_refuses_what_is_not_registered(home: Path) -> None:
    from flows.promote import promote

    with pytest.raises(ConfigError):
        promote("demo", "7")
