"""Every input form gives the same records; every bad line is counted, whatever stands in it."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core.errors import ConfigError, ContractError
from components.ingestion.config import SourceConfig
from components.ingestion.readers import read_documents, read_input
from components.ingestion.records import Quarantined

ROWS = [
    {"id": "a1", "text": "The parcel came late.", "label": "negative", "lang": "en"},
    {"id": "a2", "text": "客服态度很好，发货也快。", "label": "positive", "lang": "zh"},
    {"id": "a3", "text": 'Emoji 👩‍💻, quotes "so", commas, tabs no.', "label": "positive", "lang": "en"},
]


def as_jsonl(rows: list[dict[str, str]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def as_csv(rows: list[dict[str, str]]) -> bytes:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def as_tsv(rows: list[dict[str, str]]) -> bytes:
    lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]
    return ("\n".join(lines) + "\n").encode()


def as_parquet(rows: list[dict[str, str]]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def texts_and_lost(path: Path, **settings: object) -> tuple[list[str], list[tuple[int, str]]]:
    items = list(read_documents([SourceConfig(path=str(path), **settings)]))
    lost = [(item.line, item.reason.value) for item in items if isinstance(item, Quarantined)]
    return [item["text"] for item in items if not isinstance(item, Quarantined)], lost


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("x.jsonl", as_jsonl),
        ("x.jsonl.gz", lambda rows: gzip.compress(as_jsonl(rows))),
        ("x.jsonl.zst", lambda rows: zstandard.compress(as_jsonl(rows))),
        ("x.csv", as_csv),
        ("x.csv.gz", lambda rows: gzip.compress(as_csv(rows))),
        ("x.tsv", as_tsv),
        ("x.parquet", as_parquet),
        ("x.jsonl", lambda rows: b"\xef\xbb\xbf" + as_jsonl(rows).replace(b"\n", b"\r\n")),
        ("x.csv", lambda rows: b"\xef\xbb\xbf" + as_csv(rows)),
        ("x.csv", lambda rows: as_csv(rows).replace(b"id,text,label,lang", b"id,text,label,lang")),
    ],
)
def test_every_form_gives_the_same_records(
    tmp_path: Path, name: str, encode: Callable[[list[dict[str, str]]], bytes]
) -> None:
    (tmp_path / name).write_bytes(encode(ROWS))
    assert list(read_documents([str(tmp_path / name)])) == ROWS


def test_txt_ends_a_document_at_a_blank_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("\n\nfirst line\nsecond line\n \t\n\n第二篇\n", encoding="utf-8")
    assert texts_and_lost(path) == (["first line\nsecond line", "第二篇"], [])
    assert texts_and_lost(path, unwrap_lines=True)[0][0] == "first line second line"
    assert len(texts_and_lost(path, split_documents="whole_file")[0]) == 1


def test_unwrapping_joins_chinese_lines_without_a_space(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("今天天气\n很好。\nIt is\nfine.\n", encoding="utf-8")
    assert texts_and_lost(tmp_path / "a.txt", unwrap_lines=True)[0] == ["今天天气很好。It is fine."]


def test_markdown_loses_marks_and_comments(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# 标题\n\n<!-- INFO\nEND -->\n\n第一条\n", encoding="utf-8")
    assert texts_and_lost(tmp_path / "a.md")[0] == ["标题\n\n\n\n第一条"]


def test_wikiextractor(tmp_path: Path) -> None:
    path = tmp_path / "wiki_00"
    path.write_text(
        '<doc id="7" url="u" title="A &amp; B">\nA & B\n\nOne &lt; two.\nThree.\n\n</doc>\n'
        '<doc id="8" url="u" title="Stub">\nStub\n\n</doc>\n'
        '<doc id="9" url="u" title="Open">\nOpen\n\nno end\n',
        encoding="utf-8",
    )
    items = list(read_documents([str(path)]))
    assert items[0] == {"id": "7", "text": "One < two.\nThree."}
    assert [(item.line, item.reason.value) for item in items[1:]] == [(8, "too_short"), (12, "unclosed_document")]


BAD_LINES = [
    (b'{"text": "\xff\xfe"}', "invalid_utf8"),
    (b'{"text": "a\x00b"}', "nul_bytes"),
    (b"{not json", "not_json"),
    (b'{"text": "cut off', "not_json"),
    (b"[1, 2]", "not_an_object"),
    (b'"just text"', "not_an_object"),
    (b'{"body": "x"}', "no_text"),
    (b'{"text": null}', "no_text"),
    (b'{"text": 7}', "text_not_string"),
    (b'{"text": ["a"]}', "text_not_string"),
    (b'{"text": ""}', "empty"),
    (b'{"text": " \\n\\u3000"}', "empty"),
    (b'{"text": "\\ud800 alone"}', "lone_surrogate"),
    (b'{"text": "fine", "user": "\\udfff"}', "lone_surrogate"),
    (b"[" * 100_000, "not_json"),
    (b'{"text": "x", "n": ' + b"9" * 5_000 + b"}", "not_json"),
    (b'{"text": "' + b"a" * 1_000_001 + b'"}', "too_long"),
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES)
def test_a_bad_line_is_quarantined_and_its_neighbours_stay(tmp_path: Path, line: bytes, reason: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "before"}\n' + line + b'\n{"text": "after"}\n')
    assert texts_and_lost(path) == (["before", "after"], [(2, reason)])


def test_a_line_of_50_megabytes_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with path.open("wb") as handle:
        handle.write(b'{"text": "before"}\n{"text": "')
        for _ in range(50):
            handle.write(b"a" * 1_000_000)
        handle.write(b'"}\n{"text": "after"}')
    list(read_documents([str(tmp_path / "a.jsonl")]))  # imports and caches are not the reader's memory
    tracemalloc.start()
    found = texts_and_lost(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == (["before", "after"], [(2, "too_long")])
    assert peak < 8_000_000


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.tsv", "wiki_00"])
def test_other_formats_skip_a_long_line_too(tmp_path: Path, name: str) -> None:
    long = b"a" * 3_000_000
    data = {
        "a.csv": b"text\nbefore\n" + long + b"\nafter\n",
        "a.tsv": b"text\nbefore\n" + long + b"\nafter\n",
        "a.txt": b"before\n\n" + long + b"\n\nafter\n",
        "wiki_00": b'<doc id="1">\nt\nbefore\n</doc>\n<doc id="2">\nt\n'
        + long
        + b'\n</doc>\n<doc id="3">\nt\nafter\n</doc>',
    }
    (tmp_path / name).write_bytes(data[name])
    texts, lost = texts_and_lost(tmp_path / name)
    assert texts == ["before", "after"]
    assert [reason for _, reason in lost] == ["too_long"]


def test_csv_with_quoted_line_breaks_and_bad_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b'text,label\n"two\nlines, one cell",1\ntorn, apart, text,1\nshort\n\xff,1\nnul\x00,1\nlast,0\n')
    texts, lost = texts_and_lost(path)
    assert texts == ["two\nlines, one cell", "short", "last"]
    assert lost == [(4, "wrong_column_count"), (6, "invalid_utf8"), (7, "nul_bytes")]


def test_an_unclosed_quote_costs_its_own_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    rows = [f"line {index} is long enough" for index in range(60_000)]
    body = "".join(f"{row},1\n" for row in rows)
    path.write_text(f'text,label\n"open,1\n{body}', encoding="utf-8")
    assert texts_and_lost(path) == (rows, [(2, "bad_csv")])
    path.write_text(f'text,label\n{body}"open at the end,1', encoding="utf-8")
    assert texts_and_lost(path) == (rows, [(60_002, "bad_csv")])
    path.write_text('text,label\n"open,1\n"closed, with a comma",1\nlast,0\n', encoding="utf-8")
    assert texts_and_lost(path) == (["closed, with a comma", "last"], [(2, "bad_csv")])


def test_tsv_takes_quotes_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('"half quoted\t1\nplain\t0\n', encoding="utf-8")
    columns = {"text": 0, "label": 1}
    assert texts_and_lost(tmp_path / "a.tsv", has_header=False, columns=columns)[0] == ['"half quoted', "plain"]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_a_csv_of_another_delimiter_is_recognised_by_its_header(tmp_path: Path, delimiter: str) -> None:
    (tmp_path / "a.csv").write_text(f"id{delimiter}text\n1{delimiter}a, b\n", encoding="utf-8")
    assert texts_and_lost(tmp_path / "a.csv")[0] == ["a, b"]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.parquet", "a.jsonl"])
def test_a_missing_text_column_names_those_that_exist(tmp_path: Path, name: str) -> None:
    rows = [{"body": "x", "sentiment": "1"}]
    encode = {"a.csv": as_csv, "a.tsv": as_tsv, "a.parquet": as_parquet, "a.jsonl": as_jsonl}[name]
    (tmp_path / name).write_bytes(encode(rows))
    with pytest.raises(ContractError, match=r"body, sentiment.*ingestion\.columns"):
        list(read_documents([str(tmp_path / name)]))
    mapped = list(read_input(str(tmp_path / name), columns={"text": "body", "label": "sentiment"}))
    assert mapped[0]["text"] == "x" and mapped[0]["label"] == "1"


def test_a_mapped_column_that_is_missing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,sentiment\nx,1\n", encoding="utf-8")
    with pytest.raises(ContractError, match="label \\('sentimnt'\\)"):
        texts_and_lost(tmp_path / "a.csv", columns={"text": "text", "label": "sentimnt"})


def test_parquet_of_the_wrong_kind(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "numbers.parquet")
    with pytest.raises(ContractError, match="holds int64, not strings"):
        list(read_documents([str(tmp_path / "numbers.parquet")]))
    (tmp_path / "none.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(ContractError, match="not a Parquet file"):
        list(read_documents([str(tmp_path / "none.parquet")]))


def test_parquet_nulls_numbers_and_dates(tmp_path: Path) -> None:
    import datetime

    table = pa.table(
        {
            "text": ["a", None, "c"],
            "label": [1.0, 0.0, None],
            "user": [7, 8, 9],
            "timestamp": [datetime.datetime(2024, 5, 1, 12)] * 3,
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    first, lost, last = read_documents([str(tmp_path / "a.parquet")])
    assert {key: first[key] for key in ("label", "user", "timestamp")} == {
        "label": "1",
        "user": "7",
        "timestamp": "2024-05-01T12:00:00",
    }
    assert lost.reason.value == "no_text" and lost.line == 2
    assert "label" not in last


def test_encodings(tmp_path: Path) -> None:
    (tmp_path / "g.txt").write_bytes("天气很好".encode("gb18030"))
    assert texts_and_lost(tmp_path / "g.txt", encoding="gb18030")[0] == ["天气很好"]
    assert texts_and_lost(tmp_path / "g.txt")[1] == [(1, "invalid_utf8")]
    (tmp_path / "u.txt").write_bytes("text".encode("utf-16"))
    with pytest.raises(ContractError, match="UTF-16"):
        texts_and_lost(tmp_path / "u.txt")


def test_stdin_is_jsonl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(as_jsonl(ROWS))))
    assert list(read_documents(["-"])) == ROWS


def test_hub_address_of_a_local_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(as_jsonl(ROWS[:2]))
    (folder / "test.jsonl").write_bytes(as_jsonl(ROWS[2:]))
    whole = list(read_documents([f"hf://{folder}"]))
    assert [(row["id"], row["split"]) for row in whole] == [("a1", "train"), ("a2", "train"), ("a3", "test")]
    assert [row["id"] for row in read_documents([f"hf://{folder}#test"])] == ["a3"]
    with pytest.raises(ConfigError, match="nosuch"):
        list(read_documents([f"hf://{folder}#nosuch"]))
    with pytest.raises(ContractError, match=r"ingestion\.columns"):
        list(read_documents([SourceConfig(path=f"hf://{folder}", columns={"text": "body"})]))


def test_a_bad_hub_address_is_refused() -> None:
    with pytest.raises(ConfigError, match="hf://owner/name"):
        list(read_documents(["hf://"]))


def test_verbs_keep_the_users_own_columns_and_ingestion_does_not(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "x", "ticket": {"n": 1}}\n', encoding="utf-8")
    assert next(iter(read_input(str(tmp_path / "a.jsonl"))))["ticket"] == {"n": 1}
    assert "ticket" not in next(iter(read_documents([str(tmp_path / "a.jsonl")])))


def test_ids_are_unique_and_survive_reordering(tmp_path: Path) -> None:
    lines = [
        '{"text": "same"}',
        '{"text": "same"}',
        '{"text": "other"}',
        '{"id": "k", "text": "1"}',
        '{"id": "k", "text": "2"}',
    ]
    for name, order in (("a.jsonl", [0, 1, 2, 3, 4]), ("b.jsonl", [2, 3, 4, 1, 0])):
        (tmp_path / name).write_text("\n".join(lines[index] for index in order), encoding="utf-8")
    first = [(row["text"], row["id"]) for row in read_documents([str(tmp_path / "a.jsonl")], key=b"k")]
    second = [(row["text"], row["id"]) for row in read_documents([str(tmp_path / "b.jsonl")], key=b"k")]
    assert sorted(first) == sorted(second)
    assert len({identifier for _, identifier in first}) == 5
    assert [identifier for _, identifier in first[3:]] == ["k", "k~2"]


def test_long_documents_are_cut_and_max_records_counts_pieces(tmp_path: Path) -> None:
    paragraphs = [f"Paragraph {index} " + "word " * 30 for index in range(10)]
    (tmp_path / "a.txt").write_text("\n\n".join(paragraphs), encoding="utf-8")
    source = SourceConfig(path=str(tmp_path / "a.txt"), split_documents="whole_file", max_document_characters=400)
    records = list(read_documents([source], key=b"k"))
    base = records[0]["id"].split("#")[0]
    assert [record["id"] for record in records] == [f"{base}#{index}" for index in range(len(records))]
    assert all(len(record["text"]) <= 400 for record in records)
    assert " ".join(" ".join(record["text"] for record in records).split()) == " ".join(" ".join(paragraphs).split())
    limited = source.model_copy(update={"max_records": 2})
    assert len(list(read_documents([limited]))) == 2


@given(data=st.binary(max_size=400), name=st.sampled_from(["a.jsonl", "a.csv", "a.tsv", "a.txt", "wiki_00"]))
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_bytes_give_records_or_quarantine_or_a_contract_error(tmp_path: Path, data: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(data)
    try:
        items = list(
            read_documents(
                [SourceConfig(path=str(tmp_path / name), format="wikiextractor" if name == "wiki_00" else "auto")],
                key=b"k",
            )
        )
    except ContractError as error:
        assert "\n" not in str(error).replace(str(data), "")
        return
    for item in items:
        assert isinstance(item, Quarantined) or (item["text"].strip() and item["id"])
        json.dumps(item if not isinstance(item, Quarantined) else item.as_row(), ensure_ascii=False).encode("utf-8")
