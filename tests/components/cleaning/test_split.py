"""Splits: disjoint, stable under growth and order, and honest about ready-made ones."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from testkit import shared_data

from components.cleaning.config import SPLIT_NAMES, SplitConfig
from components.cleaning.facts import parse_day
from components.cleaning.split import split_corpus
from components.core.corpus import Record, read_records, write_records
from components.core.errors import ContractError
from components.core.jsonfiles import read_json, read_jsonl
from components.ingestion.config import IngestionConfig
from components.ingestion.ingest import ingest_corpus

PLAIN: dict[str, object] = {
    "fractions": {"train": 0.7, "dev": 0.1, "test": 0.1, "holdout": 0.1},
    "unit": "document",
    "group_near_duplicates": None,
    "respect_given_splits": False,
    "seed": 1,
}
ALL_TRAIN = {"train": 1, "dev": 0, "test": 0, "holdout": 0}


def records_of(count: int) -> list[Record]:
    return [{"id": f"d{index:04d}", "text": f"text number {index}", "lang": "en"} for index in range(count)]


def split(
    tmp_path: Path, records: list[Record], settings_: dict[str, object], name: str = "a"
) -> dict[str, list[Record]]:
    corpus, out = tmp_path / f"in-{name}", tmp_path / f"out-{name}"
    for folder in (corpus, out):
        folder.mkdir()
    write_records(records, corpus)
    report = split_corpus(corpus, SplitConfig.model_validate(settings_), out_dir=out)
    found = {split_name: list(read_records(out / split_name)) for split_name in SPLIT_NAMES}
    assert sum(map(len, found.values())) == report.rows == len(records) - len(list(read_jsonl(out / "dropped.jsonl")))
    return found


def where(found: dict[str, list[Record]]) -> dict[str, str]:
    return {row["id"]: name for name, rows in found.items() for row in rows}


def test_fractions_are_kept_and_records_unchanged(tmp_path: Path) -> None:
    records = records_of(4_000)
    found = split(tmp_path, records, PLAIN)
    assert len(found["train"]) == pytest.approx(2_800, abs=120)  # four standard deviations
    assert all(len(found[name]) == pytest.approx(400, abs=76) for name in ("dev", "test", "holdout"))
    assert sorted((row for rows in found.values() for row in rows), key=lambda row: row["id"]) == records


def test_order_and_growth_move_nothing(tmp_path: Path) -> None:
    records = records_of(600)
    before = where(split(tmp_path, records[:400], PLAIN, "before"))
    random.Random(3).shuffle(records)
    after = where(split(tmp_path, records, PLAIN, "after"))
    assert {name: after[name] for name in before} == before


def test_seed_and_salt_change_the_assignment(tmp_path: Path) -> None:
    base = where(split(tmp_path, records_of(300), PLAIN, "base"))
    assert base != where(split(tmp_path, records_of(300), PLAIN | {"seed": 2}, "seed"))
    assert base != where(split(tmp_path, records_of(300), PLAIN | {"salt": "x"}, "salt"))


def copies_of(count: int) -> list[Record]:
    """Families of three: a text, the same in capitals, and one with two words more."""
    words = [f"w{index}" for index in range(60)]
    records: list[Record] = []
    for index in range(count):
        text = " ".join(random.Random(index).sample(words, 40))
        records += [
            {"id": f"{index}-a", "text": text},
            {"id": f"{index}-b", "text": text.upper() + " "},
            {"id": f"{index}-c", "text": text + " once more"},
        ]
    return records


def splits_of_families(found: dict[str, str], members: str, count: int) -> list[set[str]]:
    return [{found[key] for member in members if (key := f"{index}-{member}") in found} for index in range(count)]


def test_copies_stand_in_one_split_and_near_duplicates_too_where_asked(tmp_path: Path) -> None:
    records = copies_of(150) + records_of(300)
    exact = where(split(tmp_path, records, PLAIN, "exact"))
    assert all(len(names) == 1 for names in splits_of_families(exact, "ab", 150))
    assert any(len(names) == 2 for names in splits_of_families(exact, "abc", 150))
    near = where(split(tmp_path, records, PLAIN | {"group_near_duplicates": {"threshold": 0.8}}, "near"))
    assert all(len(names) == 1 for names in splits_of_families(near, "abc", 150))
    reasons = {row["reason"] for row in read_jsonl(tmp_path / "out-near" / "dropped.jsonl")}
    assert reasons == {"in_another_split", "similar_in_another_split"}


def test_near_duplicates_that_come_later_move_nothing_and_the_order_does_not_matter(tmp_path: Path) -> None:
    settings_ = PLAIN | {"group_near_duplicates": {"threshold": 0.8}}
    records = copies_of(150) + records_of(300)
    first = [record for record in records if not record["id"].endswith(("-a", "-b"))]
    before = where(split(tmp_path, first, settings_, "before"))
    after = where(split(tmp_path, records, settings_, "after"))
    assert len(before) == 450
    assert all(after.get(name, before[name]) == before[name] for name in before)
    assert all(after[name] == "train" for name, where_ in before.items() if where_ == "train")
    random.Random(5).shuffle(records)
    assert where(split(tmp_path, records, settings_, "shuffled")) == after


def test_a_user_is_never_torn_apart_and_near_duplicates_of_each_text_count(tmp_path: Path) -> None:
    records = [record | {"user": f"u{index % 60}"} for index, record in enumerate(records_of(600))]
    records += [record | {"user": f"u{index % 60}"} for index, record in enumerate(copies_of(150))]
    settings_ = PLAIN | {"unit": "user", "group_near_duplicates": {"threshold": 0.8}}
    found = where(split(tmp_path, records, settings_))
    by_user: dict[str, set[str]] = {}
    for record in records:
        if record["id"] in found:
            by_user.setdefault(record["user"], set()).add(found[record["id"]])
    assert len(by_user) == 60
    assert all(len(names) == 1 for names in by_user.values())
    assert all(len(names) == 1 for names in splits_of_families(found, "abc", 150))


def test_forced_records_go_where_they_must_and_their_copies_nowhere_else(tmp_path: Path) -> None:
    records = records_of(200)
    records += [{"id": f"e{index}", "text": f"canary {index}"} for index in range(50)]
    records += [{"id": f"c{index}", "text": f"canary {index}", "force_split": "test"} for index in range(50)]
    found = where(split(tmp_path, records, PLAIN))
    assert all(found[f"c{index}"] == "test" for index in range(50))
    assert {found.get(f"e{index}") for index in range(50)} == {None, "test"}


def test_dated_records_are_parted_by_day_and_growth_moves_nothing(tmp_path: Path) -> None:
    days = ["1999", "2019-12-31T23:59:59", "2020-01-01", "2020-06-01T00:30:00+02:00", "2020-06-01", "1600000000"]
    records = [
        record | {"timestamp": days[index % 6]} if index % 7 else record for index, record in enumerate(records_of(700))
    ]
    settings_ = PLAIN | {
        "time": {"dev_from": "2020-01-01", "test_from": "2020-06-01"},
        "given": {"train": {"train": 0.5, "dev": 0, "test": 0, "holdout": 0.5}},
    }
    found = where(split(tmp_path, records, settings_))
    names = {day: {found[record["id"]] for record in records if record.get("timestamp") == day} for day in days}
    train = {"train", "holdout"}
    assert names == dict(zip(days, [train, train, {"dev"}, {"dev"}, {"test"}, {"test"}], strict=True))
    report = read_json(tmp_path / "out-a" / "report.json")
    assert report["undated"] == 100
    again = where(split(tmp_path, records[:300], settings_, "less"))
    assert again == {name: found[name] for name in again}


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2020-02-29", "2020-02-29"), ("2020-02", "2020-02-01"), ("1793", "1793-01-01"), ("2020-02-30", None),
        ("2020-01-01T23:30:00-01:00", "2020-01-02"), ("1577836800", "2020-01-01"), ("1577836800000", "2020-01-01"),
        (1577836800.5, "2020-01-01"), ("last week", None), ("", None), (None, None), (["2020"], None), ("0000", None),
    ],
)  # fmt: skip
def test_days(value: object, day: str | None) -> None:
    found = parse_day(value)
    assert (found and found.isoformat()) == day


def test_ready_made_splits_are_honoured_divided_and_cleared_of_leaks(tmp_path: Path) -> None:
    records = [record | {"split": "train" if index < 500 else "dev"} for index, record in enumerate(records_of(700))]
    records += [{"id": f"leak{index}", "text": f"TEXT number {index}", "split": "dev"} for index in range(40)]
    settings_ = PLAIN | {
        "respect_given_splits": True,
        "given": {
            "train": {"train": 0.8, "dev": 0.1, "test": 0, "holdout": 0.1},
            "dev": {"train": 0, "dev": 0, "test": 1, "holdout": 0},
        },
    }
    found = split(tmp_path, records, settings_)
    assert {row["id"] for row in found["test"]} == {f"d{index:04d}" for index in range(500, 700)}
    assert len(found["train"]) + len(found["dev"]) + len(found["holdout"]) == 500
    dropped = list(read_jsonl(tmp_path / "out-a" / "dropped.jsonl"))
    assert dropped[0] == {"id": "leak0", "of": "d0000", "reason": "in_another_split"}
    assert len(dropped) == 40
    whole = split(tmp_path, records, PLAIN | {"respect_given_splits": True}, "whole")
    assert (len(whole["train"]), len(whole["dev"]), len(whole["test"])) == (500, 200, 0)


@pytest.mark.parametrize(
    ("records", "message"),
    [
        (records_of(2), "stays empty"),
        ([], "stays empty"),
        ([{"id": "a", "text": "t", "force_split": "trian"}], "force_split"),
    ],
)
def test_what_cannot_be_split_is_refused(tmp_path: Path, records: list[Record], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        split(tmp_path, records, PLAIN)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fractions": {"train": 0.7, "dev": 0.1, "test": 0.1, "holdout": 0.2}}, "must be 1"),
        ({"given": {"train": ALL_TRAIN}}, "respect_given_splits"),
        ({"unit": "sentence"}, "unit"),
        ({"time": {"dev_from": "2020-02-01", "test_from": "2020-01-01"}}, "dev_from must be before"),
        ({"time": {"test_from": "2020-01-01"}, "respect_given_splits": True}, "contradict"),
    ],
)
def test_bad_settings_name_their_key(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        SplitConfig.model_validate(PLAIN | change)


@given(
    rows=st.lists(
        st.tuples(
            st.text("ab ", max_size=3), st.sampled_from(["u", "v", "w", None]), st.sampled_from(["train", "dev", None])
        ),
        max_size=25,
    ),
    by_user=st.booleans(),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_text_and_no_user_stands_in_two_splits(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str | None, str | None]], by_user: bool
) -> None:
    records = records_of(200)
    for index, (text, user, given_split) in enumerate(rows):
        record: Record = {"id": f"x{index}", "text": text}
        record |= {"user": user} if user else {}
        record |= {"split": given_split} if given_split else {}
        records.append(record)
    unit = "user" if by_user else "document"
    found = split(tmp_path_factory.mktemp("s"), records, PLAIN | {"unit": unit, "respect_given_splits": True})
    texts = [{" ".join(row["text"].casefold().split()) for row in rows_} for rows_ in found.values()]
    users = [{row["user"] for row in rows_ if "user" in row} for rows_ in found.values()]
    for sets in (texts, users) if by_user else (texts,):
        assert len(set().union(*sets)) == sum(map(len, sets))


@pytest.mark.shared_data
def test_chnsenticorp_dev_rows_that_stand_in_train_are_dropped(tmp_path: Path) -> None:
    """338 of the 1,200 development rows also stand in the training file."""
    source = {
        "columns": {"text": "text_a", "label": "label"},
        "label_map": {0: "negative", 1: "positive"},
        "lang": "zh",
    }
    sources = [
        source | {"path": str(shared_data("chnsenticorp", "train.tsv.gz")), "split": "train"},
        source | {"path": str(shared_data("chnsenticorp", "dev.tsv")), "split": "dev"},
    ]
    raw, out = tmp_path / "raw", tmp_path / "out"
    for folder in (raw, out):
        folder.mkdir()
    ingest_corpus(IngestionConfig.model_validate({"sources": sources, "languages": ["zh"]}), key=b"k", out_dir=raw)
    report = split_corpus(raw, SplitConfig.model_validate(PLAIN | {"respect_given_splits": True}), out_dir=out)
    assert report.summary["reasons"] == {"in_another_split": 338}
    assert report.summary["splits"]["dev"]["records"] == 1_200 - 338
