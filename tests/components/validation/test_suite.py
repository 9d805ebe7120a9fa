"""The schema check and the quality suite: each planted defect fails its expectation and no other, nothing passes by
being empty, and no report holds a value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.core.corpus import Record, write_records
from components.core.errors import ContractError
from components.core.jsonfiles import read_json
from components.scrubbing import LABELS, ScrubbingConfig
from components.scrubbing.detectors.settings import RulesSettings
from components.validation import ValidationConfig
from components.validation.expectations import RangeLimit, RowLimit, Rule, ShareLimit, run_suite
from components.validation.report import State, combine
from components.validation.schema import check_schema
from components.validation.suite import validate_corpus

# Rules: what is judged here is the suite, not what a tagger thinks of these sentences.
SCRUBBING = ScrubbingConfig(
    languages=("en", "zh"), labels=LABELS, policy="redact", min_score=0.5, detectors=(RulesSettings(),)
)


def config(**changes: object) -> ValidationConfig:
    values: dict[str, object] = {
        "min_rows": 20,
        "max_null_share": 0.0,
        "min_characters": 5,
        "max_characters": 500,
        "max_length_outlier_share": 0.05,
        "min_language_share": {"en": 0.3, "zh": 0.3},
        "max_wrong_language_share": 0.05,
        "max_duplicate_share": 0.05,
        "max_residual_personal_data_share": 0.01,
    }
    return ValidationConfig.model_validate(values | changes)


def clean_records(n: int = 100) -> list[Record]:
    texts = {"en": "The kettle from shelf {} works well and it is quiet.", "zh": "架子{}上的水壶很好用，声音也很小。"}
    return [
        {"id": f"r{i}", "text": texts[lang].format(i), "lang": lang, "label": ("good", "bad")[i % 3 == 0]}
        for i, lang in ((i, ("en", "zh")[i % 2]) for i in range(n))
    ]


def judge(records: list[Record], folder: Path, **changes: object) -> dict[str, Any]:
    write_records(records, folder / "in")
    report = validate_corpus(folder / "in", config(**changes), out_dir=folder / "out", personal_data=SCRUBBING)
    written: dict[str, Any] = read_json(folder / "out" / "report.json")
    assert report.summary["state"] == written["state"]
    return written


def not_passed(report: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item["state"] for item in report["expectations"] if item["state"] != "pass"}


def test_a_clean_corpus_passes_everything(tmp_path: Path) -> None:
    report = judge(clean_records(), tmp_path, labels=("good", "bad"))
    assert report["state"] == "pass"
    assert not_passed(report) == {}
    observed = {item["name"]: (item["observed"], item["n"]) for item in report["expectations"]}
    assert observed["rows"] == (100, 100)
    assert observed["language_en"] == (0.5, 100)
    assert observed["duplicates"] == (0.0, 100)


PLANTED: dict[str, tuple[dict[str, Any], int, str]] = {
    "personal data": ({"text": "Please write to ana{i}@example.com about the shelf."}, 10, "residual_personal_data"),
    "duplicates": ({"text": "  The same KETTLE stands on the same shelf as before. "}, 10, "duplicates"),
    "too short": ({"text": "架子{i}", "lang": "zh"}, 10, "length_outliers"),
    "wrong language": ({"text": "Der Wasserkocher {i} steht noch immer auf dem Regal."}, 10, "wrong_language"),
    "not what lang says": ({"lang": "zh"}, 10, "wrong_language"),
    "no text": ({"text": " "}, 1, "text_missing"),
    "repeated id": ({"id": "r1"}, 1, "id_repeated"),
    "unknown label": ({"label": "ugly"}, 1, "label_unknown"),
}  # fmt: skip


@pytest.mark.parametrize("defect", PLANTED)
def test_each_defect_fails_its_expectation_and_no_other(defect: str, tmp_path: Path) -> None:
    change, count, expectation = PLANTED[defect]
    records = clean_records()
    for i in range(count):
        changed = {key: value.format(i=i) for key, value in change.items()}
        records[2 * i + 2] = {**records[2 * i + 2], **changed}
    report = judge(records, tmp_path, labels=("good", "bad"))
    assert report["state"] == "fail"
    assert not_passed(report) == {expectation: "fail"}


def test_a_missing_language_and_too_few_rows_fail(tmp_path: Path) -> None:
    english = [record for record in clean_records() if record["lang"] == "en"]
    assert not_passed(judge(english, tmp_path / "a")) == {"language_zh": "fail"}
    assert not_passed(judge(clean_records(10), tmp_path / "b")) == {"rows": "fail"}


def test_reports_hold_no_value_and_no_outside_reference(tmp_path: Path) -> None:
    records = clean_records(40)
    planted = ["ana.ruiz@example.com", "4111 1111 1111 1111", "张伟强", "secret kettle"]
    for i, value in enumerate(planted):
        records[i]["text"] = f"{value} 姓名：张伟强 {value}"
    records[5]["id"] = "ana.ruiz@example.com"
    records[6]["label"] = "ana.ruiz@example.com"
    records[7]["text"] = None
    write_records(records, tmp_path / "in")
    chosen = config(labels=("good", "bad"))
    check_schema(tmp_path / "in", chosen, out_dir=tmp_path / "schema")
    validate_corpus(tmp_path / "in", chosen, out_dir=tmp_path / "quality", personal_data=SCRUBBING)
    for path in (*(tmp_path / "schema").iterdir(), *(tmp_path / "quality").iterdir()):
        content = path.read_text(encoding="utf-8")
        assert not any(value in content for value in (*planted, "ana.ruiz", "r1"))
        assert "://" not in content
        assert "<script" not in content


def test_schema_check(tmp_path: Path) -> None:
    write_records(clean_records(), tmp_path / "good")
    assert check_schema(tmp_path / "good", config(), out_dir=tmp_path / "a").summary["state"] == "pass"
    broken = [{"id": f"b{i}", "text": None} for i in range(3)] + [{"text": "no id here at all"}]
    write_records(clean_records() + broken, tmp_path / "bad")
    check_schema(tmp_path / "bad", config(), out_dir=tmp_path / "b")
    assert not_passed(read_json(tmp_path / "b" / "report.json")) == {"text_missing": "fail", "id_missing": "fail"}
    with pytest.raises(ContractError, match="no part-"):
        check_schema(tmp_path / "nowhere", config(), out_dir=tmp_path / "c")


def test_nothing_passes_by_being_empty(tmp_path: Path) -> None:
    empty = judge([], tmp_path / "empty")
    assert empty["state"] == "error"
    assert {item["state"] for item in empty["expectations"]} == {"error"}
    blank = judge([{"id": f"b{i}", "text": "", "lang": "en"} for i in range(50)], tmp_path / "blank")
    assert not_passed(blank)["length_outliers"] == "error"
    assert not_passed(blank)["residual_personal_data"] == "error"
    assert blank["state"] == "error"


def test_personal_data_that_nobody_looked_for_is_an_error(tmp_path: Path) -> None:
    write_records(clean_records(), tmp_path / "in")
    report = validate_corpus(tmp_path / "in", config(), out_dir=tmp_path / "out", personal_data=None)
    assert report.summary["state"] == "error"
    assert report.summary["not_passed"] == ["residual_personal_data"]


def test_a_counting_function_may_stand_for_the_detectors(tmp_path: Path) -> None:
    write_records(clean_records(), tmp_path / "in")
    found = validate_corpus(
        tmp_path / "in", config(), out_dir=tmp_path / "out", personal_data=lambda text, lang: int(lang == "zh")
    )
    assert found.summary["not_passed"] == ["residual_personal_data"]


@pytest.mark.parametrize(
    ("columns", "rules", "state"),
    [
        ({"x": []}, [ShareLimit("s", "x", 0.5)], State.ERROR),
        ({"x": []}, [RowLimit("r", 1)], State.ERROR),
        ({"x": [None, None]}, [ShareLimit("s", "x", 0.5)], State.ERROR),
        ({"x": [None, None]}, [RangeLimit("s", "x", 0, 1, 0.5)], State.ERROR),
        ({"x": [float("nan")]}, [RangeLimit("s", "x", 0, 1, 0.5)], State.ERROR),
        ({"x": [1.0]}, [ShareLimit("s", "absent", 0.5)], State.ERROR),
        ({"x": [1.0]}, [RangeLimit("s", "absent", 0, 1, 0.5)], State.ERROR),
        ({"x": [1.0]}, [], State.ERROR),
        ({"x": [0.0, 1.0]}, [ShareLimit("s", "x", 0.5)], State.PASS),
        ({"x": [0.0, 1.0, 1.0]}, [ShareLimit("s", "x", 0.5)], State.FAIL),
        ({"x": [0.0, 1.0, 1.0]}, [ShareLimit("s", "x", 0.5, "min")], State.PASS),
        ({"x": [0.0, 0.0, 1.0]}, [ShareLimit("s", "x", 0.5, "min")], State.FAIL),
        ({"x": [2.0, 3.0, 9.0, None]}, [RangeLimit("s", "x", 1, 5, 0.34)], State.PASS),
        ({"x": [2.0, 9.0, 9.0, None]}, [RangeLimit("s", "x", 1, 5, 0.34)], State.FAIL),
        ({"x": [0.0]}, [RowLimit("r", 1), RowLimit("r", 2)], State.FAIL),
        ({"x": [0.0]}, [RowLimit("r", 2), ShareLimit("s", "absent", 0.5)], State.ERROR),
    ],
)  # fmt: skip
def test_three_states(columns: dict[str, list[float | None]], rules: list[Rule], state: State) -> None:
    arrays = {name: np.array(values, dtype=np.float64) for name, values in columns.items()}
    assert run_suite("table", arrays, rules).state is state


@given(st.lists(st.sampled_from(list(State)), max_size=5))
def test_combining_never_hides_a_bad_state(states: list[State]) -> None:
    assert (combine(states) is State.PASS) == (bool(states) and set(states) == {State.PASS})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"min_characters": 600}, "max_characters"),
        ({"min_language_share": {"en": 0.7, "zh": 0.7}}, "adds up"),
        ({"min_language_share": {}}, "min_language_share"),
        ({"max_duplicate_share": 1.5}, "max_duplicate_share"),
        ({"min_rows": 0}, "min_rows"),
        ({"min_row": 1}, "min_row"),
    ],
)
def test_bad_configs_are_refused_by_name(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        config(**changes)
