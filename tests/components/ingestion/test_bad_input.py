"""Bad input: the bad part is counted and set aside, the rest goes on, in time linear in the input, and no text of it
reaches what is logged."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import struct
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.core.errors import ContractError
from components.core.jsonfiles import read_jsonl
from components.ingestion.config import IngestionConfig, SourceConfig
from components.ingestion.formats import unwrap
from components.ingestion.ingest import ingest_corpus
from components.ingestion.readers import read_documents, read_input
from components.ingestion.records import Quarantined
from components.ingestion.sources import open_files

GOOD = b'{"text": "before"}\n'
LAST = b'{"text": "after"}\n'
# CPU seconds that the worst input may take on a slow machine, where records are long and where they are of three bytes.
MAX_SECONDS_PER_MEGABYTE = 5.0
MAX_SECONDS_PER_RECORD = 2.0e-4


def read(path: Path, **settings: object) -> tuple[list[str], list[tuple[int, str]]]:
    items = list(read_documents([SourceConfig(path=str(path), **settings)]))
    return (
        [item["text"] for item in items if not isinstance(item, Quarantined)],
        [(item.line, item.reason.value) for item in items if isinstance(item, Quarantined)],
    )


def write_parquet(path: Path, **columns: object) -> None:
    pq.write_table(pa.table(columns), path)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.txt"])
@pytest.mark.parametrize(
    "text",
    [
        "שלום \u202eabc\u202c \u200fdef",
        "👩‍👩‍👧‍👦🏳️‍🌈👍🏽 mixed with 中文 and e\u0301",
        "zero\u200bwidth\u2060 and \ufeff inside",
        "\U0010ffff noncharacter \ufdd0",
        "line\u2028separator\u0085next",
    ],
)
def test_strange_but_valid_text_comes_through_unchanged(tmp_path: Path, name: str, text: str) -> None:
    head, line = {
        "a.jsonl": ("", json.dumps({"text": text}, ensure_ascii=False)),
        "a.csv": ("text\n", text),
        "a.tsv": ("text\n", text),
        "a.txt": ("", text),
    }[name]
    (tmp_path / name).write_text(f"{head}{line}\n", encoding="utf-8")
    assert read(tmp_path / name) == ([text], [])


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "a\\u0000b"}', "nul_bytes"),
        (b'{"text": "a", "label": "x\\u0000"}', "nul_bytes"),
        (b'{"text": "\\ud83d \\ude00"}', "lone_surrogate"),
        (b'{"text": "\xed\xa0\x80"}', "invalid_utf8"),
        (b'{"text": "\xc0\xaf"}', "invalid_utf8"),
        (b'{"text": "\xf5\x80\x80\x80"}', "invalid_utf8"),
        (b'{"text": ' * 90_000, "not_json"),
        (b'{"text": ["a", "list"]}', "text_not_string"),
    ],
)
def test_a_bad_line_of_json(tmp_path: Path, line: bytes, reason: str) -> None:
    (tmp_path / "a.jsonl").write_bytes(GOOD + line + b"\n" + LAST)
    assert read(tmp_path / "a.jsonl") == (["before", "after"], [(2, reason)])


@pytest.mark.parametrize(
    ("extra", "kept"),
    [
        (b'"n": NaN', {"n": None}),
        (b'"n": [1e999, {"k": -Infinity}]', {"n": [None, {"k": None}]}),
        (b'"\\ud800": 1', "lone_surrogate"),
        (b'"n": {"\\udfff": 1}', "lone_surrogate"),
        (b'"n": ["\\ud800"]', "lone_surrogate"),
        (b'"n": "a\\u0000"', "nul_bytes"),
        (b'"n": ' + b"[" * 200 + b"]" * 200, "too_deep"),
        (b'"n": ' + b'{"a":' * 200 + b"1" + b"}" * 200, "too_deep"),
    ],
)
def test_a_verb_carries_foreign_columns_only_as_json_can_hold_them(tmp_path: Path, extra: bytes, kept: object) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "x", ' + extra + b"}\n" + LAST)
    first, last = read_input(str(tmp_path / "a.jsonl"))
    assert not isinstance(last, Quarantined) and last["text"] == "after"
    if isinstance(first, Quarantined):
        assert first.reason.value == kept
    else:
        json.dumps(first, ensure_ascii=False, allow_nan=False).encode("utf-8")
        assert {key: first[key] for key in first if key not in {"id", "text"}} == kept


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.tsv", "a.txt", "wiki_00"])
def test_a_line_of_100_megabytes(tmp_path: Path, name: str) -> None:
    before, start, end, after = {
        "a.jsonl": (GOOD, b'{"text": "', b'"}\n', LAST),
        "a.csv": (b"text\nbefore\n", b'"', b'"\n', b"after\n"),
        "a.tsv": (b"text\nbefore\n", b"", b"\n", b"after\n"),
        "a.txt": (b"before\n\n", b"", b"\n\n", b"after\n"),
        "wiki_00": (
            b'<doc id="1">\nt\nbefore\n</doc>\n',
            b'<doc id="2">\nt\n',
            b"\n</doc>\n",
            b'<doc id="3">\nt\nafter\n</doc>\n',
        ),
    }[name]
    with (tmp_path / name).open("wb") as handle:
        handle.write(before + start)
        for _ in range(100):
            handle.write(b"a" * 1_000_000)
        handle.write(end + after)
    tracemalloc.start()
    started = time.process_time()
    kept, lost = read(tmp_path / name)
    seconds, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert kept == ["before", "after"]
    assert [reason for _, reason in lost] == ["too_long"]
    assert peak < 12_000_000
    assert seconds < 0.2 * 100


SLOW: dict[str, tuple[str, bytes, dict[str, object]]] = {
    "spaces in wrapped text": ("a.txt", b"a" + b" " * 900_000 + b"b", {"unwrap_lines": True}),
    "tabs and line ends": ("a.txt", b"a \t\n" * 200_000, {"unwrap_lines": True}),
    "comments never closed": ("a.md", b"<!--" * 200_000, {}),
    "comments closed": ("a.md", b"<!---->" * 100_000, {}),
    "headings": ("a.md", b"#" * 900_000, {}),
    "quotes never closed": ("a.csv", b"text\n" + b'"a\n' * 40_000, {}),
    "quotes never closed, two columns": ("a.csv", b"text,label\n" + b'x,"a\n' * 30_000, {}),
    "quotes closed far away": ("a.csv", b"text,label\n" + (b'"' + b"a\n" * 4_000) * 10, {}),
    "quotes and commas": ("a.csv", b"text,label\n" + b'",' * 400_000, {}),
    "carriage returns": ("a.csv", b"text\n" + b"abcd\r" * 100_000, {}),
    "brackets": ("a.jsonl", b"[" * 900_000, {}),
    "digits": ("a.jsonl", b'{"text": "a", "n": ' + b"9" * 900_000 + b"}", {}),
    "fractions": ("a.jsonl", b'{"text": "a", "n": 0.' + b"9" * 900_000 + b"}", {}),
    "escapes": ("a.jsonl", b'{"text": "' + b"\\u4e2d" * 150_000 + b'"}', {}),
    "keys": ("a.jsonl", b"{" + b",".join(b'"k%d":1' % n for n in range(80_000)) + b"}", {}),
    "references": ("wiki_00", b'<doc id="1">\nt\n' + b"&#" + b"9" * 900_000 + b";\n</doc>\n", {}),
    "ampersands": ("wiki_00", b'<doc id="1">\nt\n' + b"&" * 900_000 + b"\n</doc>\n", {}),
    "documents never closed": ("wiki_00", b'<doc id="' * 100_000, {}),
    "short documents": ("a.txt", b"q z\n\n" * 40_000, {}),
    "one long paragraph to cut": ("a.txt", b"a " * 450_000, {"max_document_characters": 200}),
    "white space to cut": ("a.txt", b"a" + b" " * 900_000 + b"." * 90_000, {"max_document_characters": 200}),
}  # fmt: skip


@pytest.mark.parametrize("kind", SLOW)
def test_time_a_megabyte_is_bounded(tmp_path: Path, kind: str) -> None:
    name, data, settings = SLOW[kind]
    (tmp_path / name).write_bytes(data)
    entries = 0
    started = time.process_time()
    with contextlib.suppress(ContractError):
        source = SourceConfig(path=str(tmp_path / name), **settings)
        for _ in read_documents([source], max_record_bytes=8_000_000):
            entries += 1
    seconds = time.process_time() - started
    assert seconds < MAX_SECONDS_PER_MEGABYTE * len(data) / 1e6 + MAX_SECONDS_PER_RECORD * entries + 1


def test_unwrapping_is_what_a_plain_reading_of_it_says() -> None:
    assert unwrap("今天\n很好 \n ok \t\n\tyes\n\n  \nnext  word\nend") == "今天很好ok yes\n\nnext  word end"


def test_a_reference_too_long_to_be_a_number(tmp_path: Path) -> None:
    (tmp_path / "wiki_00").write_bytes(b'<doc id="1">\nt\nA &#' + b"9" * 5_000 + b"; &#65; &lt;b\n</doc>\n")
    assert read(tmp_path / "wiki_00") == (["A \ufffd A <b"], [])


CSV_TRAPS = [
    (b'\xef\xbb\xbf"text",label\r\nwith bom,1\r\n', ["with bom"], []),
    (b"text,label\rold mac,1\rtwo,0", ["old mac", "two"], []),
    (b"text,label\r\nmixed,1\nends,0\rhere,1\n\nblank,0\n", ["mixed", "ends", "here", "blank"], []),
    (b"text\n" + b"x" * 200_000 + b"\nafter\n", ["x" * 200_000, "after"], []),
    (b'text,label\n"he said ""no""",1\n', ['he said "no"'], []),
    (b'text,label\na "quote" inside,1\n', ['a "quote" inside'], []),
    (b'text,label\n"one\ntwo\nthree",1\nlast,0\n', ["one\ntwo\nthree", "last"], []),
    (b'text,label\n"never closed,1\nb,0\nc,1\n', ["b", "c"], [(2, "bad_csv")]),
    (b'text,label\na,1\n"never closed', ["a"], [(3, "bad_csv")]),
    (b'text,label\n"open,1\n"open too,0\nc,1\n', ["c"], [(2, "bad_csv"), (3, "bad_csv")]),
    (b"text,label\na,1,surplus\nb,0\n", ["b"], [(2, "wrong_column_count")]),
    (b"text,label\n", [], []),
    (b"text,label", [], []),
]


@pytest.mark.parametrize(("data", "kept", "lost"), CSV_TRAPS)
def test_csv_traps(tmp_path: Path, data: bytes, kept: list[str], lost: list[tuple[int, str]]) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    assert read(tmp_path / "a.csv") == (kept, lost)


def test_a_quote_that_swallows_megabytes_costs_no_more_than_its_line(tmp_path: Path) -> None:
    rows = [f"line {n}, of a file" for n in range(80_000)]
    body = "".join(f'"{row}",1\n' for row in rows)
    (tmp_path / "a.csv").write_text(f'text,label\n"open,1\n{body}', encoding="utf-8")
    kept, lost = read(tmp_path / "a.csv")
    assert lost == [(2, "bad_csv")]
    assert kept == rows


def test_a_parquet_file_with_another_schema_is_one_entry(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", text=["first"])
    write_parquet(tmp_path / "b.parquet", body=["other"], n=[1])
    write_parquet(tmp_path / "c.parquet", text=[["a", "list"]])
    write_parquet(tmp_path / "d.parquet", text=[7])
    write_parquet(tmp_path / "e.parquet", text=["last"], labels=[["a", "list"]])
    assert read(tmp_path) == (["first", "last"], [(1, "other_schema")] * 3)
    with pytest.raises(ContractError, match="list<"):
        read(tmp_path / "c.parquet")


def test_a_broken_parquet_file_is_one_entry(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", text=[f"row {n}" for n in range(5_000)])
    data = (tmp_path / "a.parquet").read_bytes()
    broken = {
        "footer": data[:-300] + b"\0" * 292 + data[-8:],
        "length": data[:-8] + struct.pack("<I", 0x7FFFFFFF) + data[-4:],
        "truncated": data[: len(data) // 2],
        "magic": data[:-4] + b"PAR2",
        "empty": b"",
        "page": data[:4] + bytes(len(data) // 2) + data[4 + len(data) // 2 :],
    }
    for kind, content in broken.items():
        (tmp_path / f"b-{kind}.parquet").write_bytes(content)
    kept, lost = read(tmp_path)
    assert kept[:5_000] == [f"row {n}" for n in range(5_000)]
    assert [reason for _, reason in lost] == ["unreadable_file"] * len(broken)


def test_one_bad_row_of_a_parquet_file_costs_itself_alone(tmp_path: Path) -> None:
    values = pa.array([b"one", b"\xff\xfe", b"three"], pa.binary()).view(pa.string())
    write_parquet(tmp_path / "a.parquet", text=values, id=["a", "b", "c"])
    assert read(tmp_path / "a.parquet") == (["one", "three"], [(2, "invalid_utf8")])


def test_a_long_string_in_every_row_of_a_parquet_file_is_in_memory_once(tmp_path: Path) -> None:
    rows = [0] * 2_000 + [1]  # 10 GB of text in a file of a few kilobytes
    text = pa.DictionaryArray.from_arrays(pa.array(rows, pa.int32()), pa.array(["a" * 5_000_000, "short"]))
    pq.write_table(pa.table({"text": text}), tmp_path / "a.parquet", dictionary_pagesize_limit=1 << 28)
    assert (tmp_path / "a.parquet").stat().st_size < 1_000_000
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()
    kept, lost = read(tmp_path / "a.parquet")
    assert kept == ["short"]
    assert len(lost) == 2_000 and {reason for _, reason in lost} == {"too_long"}
    assert pool.max_memory() - before < 100_000_000


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


def with_checksum(header: bytearray) -> bytes:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header[:512])
    return bytes(header)


def negative_size(data: bytearray) -> bytes:
    data[124:136] = b"\xff" * 8 + struct.pack(">i", -512)  # base 256, as GNU writes what octal cannot hold
    return with_checksum(bytearray(data[:512])) + data[512:]


def endless_header(data: bytearray) -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 30
    return info.tobuf() + data


def bad_second_header(data: bytearray) -> bytes:
    data[1024:1030] = b"\xff" * 6
    return bytes(data)


@pytest.mark.parametrize("spoil", [negative_size, endless_header, bad_second_header])
def test_headers_that_would_hang_or_fool_a_tar_reader(tmp_path: Path, spoil: Callable[[bytearray], bytes]) -> None:
    data = tar_of((tarfile.TarInfo("a.jsonl"), GOOD), (tarfile.TarInfo("b.jsonl"), LAST))
    (tmp_path / "a.tar").write_bytes(spoil(bytearray(data)))
    (tmp_path / "b.jsonl").write_bytes(LAST)
    started = time.process_time()
    kept, lost = read(tmp_path)
    assert kept[-1] == "after"
    assert [reason for _, reason in lost] == ["unreadable_file"]
    assert time.process_time() - started < 5


def test_a_zip_whose_members_are_all_the_same_bytes(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"a" * 10_000_000)
        archive.filelist *= 60  # its table of contents names the one member sixty times: 600 MB out of 13 KB
    (tmp_path / "z.jsonl.gz").write_bytes(gzip.compress(LAST))
    kept, lost = read(tmp_path)
    assert kept == ["after"]
    reasons = [reason for _, reason in lost]
    assert set(reasons) <= {"too_long", "too_large_unpacked", "unreadable_file"}  # newer Pythons refuse the overlap
    assert reasons.count("too_long") <= 20 and set(reasons) != {"too_long"}


def test_archives_in_archives_are_left_out(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("inner.zip", b"PK")
        archive.writestr("b.jsonl", GOOD)
    assert read(tmp_path / "a.zip") == (["before"], [])


def test_odd_names_in_archives_and_folders(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("line\nend \u202e.jsonl", b"{bad\n" + LAST)
    info = tarfile.TarInfo("odd.jsonl")
    data = tar_of((info, b"{bad\n")).replace(b"odd.jsonl", b"\xff\xfed.jsonl")
    (tmp_path / "b.tar").write_bytes(with_checksum(bytearray(data[:512])) + data[512:])
    (tmp_path / os.fsdecode(b"c\xff.jsonl")).write_bytes(b"{bad\n" + GOOD)
    (tmp_path / "out").mkdir()
    config = IngestionConfig.model_validate(
        {"sources": [str(tmp_path)], "languages": ["en"], "max_quarantined_share": 1.0}
    )
    with pytest.raises(ContractError, match="no record in en"):
        ingest_corpus(config, key=b"k", out_dir=tmp_path / "out")
    (tmp_path / "d.jsonl").write_text(
        '{"text": "The parcel that was here has gone.", "lang": "en"}\n', encoding="utf-8"
    )
    ingest_corpus(config, key=b"k", out_dir=tmp_path / "out")
    names = [row["source"] for row in read_jsonl(tmp_path / "out" / "quarantine.jsonl")]
    assert len(names) == 3
    assert all(name.isprintable() for name in names)


def test_links_that_leave_the_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "s.jsonl").write_bytes(b'{"text": "not to be read"}\n')
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "a.jsonl").write_bytes(GOOD)
    (root / "b.jsonl").symlink_to(tmp_path / "secret" / "s.jsonl")
    (root / "c.jsonl").symlink_to(root / "a.jsonl")
    (root / "folder").symlink_to(tmp_path / "secret")
    (root / "sub" / "loop").symlink_to(root)
    (root / "dangling.jsonl").symlink_to(root / "absent.jsonl")
    assert read(root) == (["before", "before"], [(0, "outside_root")])
    assert read(f"{root}/*.jsonl") == (["before", "before"], [(0, "outside_root")])  # type: ignore[arg-type]
    with pytest.raises(ContractError, match="leads out"):
        read(f"{root}/*/*.jsonl")  # type: ignore[arg-type]
    (tmp_path / "door").symlink_to(root)
    assert read(tmp_path / "door")[0] == ["before", "before"]


def test_a_pipe_in_a_folder_is_left_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_bytes(GOOD)
    assert read(tmp_path) == (["before"], [])


def test_nothing_of_a_bad_record_is_written_or_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = "Ana Ruiz 4111-1111-1111-1111"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jsonl").write_text(f'{{"text": "{secret}\n{{"{secret}": 1}}\n', encoding="utf-8")
    (tmp_path / "in" / "b.csv").write_text(f'text\n"{secret}\n', encoding="utf-8")
    (tmp_path / "in" / "c.csv").write_text(f"{secret},x\n1,2\n", encoding="utf-8")
    (tmp_path / "in" / "d.jsonl").write_text('{"text": "The parcel that was here has gone."}\n', encoding="utf-8")
    config = {"sources": [str(tmp_path / "in")], "languages": ["en"], "max_quarantined_share": 1.0}
    with caplog.at_level("DEBUG"):
        report = ingest_corpus(IngestionConfig.model_validate(config), key=b"k", out_dir=tmp_path / "out")
    written = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "out").iterdir())
    for place in (written, caplog.text, str(report)):
        assert "Ruiz" not in place and "4111" not in place
    assert report.summary["quarantined"] == 4 and report.summary["unreadable_files"] == 1


def test_more_unreadable_files_than_allowed_stop_the_run(tmp_path: Path) -> None:
    for number in range(10):
        line = json.dumps({"text": f"The parcel number {number} that was here has gone."}).encode() + b"\n"
        data = gzip.compress(line * 100 + os.urandom(50_000).hex().encode())
        (tmp_path / f"{number}.jsonl.gz").write_bytes(data if number else data[: len(data) // 2])
    settings = {"sources": [str(tmp_path)], "languages": ["en"]}
    with pytest.raises(ContractError, match="1 of 10 files") as caught:
        ingest_corpus(IngestionConfig.model_validate(settings), key=b"k", out_dir=tmp_path / "out")
    assert "0.jsonl.gz" in str(caught.value)
    allowed = IngestionConfig.model_validate(settings | {"max_quarantined_share": 0.1})
    assert ingest_corpus(allowed, key=b"k", out_dir=tmp_path / "out").rows == 1_000


def test_a_source_can_be_left_before_its_end(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(GOOD)
    files = open_files(SourceConfig(path=str(tmp_path)))
    next(files)
    files.close()  # type: ignore[attr-defined]
