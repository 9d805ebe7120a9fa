"""Blocks of a file: every line once, nothing but the text changed, bad lines counted, long ones never held."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from collections.abc import Iterator

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from components.ingestion.records import FileError
from components.scrubbing import LABELS, ScrubbingConfig
from components.scrubbing.blocks import Block, BlockJob, read_blocks, scrub_block

CONFIG = ScrubbingConfig.model_validate(
    {"languages": ("en", "zh"), "labels": LABELS, "policy": "redact", "min_score": 0.5}
)


def scrub(data: bytes, *, suffix: str = ".jsonl", first_line: int = 1, lang: str | None = None) -> object:
    return scrub_block(BlockJob(Block(first_line, data), CONFIG, None, lang, suffix, ".jsonl"))


@given(
    st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b" ")), max_size=30),
    st.integers(1, 50),
    st.booleans(),
)
def test_blocks_hold_every_line_once_and_know_its_number(lines: list[bytes], block_bytes: int, ended: bool) -> None:
    data = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    blocks = list(read_blocks(io.BytesIO(data), block_bytes=block_bytes, max_line_bytes=1000))
    assert b"".join(block.data for block in blocks) == data.removeprefix(b"\xef\xbb\xbf")
    at = 1
    for block in blocks:
        assert block.first_line == at
        at += block.data.count(b"\n")


@given(st.integers(1, 64), st.integers(0, 3))
def test_a_line_too_long_is_dropped_and_counted(block_bytes: int, before: int) -> None:
    data = b"a\n" * before + b"x" * 500 + b"\nb\n"
    blocks = list(read_blocks(io.BytesIO(data), block_bytes=block_bytes, max_line_bytes=100))
    assert b"".join(block.data for block in blocks) == b"a\n" * before + b"b\n"
    assert sum(block.too_long for block in blocks) == 1
    assert blocks[-1].first_line + blocks[-1].data.count(b"\n") == before + 3


@given(st.integers(1, 200), st.integers(0, 120))
@settings(deadline=None)
def test_whole_lines_before_the_damage_are_kept(block_bytes: int, cut: int) -> None:
    data = b"".join(b"%d\n" % number for number in range(40))
    found = b""
    with pytest.raises(FileError), gone_bad(data[:cut]) as stream:
        for block in read_blocks(stream, block_bytes=block_bytes, max_line_bytes=1000):
            found += block.data
    assert found == data[: data.rfind(b"\n", 0, cut) + 1]


@contextlib.contextmanager
def gone_bad(data: bytes) -> Iterator[io.BufferedReader]:
    """A stream that breaks behind these bytes."""

    class Breaking(io.RawIOBase):
        left = data

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
            if not self.left:
                raise FileError("x: truncated; get the file again")
            count = min(len(buffer), len(self.left), 7)
            buffer[:count], self.left = self.left[:count], self.left[count:]
            return count

    yield io.BufferedReader(Breaking(), 16)


def test_nothing_but_the_text_changes() -> None:
    lines = [
        b'{"id": "a", "text": "mail ana@corp.io", "z": 1, "n": 12345678901234567890123456789, "ok": true, "no": null}',
        b'{"text": "x", "f": 1.10, "list": [1, {"b": "\\u00e9"}], "id": "b", "lang": "en"}',
        b'{"id": "c", "text": "x", "nan": NaN}',
        '{"id": 7, "text": "写信给 ana@corp.io", "标签": "是"}'.encode(),
    ]
    done = scrub(b"\n".join(lines))
    rows = [json.loads(line) for line in done.output.splitlines()]  # type: ignore[attr-defined]
    for line, row in zip(lines, rows, strict=True):
        given_ = json.loads(line)
        assert list(row) == list(given_)
        assert {k: str(v) for k, v in row.items() if k != "text"} == {
            k: str(v) for k, v in given_.items() if k != "text"
        }
    assert [row["text"] for row in rows] == ["mail [EMAIL_ADDRESS]", "x", "x", "写信给 [EMAIL_ADDRESS]"]


def test_bad_lines_are_counted_by_reason_and_the_rest_goes_on() -> None:
    bad = {
        b"{": "not_json", b"[1]": "not_an_object", b'{"id": "x"}': "no_text", b'{"text": 3}': "text_not_string",
        b'{"text": "  "}': "empty", b'{"text": "a\\ud800"}': "lone_surrogate", b'{"text": "\xff"}': "invalid_utf8",
        b'{"text": "a\x00b"}': "nul_bytes",
        b'{"text": "a\\u0000b"}': "nul_bytes", b'{"text": "' + b"y" * 1_000_001 + b'"}': "too_long",
        b"[" * 100_000: "not_json",
    }  # fmt: skip
    done = scrub(b"\n".join([*bad, b'{"text": "fine"}', b"", b"  "]))
    expected: dict[str, int] = {}
    for reason in bad.values():
        expected[reason] = expected.get(reason, 0) + 1
    assert dict(done.unreadable) == expected  # type: ignore[attr-defined]
    assert done.counts.records == 1  # type: ignore[attr-defined]


def test_a_missing_id_is_made_from_place_and_scrubbed_text() -> None:
    one, other = (
        [json.loads(row)["id"] for row in scrub(b'{"text": "%s"}\n{"text": "%s"}' % (mail, mail)).output.splitlines()]  # type: ignore[attr-defined]
        for mail in (b"ana@corp.io", b"bob@corp.io")
    )
    assert one == other  # nothing of the address is in it
    assert len(set(one)) == 2


@pytest.mark.parametrize(("suffix", "opened"), [(".gz", gzip.decompress), (".zst", zstandard.decompress)])
def test_compressed_blocks_join_to_one_file(suffix: str, opened: object) -> None:
    parts = [scrub(b'{"id": "%d", "text": "x"}\n' % n, suffix=suffix).output for n in range(3)]  # type: ignore[attr-defined]
    if suffix == ".gz":
        plain = gzip.decompress(b"".join(parts))
    else:
        plain = zstandard.ZstdDecompressor().stream_reader(b"".join(parts), read_across_frames=True).read()
    assert [json.loads(line)["id"] for line in plain.splitlines()] == ["0", "1", "2"]
    assert parts[0] == scrub(b'{"id": "0", "text": "x"}\n', suffix=suffix).output  # type: ignore[attr-defined]


def test_spans_fit_the_input_and_name_the_language() -> None:
    text = "My name is Grace Mercer, ana@corp.io"
    done = scrub(json.dumps({"id": "a", "text": text, "lang": "English"}).encode())
    row = json.loads(done.spans)  # type: ignore[attr-defined]
    assert (row["id"], row["lang"]) == ("a", "en")
    assert [(s["label"], text[s["start"] : s["end"]]) for s in row["spans"]] == [
        ("PERSON", "Grace Mercer"),
        ("EMAIL_ADDRESS", "ana@corp.io"),
    ]
