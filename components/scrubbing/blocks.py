"""A stream of JSON Lines, scrubbed a block at a time: what ``touchstone scrub`` does to a file.

A block is about a megabyte of whole lines. Blocks are read by one process, parsed, scrubbed and formatted by the
workers, and written in order, so memory is a few blocks a worker and the bytes are the same for any number of
workers. Fields other than the text stay as they are; a record without an id gets one from its place and its scrubbed
text (a digest of the raw text could be tried out against guesses).
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase
from itertools import islice

from components.core.corpus import Record
from components.ingestion.records import FileError, QuarantineReason, normalise_language
from components.scrubbing.config import ScrubbingConfig
from components.scrubbing.lines import format_line, parse_line
from components.scrubbing.shards import RECORDS_PER_BATCH, ShardCounts, format_spans, scrub_records, scrubber_of

BLOCK_BYTES = 1 << 20
MAX_LINE_BYTES = 1_000_000
_ESCAPED = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)")  # half of a surrogate pair, or NUL
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines of an input; ``first_line`` counts from 1. ``too_long`` lines were passed over and dropped."""

    first_line: int
    data: bytes
    too_long: int = 0


@dataclass(frozen=True, slots=True)
class BlockJob:
    """A block and what to do with it. Travels to worker processes. ``suffix`` says how the output is compressed."""

    block: Block
    config: ScrubbingConfig
    key: bytes | None = field(repr=False)
    lang: str | None
    suffix: str
    spans_suffix: str | None


@dataclass(slots=True)
class BlockResult:
    """Bytes to append to the output and to the file of offsets, and counts."""

    output: bytes
    spans: bytes
    counts: ShardCounts
    unreadable: Counter[str]


def read_blocks(
    stream: BufferedIOBase, *, block_bytes: int = BLOCK_BYTES, max_line_bytes: int = MAX_LINE_BYTES
) -> Iterator[Block]:
    """The stream in blocks of whole lines. A line beyond ``max_line_bytes`` is never held whole.

    Raises: FileError where the stream is damaged; the whole lines before that come first.
    """
    line, rest = 1, b""
    chunks = _chunks(stream, block_bytes)
    for chunk in chunks:
        end = chunk.rfind(b"\n") + 1
        if not end:
            rest += chunk
            if len(rest) > max_line_bytes:
                rest = _skip_line(chunks)
                yield Block(line, b"", too_long=1)
                line += 1
            continue
        data = rest + chunk[:end]
        rest = chunk[end:]
        yield Block(line, data.removeprefix(_BOM) if line == 1 else data)
        line += data.count(b"\n")
    if rest:
        yield Block(line, rest.removeprefix(_BOM) if line == 1 else rest)


def _chunks(stream: BufferedIOBase, size: int) -> Iterator[bytes]:
    """The stream in chunks of that size. Where reading fails, what was read comes first, up to its last line end."""
    while True:
        parts, left = list[bytes](), size
        try:
            while left and (part := stream.read1(left)):
                parts.append(part)
                left -= len(part)
        except FileError:
            read = b"".join(parts)
            if end := read.rfind(b"\n") + 1:
                yield read[:end]
            raise
        if not parts:
            return
        yield b"".join(parts)


def _skip_line(chunks: Iterator[bytes]) -> bytes:
    """Read to the end of the line; returns what follows it in the last read."""
    for chunk in chunks:
        end = chunk.find(b"\n") + 1
        if end:
            return chunk[end:]
    return b""


def scrub_block(job: BlockJob) -> BlockResult:
    """Parse, scrub and format one block; what cannot be read is counted by reason."""
    counts, unreadable = ShardCounts(), Counter[str]()
    if job.block.too_long:
        unreadable[QuarantineReason.TOO_LONG.value] += job.block.too_long
    out: list[bytes] = []
    spans: list[bytes] = []
    placed = _readable(job.block, unreadable)
    while batch := list(islice(placed, RECORDS_PER_BATCH)):
        known = [{"text": record["text"], "lang": job.lang or _language(record)} for _, record in batch]
        done = scrub_records(known, scrubber_of(job.config, job.key), counts)
        for (place, record), (_, lang, scrubbed) in zip(batch, done, strict=True):
            record["text"] = scrubbed.text
            if record.get("id") is None:
                record["id"] = _made_id(place, scrubbed.text)
            out.append(format_line(record))
            if job.spans_suffix is not None:
                spans.append(format_spans(record["id"], lang, scrubbed))
    return BlockResult(
        compress(b"".join(out), job.suffix), compress(b"".join(spans), job.spans_suffix or ""), counts, unreadable
    )


def _readable(block: Block, unreadable: Counter[str]) -> Iterator[tuple[int, Record]]:
    """The records of a block with the lines they stand on."""
    for number, line in enumerate(block.data.split(b"\n"), start=block.first_line):
        if not line or line.isspace():
            continue
        record = read_record(line)
        if isinstance(record, QuarantineReason):
            unreadable[record.value] += 1
        else:
            yield number, record


def read_record(line: bytes) -> Record | QuarantineReason:
    """The record of a line, or why there is none; the same reasons as ingestion gives."""
    if len(line) > MAX_LINE_BYTES:
        return QuarantineReason.TOO_LONG
    if b"\0" in line:
        return QuarantineReason.NUL_BYTES
    try:
        record = parse_line(line)
    except UnicodeDecodeError:
        return QuarantineReason.INVALID_ENCODING
    except (ValueError, RecursionError):
        return QuarantineReason.NOT_JSON
    checked = _checked(record)
    # Bytes of UTF-8 hold no half of a surrogate pair; only an escape can. NULs were looked for above.
    if isinstance(checked, dict) and _ESCAPED.search(line):
        return next(filter(None, map(_why_not_storable, checked.values())), checked)
    return checked


def _checked(record: object) -> Record | QuarantineReason:
    if not isinstance(record, dict):
        return QuarantineReason.NOT_AN_OBJECT
    text = record.get("text")
    if text is None:
        return QuarantineReason.NO_TEXT
    if not isinstance(text, str):
        return QuarantineReason.TEXT_NOT_STRING
    if not text or text.isspace():
        return QuarantineReason.EMPTY
    return record


def _why_not_storable(value: object) -> QuarantineReason | None:
    if not isinstance(value, str):
        return None
    if "\0" in value:
        return QuarantineReason.NUL_BYTES
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return QuarantineReason.LONE_SURROGATE
    return None


def _language(record: Record) -> str | None:
    lang = record.get("lang")
    return normalise_language(lang) if isinstance(lang, str) and lang.strip() else None


def _made_id(place: int, text: str) -> str:
    return hashlib.sha256(f"{place}\0{text}".encode("utf-8", "surrogatepass")).hexdigest()[:16]


def compress(data: bytes, suffix: str) -> bytes:
    """A member of a gzip file or a frame of a zstd file: files of several are files too. No time in the header."""
    if not data:
        return data
    if suffix == ".gz":
        return gzip.compress(data, 6, mtime=0)
    if suffix == ".zst":
        import zstandard

        return zstandard.ZstdCompressor().compress(data)
    return data
