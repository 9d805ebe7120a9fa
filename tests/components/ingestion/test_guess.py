"""Guessing columns of files as people have them, in English and Chinese."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from components.core.errors import ContractError
from components.ingestion.guess import guess_columns, profile_data

ENGLISH = [
    {"Ticket ID": f"T-{n}", "Created At": f"2026-03-{1 + n % 28:02d} 10:00", "Customer": f"c{n % 7}",
     "Message": f"The parcel number {n} arrived late and the box was open", "Category": ["delivery", "billing"][n % 2],
     "Gender": ["f", "m"][n % 2]}
    for n in range(60)
]  # fmt: skip
CHINESE = [
    {
        "编号": str(n),
        "提交时间": f"2026/3/{1 + n % 28}",
        "工单内容": f"第{n}个包裹送晚了，外包装也破损了",
        "情感": ["负面", "正面"][n % 2],
    }
    for n in range(60)
]
LATER = [
    {"编号": f"e{n}", "提交时间": "2026/4/1", "工单内容": f"the order {n} was here on time and works", "情感": "正面"}
    for n in range(20)
]


def test_english_headers() -> None:
    assert guess_columns(ENGLISH) == {
        "text": "Message",
        "label": "Category",
        "timestamp": "Created At",
        "id": "Ticket ID",
        "user": "Customer",
        "group": "Gender",
    }


def test_chinese_headers() -> None:
    assert guess_columns(CHINESE) == {"text": "工单内容", "label": "情感", "timestamp": "提交时间", "id": "编号"}


def test_content_decides_where_names_say_nothing() -> None:
    rows = [{"a": f"some longer words stand here, number {n}", "b": str(n % 2)} for n in range(30)]
    assert guess_columns(rows) == {"text": "a", "label": "b"}
    two = [{**row, "c": str(n % 3)} for n, row in enumerate(rows)]
    assert guess_columns(two) == {"text": "a"}  # b or c? nobody can say
    gender = [{"a": row["a"], "性别": "男女"[n % 2]} for n, row in enumerate(rows)]
    assert guess_columns(gender) == {"text": "a", "group": "性别"}


def test_a_name_does_not_help_against_its_content() -> None:
    rows = [{"text": f"words of text {n}", "label": f"unique-{n}"} for n in range(40)]
    assert guess_columns(rows) == {"text": "text"}


def test_what_the_caller_knows_stands() -> None:
    rows = [{"text": f"words of text {n}", "note": f"other words here {n}", "label": str(n % 3)} for n in range(40)]
    assert guess_columns(rows, known={"text": "note"})["text"] == "note"


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_every_table_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"data.{suffix}"
    rows = CHINESE + LATER
    if suffix == "jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    elif suffix == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        with path.open("w", encoding="utf-8-sig" if suffix == "csv" else "utf-8", newline="") as handle:
            writer = csv.DictWriter(handle, rows[0], delimiter="," if suffix == "csv" else "\t")
            writer.writeheader()
            writer.writerows(rows)
    profile = profile_data(str(path))
    assert profile.rows == 80
    assert profile.columns["text"] == "工单内容"
    assert profile.labels == {"正面": 50, "负面": 30}
    assert profile.languages == {"zh": 0.75, "en": 0.25}


def test_a_file_without_text_names_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("a,b\n" + "1,2\n" * 20)
    with pytest.raises(ContractError, match="the columns are a, b"):
        profile_data(str(path))
