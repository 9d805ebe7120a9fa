"""Readers under fire: mutated files of every form, by hypothesis and from a generated corpus.

Whatever the bytes: records or quarantined entries come out, or one of our errors; every record can be written; no two
share an id; nothing of a text stands in an entry; and it takes a bounded time a megabyte.
"""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import random
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core.errors import ContractError
from components.ingestion.config import SourceConfig
from components.ingestion.readers import read_documents
from components.ingestion.records import Quarantined

MARK = "SeKrEt"
MAX_SECONDS_PER_MEGABYTE = 8.0
Rows = list[dict[str, str]]

ODD = [
    *("", " ", "\t", "\u3000", "\u200b", "\ufeff", "\u202e", "\u2028", "\x00", "\x0b", "\x1a", "\x7f", "\x85"),
    *("👩‍👩‍👧‍👦", "🏳️‍🌈", "e\u0301" * 20, "中文", "𠮷", "\U0010ffff", "ﷺ", "שלום", "ｆｕｌｌ"),
    *('"', '""', "'", ",", ";", "\\", "\\u0000", "\\ud800", "{", "}", "[", "]", "<doc id=", "</doc>", "<!--", "-->"),
    *("&#0;", "&#xD800;", "&amp;", "&#" + "9" * 5_000 + ";", "NaN", "null", "-0", "1e999", "0x1f", "TRUE"),
    *("=1+1", "%s%n", "../../etc/passwd", "$(true)", "A" * 5_000, "\n", "\r", "\r\n", "\n\n", "# ", "|"),
]  # fmt: skip


def make_text(rng: random.Random) -> str:
    words = ["the parcel", "was here", "and has gone", "客服态度", "很好", MARK]
    parts = [rng.choice(ODD) if rng.random() < 0.3 else rng.choice(words) for _ in range(rng.randrange(1, 12))]
    return rng.choice(["", " "]).join(parts)


def make_rows(rng: random.Random, count: int) -> Rows:
    fields = ("id", "label", "user", "lang", "other")
    return [
        {"text": make_text(rng), **{name: make_text(rng)[:40] for name in fields if rng.random() < 0.3}}
        for _ in range(count)
    ]


def as_jsonl(rows: Rows, rng: random.Random) -> bytes:
    return b"\n".join(json.dumps(row, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass") for row in rows)


def as_csv(rows: Rows, rng: random.Random) -> bytes:
    buffer = io.StringIO()
    writer = csv.DictWriter(
        buffer,
        ["text", "id", "label", "user", "lang", "other"],
        lineterminator=rng.choice(["\n", "\r\n", "\r"]),
        quoting=rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    )
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode("utf-8", "surrogatepass")


def as_tsv(rows: Rows, rng: random.Random) -> bytes:
    return ("text\tid\n" + "\n".join(f"{row['text']}\t{row.get('id', '')}" for row in rows)).encode()


def as_txt(rows: Rows, rng: random.Random) -> bytes:
    return "\n\n".join(row["text"] for row in rows).encode()


def as_wiki(rows: Rows, rng: random.Random) -> bytes:
    return "".join(f'<doc id="{n}">\nt\n{row["text"]}\n</doc>\n' for n, row in enumerate(rows)).encode()


def as_parquet(rows: Rows, rng: random.Random) -> bytes:
    buffer = io.BytesIO()
    names = ["text", "id", "label", "user", "lang", "other"]
    table = pa.table(
        {name: [row.get(name) for row in rows] for name in names}, schema=pa.schema({n: pa.string() for n in names})
    )
    compression = rng.choice(["none", "snappy", "zstd", "gzip"])
    pq.write_table(table, buffer, row_group_size=rng.choice([7, 50, 1_000]), compression=compression)
    return buffer.getvalue()


def in_zip(data: bytes, name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    return buffer.getvalue()


def in_tar(data: bytes, name: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


FORMS: dict[str, Callable[[Rows, random.Random], bytes]] = {
    "a.jsonl": as_jsonl,
    "a.csv": as_csv,
    "a.tsv": as_tsv,
    "a.txt": as_txt,
    "a.md": as_txt,
    "wiki_00": as_wiki,
    "a.parquet": as_parquet,
    "a.jsonl.gz": lambda rows, rng: gzip.compress(as_jsonl(rows, rng), mtime=0),
    "a.jsonl.bz2": lambda rows, rng: bz2.compress(as_jsonl(rows, rng)),
    "a.jsonl.zst": lambda rows, rng: zstandard.compress(as_jsonl(rows, rng)),
    "a.zip": lambda rows, rng: in_zip(as_csv(rows, rng), "b.csv"),
    "a.tar": lambda rows, rng: in_tar(as_jsonl(rows, rng), "b.jsonl"),
    "a.tar.gz": lambda rows, rng: gzip.compress(in_tar(as_txt(rows, rng), "b.txt"), mtime=0),
}


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Flip, drop, repeat, swap or overwrite some bytes, or cut the end off."""
    changed = bytearray(data)
    for _ in range(rng.choice([0, 1, 1, 2, 5, 20])):
        if not changed:
            break
        start = rng.randrange(len(changed))
        stop = min(len(changed), start + rng.choice([1, 1, 2, 8, 100]))
        kind = rng.randrange(5)
        if kind == 0:
            changed[start] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del changed[start:stop]
        elif kind == 2:
            changed[start:start] = changed[start:stop] * rng.choice([1, 3, 50])
        elif kind == 3:
            changed[start:stop] = rng.choice(ODD).encode("utf-8", "surrogatepass")
        else:
            del changed[start:]
    return bytes(changed)


def check(path: Path, **options: object) -> tuple[int, int]:
    """Read a file and hold what comes out against the promises; returns how many were kept and quarantined."""
    ids: set[str] = set()
    quarantined = 0
    started = time.process_time()
    try:
        for item in read_documents([SourceConfig(path=str(path), **options)], keep_unknown_columns=True, key=b"k"):
            if isinstance(item, Quarantined):
                quarantined += 1
                assert MARK not in json.dumps(item.as_row())
                continue
            assert item["text"].strip() and "\0" not in item["text"]
            json.dumps(item, ensure_ascii=False, allow_nan=False).encode("utf-8")
            ids.add(item["id"])
            assert len(ids) + quarantined > 0
    except ContractError as error:
        assert "\n" not in str(error)
        quarantined += 1
    seconds = time.process_time() - started
    assert seconds < MAX_SECONDS_PER_MEGABYTE * path.stat().st_size / 1e6 + 2
    return len(ids), quarantined


def attack(tmp_path: Path, records: int, seed: int) -> tuple[int, int]:
    """Mutated files of all forms with at least so many records together; returns kept and quarantined."""
    rng = random.Random(seed)
    kept, lost, written = 0, 0, 0
    while written < records:
        for name, encode in FORMS.items():
            rows = make_rows(rng, rng.choice([1, 20, 200]))
            path = tmp_path / name
            path.write_bytes(mutate(encode(rows, rng), rng))
            options = {"max_document_characters": 200} if rng.random() < 0.2 else {}
            form = {"a.md": "markdown", "wiki_00": "wikiextractor"}.get(name, "auto")
            found = check(path, format=form, unwrap_lines=rng.random() < 0.3, **options)
            kept, lost, written = kept + found[0], lost + found[1], written + len(rows)
    return kept, lost


def test_mutated_files_of_every_form(tmp_path: Path) -> None:
    kept, lost = attack(tmp_path, 8_000, seed=20)
    assert kept > 2_000  # else the mutations hide everything and the test proves little
    assert lost > 100


@pytest.mark.soak
def test_mutated_files_of_every_form_at_length(tmp_path: Path) -> None:
    kept, lost = attack(tmp_path, 150_000, seed=21)
    assert kept > 40_000
    assert lost > 2_000


@pytest.mark.parametrize("name", FORMS)
def test_an_unharmed_file_of_each_form_is_read_to_its_end(tmp_path: Path, name: str) -> None:
    rows = [{"text": f"The parcel number {n} was here.", "id": f"r{n}"} for n in range(100)]
    (tmp_path / name).write_bytes(FORMS[name](rows, random.Random(0)))
    form = {"a.md": "markdown", "wiki_00": "wikiextractor"}.get(name, "auto")
    split = {"split_documents": "blank_line"} if name == "a.md" else {}
    assert check(tmp_path / name, format=form, **split) == (100, 0)


@given(data=st.binary(max_size=600), name=st.sampled_from(sorted(FORMS)))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes(tmp_path: Path, data: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(data)
    check(tmp_path / name, format={"wiki_00": "wikiextractor"}.get(name, "auto"))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(), max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(st.dictionaries(st.sampled_from(["text", "id", "lang", "label", "x"]), json_values), max_size=8))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_json_objects(tmp_path: Path, rows: list[dict[str, object]]) -> None:
    lines = [json.dumps(row) for row in rows]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, '{"text": "last"}']), encoding="utf-8")
    kept, lost = check(tmp_path / "a.jsonl")
    assert kept + lost == len(rows) + 1  # an empty object is a record without a text


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8"), max_size=12), min_size=2, max_size=2), max_size=8))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_csv_as_python_writes_it_loses_nothing(tmp_path: Path, rows: list[list[str]]) -> None:
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, quoting=csv.QUOTE_ALL)
        writer.writerow(["text", "label"])
        writer.writerows(rows)
    items = list(read_documents([str(tmp_path / "a.csv")]))
    assert len(items) == len(rows)
    for (text, _), item in zip(rows, items, strict=True):
        if isinstance(item, Quarantined):
            assert not text.strip() or "\0" in "".join(map("".join, rows))
        else:
            assert item["text"] == text.replace("\r\n", "\n").replace("\r", "\n")
