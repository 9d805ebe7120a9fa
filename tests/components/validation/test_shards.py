"""Validation by shard: the same verdict however a corpus is cut and whoever measures, and where the trouble is."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core.corpus import Record, write_records
from components.core.jsonfiles import read_json
from components.scrubbing import LABELS, ScrubbingConfig
from components.scrubbing.detectors.settings import RulesSettings
from components.validation import ValidationConfig
from components.validation.schema import check_schema
from components.validation.suite import validate_corpus

# Rules: what is judged here is the suite, not what a tagger thinks of these sentences.
SCRUBBING = ScrubbingConfig(
    languages=("en", "zh"), labels=LABELS, policy="redact", min_score=0.5, detectors=(RulesSettings(),)
)
TEXTS = {"en": "The kettle from shelf {} works well and it is quiet.", "zh": "架子{}上的水壶很好用，声音也很小。"}


def config(**changes: object) -> ValidationConfig:
    values: dict[str, object] = {
        "min_rows": 20,
        "max_null_share": 0.02,
        "min_characters": 5,
        "max_characters": 500,
        "max_length_outlier_share": 0.05,
        "min_language_share": {"en": 0.3, "zh": 0.3},
        "max_wrong_language_share": 0.05,
        "max_duplicate_share": 0.05,
        "max_residual_personal_data_share": 0.01,
        "labels": ("good", "bad"),
    }
    return ValidationConfig.model_validate(values | changes)


def clean_records(n: int) -> list[Record]:
    return [
        {"id": f"r{i}", "text": TEXTS[lang].format(i), "lang": lang, "label": ("good", "bad")[i % 3 == 0]}
        for i, lang in ((i, ("en", "zh")[i % 2]) for i in range(n))
    ]


def spoil(records: list[Record], rng: random.Random) -> None:
    """Some defects, near or beyond what is allowed."""
    changes: list[dict[str, Any]] = [
        {"text": None}, {"text": " "}, {"text": "hi"}, {"id": "r0"}, {"id": None}, {"label": "ugly"}, {"lang": "zh"},
        {"lang": "fr"}, {"text": TEXTS["en"].format(0)}, {"text": "Write to ana@example.com about the shelf."}, {},
    ]  # fmt: skip
    for _ in range(rng.randrange(12)):
        index = rng.randrange(len(records))
        records[index] = {**records[index], **rng.choice(changes)}


def judge(records: list[Record], folder: Path, per_shard: int, **changes: object) -> dict[str, Any]:
    write_records(records, folder / "in", records_per_shard=per_shard)
    validate_corpus(folder / "in", config(**changes), out_dir=folder / "out", personal_data=SCRUBBING)
    found: dict[str, Any] = read_json(folder / "out" / "report.json")
    return found


@given(st.integers(0, 10_000), st.integers(20, 80), st.integers(3, 30))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_verdict_does_not_depend_on_the_cut(tmp_path: Path, seed: int, rows: int, per_shard: int) -> None:
    records = clean_records(rows)
    spoil(records, random.Random(seed))
    folder = tmp_path / f"{seed}-{rows}-{per_shard}"
    whole = judge(records, folder / "whole", rows)
    cut = judge(records, folder / "cut", per_shard)
    assert (whole["state"], whole["expectations"]) == (cut["state"], cut["expectations"])
    assert len(cut["shards"]) == -(-rows // per_shard)
    assert sum(shard["rows"] for shard in cut["shards"]) == rows


def test_the_report_says_in_which_shard(tmp_path: Path) -> None:
    records = clean_records(1_000)
    for i in range(310, 320):
        records[i]["text"] = f"Please write to ana{i}@example.com about the shelf."
        records[i]["lang"] = "en"
    for i in range(710, 740):
        records[i]["text"] = records[2]["text"]
        records[i]["lang"] = "en"
    report = judge(records, tmp_path, 100)
    assert report["state"] == "pass"  # 1% and 3% of the whole are allowed
    spoiled = {shard["name"]: shard["not_passed"] for shard in report["shards"] if shard["state"] != "pass"}
    assert spoiled == {"part-00003.jsonl": ["residual_personal_data"], "part-00007.jsonl": ["duplicates"]}


def test_repeats_across_shards_are_repeats(tmp_path: Path) -> None:
    records = clean_records(100)
    report = judge([*records, *({**record, "id": f"s{i}"} for i, record in enumerate(records))], tmp_path, 100)
    observed = {item["name"]: item["observed"] for item in report["expectations"]}
    assert observed["duplicates"] == 0.5 and observed["id_repeated"] == 0.0


def test_two_workers_write_what_one_writes(tmp_path: Path) -> None:
    records = clean_records(300)
    spoil(records, random.Random(4))
    write_records(records, tmp_path / "in", records_per_shard=60)
    for name, workers in (("one", 1), ("two", 2)):
        chosen = config(workers=workers)
        validate_corpus(tmp_path / "in", chosen, out_dir=tmp_path / name, personal_data=SCRUBBING)
    for name in ("report.json", "report.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert config(workers=2).digest() == config(workers=1).digest()


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"not json\n", b"[1]\n", b'{"text": "\xff"}\n', b"[" * 100_000, b'{"id": "a", "text": "b"}\n{'],
)
def test_a_shard_that_cannot_be_read_is_an_error(tmp_path: Path, content: bytes) -> None:
    write_records(clean_records(200), tmp_path / "in", records_per_shard=50)
    (tmp_path / "in" / "part-00004.jsonl").write_bytes(content)
    for judge_it, out in ((check_schema, "schema"), (validate_corpus, "quality")):
        extra = {} if judge_it is check_schema else {"personal_data": None}
        judge_it(tmp_path / "in", config(), out_dir=tmp_path / out, **extra)  # type: ignore[operator]
        report = read_json(tmp_path / out / "report.json")
        assert report["state"] == "error"
        assert report["expectations"][-1] | {"n": 0} == {
            "name": "shards_unjudged", "state": "error", "observed": 1.0, "limit": 0.0, "side": "max", "n": 0,
            "reason": "a shard has no records, or they cannot be read",
        }  # fmt: skip
        assert report["shards"][4]["state"] == "error"


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    write_records(clean_records(200), tmp_path / "in", records_per_shard=50)
    looked: list[str] = []

    def count(text: str, lang: str | None) -> int:
        if len(looked) == 120:
            raise KeyboardInterrupt
        looked.append(text)
        return 0

    arguments: dict[str, Any] = {"personal_data": count, "work_dir": tmp_path / "work"}
    with pytest.raises(KeyboardInterrupt):
        validate_corpus(tmp_path / "in", config(), out_dir=tmp_path / "out", **arguments)
    again = looked[100:120]
    looked.clear()
    validate_corpus(tmp_path / "in", config(), out_dir=tmp_path / "out", **arguments)
    assert len(looked) == 100  # the two shards that were not finished
    assert looked[:20] == again
    assert read_json(tmp_path / "out" / "report.json")["state"] == "pass"
