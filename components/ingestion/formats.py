"""The formats: a byte stream in, rows out, each with the line it starts on, or the reason why it is no row.

A line longer than the limit is skipped in small pieces, so memory stays bounded whatever the file holds.
``RecordBuilder`` turns rows into records.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from components.core.errors import ConfigError, ContractError
from components.ingestion.config import Format, SourceConfig
from components.ingestion.records import QuarantineReason

Row = tuple[int, Mapping[str, Any] | QuarantineReason]

_SKIP_BYTES = 1 << 16
_WHOLE_FILE_BYTES = 64_000_000  # a whole file that will be cut into documents; more is no book
_MAX_PARQUET_MEMBER_BYTES = 512_000_000
_PARQUET_BATCH_ROWS = 1_000
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_MARKDOWN_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_MARKDOWN_HEADING = re.compile(r"^#{1,6}[ \t]+", re.MULTILINE)
_DOC_START = re.compile(r'<doc id="([^"]*)"')


@dataclass(frozen=True, slots=True)
class ReadLimits:
    """What a reader needs to know beside the bytes."""

    name: str
    source: SourceConfig
    columns: Mapping[str, str]
    max_record_bytes: int
    keep_unknown_columns: bool


def iterate_lines(stream: io.BufferedReader, max_bytes: int) -> Iterator[tuple[int, bytes | None]]:
    """Line number from 1 and the line without its end; None in place of one longer than ``max_bytes``."""
    number = 0
    while line := stream.readline(max_bytes + 2):
        number += 1
        if not line.endswith(b"\n") and len(line) > max_bytes:
            while (skipped := stream.readline(_SKIP_BYTES)) and not skipped.endswith(b"\n"):
                pass
            yield number, None
            continue
        line = line.rstrip(b"\r\n")
        if number == 1 and line.startswith(_UTF8_BOM):
            line = line[len(_UTF8_BOM) :]
        yield number, line


def decode(data: bytes, encoding: str) -> str | QuarantineReason:
    """Text of a line or document, or what is wrong with its bytes."""
    if b"\0" in data:
        return QuarantineReason.NUL_BYTES
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        return QuarantineReason.INVALID_ENCODING


def read_jsonl(stream: io.BufferedReader, limits: ReadLimits) -> Iterator[Row]:
    """A JSON object a line; blank lines are nothing."""
    for number, line in iterate_lines(stream, limits.max_record_bytes):
        if line is None:
            yield number, QuarantineReason.TOO_LONG
        elif line.strip():
            yield number, _parse_json(line, limits.source.encoding)


def _parse_json(line: bytes, encoding: str) -> Mapping[str, Any] | QuarantineReason:
    text = decode(line, encoding)
    if isinstance(text, QuarantineReason):
        return text
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):  # ValueError also covers integers of absurd length
        return QuarantineReason.NOT_JSON
    return value if isinstance(value, dict) else QuarantineReason.NOT_AN_OBJECT


class _CsvLines:
    """Decoded lines for ``csv.reader``, remembering what was wrong since the last row."""

    def __init__(self, stream: io.BufferedReader, limits: ReadLimits) -> None:
        self._lines = iterate_lines(stream, limits.max_record_bytes)
        self._encoding = limits.source.encoding
        self.number = 0
        self.problem: QuarantineReason | None = None

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        if line is None:
            self.problem = QuarantineReason.TOO_LONG
            return "\n"
        text = decode(line, self._encoding)
        if isinstance(text, QuarantineReason):
            self.problem = text
            return line.decode("latin-1") + "\n"  # keeps commas and quotes, so that the next row starts where it should
        return text + "\n"


def read_table(stream: io.BufferedReader, limits: ReadLimits, *, tab_separated: bool) -> Iterator[Row]:
    """CSV with quotes as in RFC 4180, or TSV, where a quote is a character like any other.

    Raises: ContractError if the header lacks the text column or one that the config names.
    """
    csv.field_size_limit(max(csv.field_size_limit(), limits.max_record_bytes))
    lines = _CsvLines(stream, limits)
    first = next(lines, None)
    if first is None:
        return
    delimiter = "\t" if tab_separated else limits.source.delimiter or _guess_delimiter(first, limits)
    quoting: Literal[0, 3] = csv.QUOTE_NONE if tab_separated else csv.QUOTE_MINIMAL

    def make_reader(start: Iterable[str]) -> Iterator[list[str]]:
        return csv.reader(start, delimiter=delimiter, quoting=quoting)

    reader = make_reader(chain([first], lines))
    header: list[str] | None = None
    while True:
        start = lines.number + (1 if header is not None or limits.source.has_header else 0)
        try:
            cells = next(reader, None)
        except csv.Error:
            lines.problem = None
            reader = make_reader(lines)
            yield lines.number, QuarantineReason.BAD_CSV
            continue
        if cells is None:
            return
        problem, lines.problem = lines.problem, None
        if header is None:
            header = _make_header(cells, limits)
            if limits.source.has_header:
                continue
            start = 1
        if problem is not None:
            yield start, problem
        elif cells:
            yield start, dict(zip(header, cells, strict=True)) if len(cells) == len(header) else _ragged(cells, header)


def _ragged(cells: list[str], header: list[str]) -> Mapping[str, Any] | QuarantineReason:
    """Rows may end early (trailing empty cells left out), but a surplus cell means that a text was torn apart."""
    if len(cells) > len(header):
        return QuarantineReason.WRONG_COLUMN_COUNT
    return dict(zip(header, cells, strict=False))


def _guess_delimiter(first: str, limits: ReadLimits) -> str:
    wanted = limits.columns["text"]
    for delimiter in ",;\t":
        if wanted in [cell.strip().strip('"') for cell in first.split(delimiter)]:
            return delimiter
    return ","


def _make_header(cells: list[str], limits: ReadLimits) -> list[str]:
    header = (
        [cell.strip() for cell in cells] if limits.source.has_header else [str(index) for index in range(len(cells))]
    )
    check_columns(header, limits)
    return header


def check_columns(header: Iterable[str], limits: ReadLimits) -> None:
    """Raises ContractError if the text column, or another that the config names, is not among a table's columns."""
    present = list(header)
    missing = [
        f"{ours} ({theirs!r})"
        for ours, theirs in limits.columns.items()
        if theirs not in present and (ours == "text" or theirs != ours)
    ]
    if missing:
        raise ContractError(
            f"{limits.name}, line 1: no column for {', '.join(missing)}; the columns are "
            f"{', '.join(name[:60] for name in present[:20]) or 'none'}; name the right ones in ingestion.columns"
        )


def read_text(stream: io.BufferedReader, limits: ReadLimits, *, whole_file: bool, markdown: bool) -> Iterator[Row]:
    """Plain text or markdown: a blank line ends a document, or the file is one."""
    for number, data in _documents(stream, limits, whole_file=whole_file):
        if data is None:
            yield number, QuarantineReason.TOO_LONG
            continue
        text = decode(data, limits.source.encoding)
        if isinstance(text, str):
            text = _MARKDOWN_HEADING.sub("", _MARKDOWN_COMMENT.sub("", text)) if markdown else text
            text = unwrap(text) if limits.source.unwrap_lines else text
        yield number, {limits.columns["text"]: text.strip()} if not isinstance(text, QuarantineReason) else text


def _documents(
    stream: io.BufferedReader, limits: ReadLimits, *, whole_file: bool
) -> Iterator[tuple[int, bytes | None]]:
    """First line and bytes of each document; None where it is longer than the limit."""
    will_be_cut = limits.source.max_document_characters is not None
    max_bytes = (
        max(limits.max_record_bytes, _WHOLE_FILE_BYTES) if whole_file and will_be_cut else limits.max_record_bytes
    )
    start, size, lines, too_long = 1, 0, list[bytes](), False
    for number, line in iterate_lines(stream, max_bytes):
        if line is not None and not line.strip() and not whole_file:
            if lines or too_long:
                yield start, None if too_long else b"\n".join(lines)
            lines, size, too_long = [], 0, False
            continue
        if not lines and not too_long:
            start = number
        size += 0 if line is None else len(line) + 1
        too_long = too_long or size > max_bytes
        if line is None or too_long:
            lines, too_long = [], True
        else:
            lines.append(line)
    if lines or too_long:
        yield start, None if too_long else b"\n".join(lines)


def unwrap(text: str) -> str:
    """Join the lines of each paragraph: by a space, or by nothing where the line ends in a Chinese character."""
    paragraphs = re.split(r"\n[ \t\r]*\n\s*", text)
    joined = (re.sub(r"(?<=[⺀-鿿＀-￯])[ \t]*\n[ \t]*", "", paragraph) for paragraph in paragraphs)
    return "\n\n".join(re.sub(r"[ \t]*\n[ \t]*", " ", paragraph) for paragraph in joined)


def read_wikiextractor(stream: io.BufferedReader, limits: ReadLimits) -> Iterator[Row]:
    """``<doc id="…" url="…" title="…">``, the title, a paragraph a line, ``</doc>``. Titles are left out."""
    start, identifier, lines, size = 0, "", list[bytes](), 0
    problem: QuarantineReason | None = None
    for number, line in iterate_lines(stream, limits.max_record_bytes):
        if line is not None and line.startswith(b"<doc id="):
            if start:
                yield start, QuarantineReason.UNCLOSED_DOCUMENT
            match = _DOC_START.match(line.decode("utf-8", "replace"))
            start, identifier, lines, size, problem = number, match.group(1) if match else "", [], 0, None
        elif line is not None and line.strip() == b"</doc>" and start:
            yield start, problem or _wiki_document(identifier, b"\n".join(lines[1:]), limits)
            start = 0
        elif start and problem is None:
            size += 0 if line is None else len(line) + 1
            if line is None or size > limits.max_record_bytes:
                problem, lines = QuarantineReason.TOO_LONG, []
            else:
                lines.append(line)
    if start:
        yield start, QuarantineReason.UNCLOSED_DOCUMENT


def _wiki_document(identifier: str, body: bytes, limits: ReadLimits) -> Mapping[str, Any] | QuarantineReason:
    text = decode(body, limits.source.encoding)
    if isinstance(text, QuarantineReason):
        return text
    return {limits.columns["id"]: identifier, limits.columns["text"]: html.unescape(text).strip()}


def read_parquet(stream: io.BufferedReader, limits: ReadLimits) -> Iterator[Row]:
    """Rows of a Parquet file, a batch in memory at a time.

    Raises: ContractError if it is not Parquet, lacks the text column, or that column holds no strings.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = io.BytesIO(stream.read(_MAX_PARQUET_MEMBER_BYTES + 1))
    if data.getbuffer().nbytes > _MAX_PARQUET_MEMBER_BYTES:
        raise ContractError(f"{limits.name}: a Parquet file inside an archive may hold 512 MB; unpack it")
    yield from _parquet_rows(lambda: pq.ParquetFile(data), limits, pa)


def read_parquet_path(path: str, limits: ReadLimits) -> Iterator[Row]:
    """As ``read_parquet``, from a file on disk that need not fit in memory."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    yield from _parquet_rows(lambda: pq.ParquetFile(path), limits, pa)


def _parquet_rows(open_file: Callable[[], Any], limits: ReadLimits, pa: Any) -> Iterator[Row]:
    try:
        file = open_file()
        schema = file.schema_arrow
        check_columns(schema.names, limits)
        _check_text_type(schema.field(limits.columns["text"]).type, limits, pa)
        known = set(limits.columns.values()) | {"split"}
        wanted = schema.names if limits.keep_unknown_columns else [name for name in schema.names if name in known]
        number = 0
        for batch in file.iter_batches(batch_size=_PARQUET_BATCH_ROWS, columns=wanted):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except pa.ArrowException as error:
        raise ContractError(
            f"{limits.name}: not a Parquet file, or damaged ({type(error).__name__}); get it again"
        ) from error
    except UnicodeDecodeError as error:
        raise ContractError(
            f"{limits.name}, row {number + 1} or after: text that is not UTF-8; write the file again"
        ) from error


def _check_text_type(type_: Any, limits: ReadLimits, pa: Any) -> None:
    plain = type_.value_type if pa.types.is_dictionary(type_) else type_
    if not (pa.types.is_string(plain) or pa.types.is_large_string(plain) or pa.types.is_string_view(plain)):
        raise ContractError(
            f"{limits.name}: column {limits.columns['text']!r} holds {type_}, not strings; "
            "name the text column in ingestion.columns"
        )


def read_stream(stream: io.BufferedReader, format_: Format, limits: ReadLimits) -> Iterator[Row]:
    """Rows of an open stream in a named format. Raises ContractError for UTF-16."""
    if format_ != "parquet" and stream.peek(2)[:2] in _UTF16_BOMS:
        raise ContractError(
            f"{limits.name}, line 1: the file is UTF-16; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)"
        )
    split = limits.source.split_documents
    readers: dict[Format, Callable[[], Iterator[Row]]] = {
        "jsonl": lambda: read_jsonl(stream, limits),
        "csv": lambda: read_table(stream, limits, tab_separated=False),
        "tsv": lambda: read_table(stream, limits, tab_separated=True),
        "txt": lambda: read_text(stream, limits, whole_file=split == "whole_file", markdown=False),
        "markdown": lambda: read_text(stream, limits, whole_file=split != "blank_line", markdown=True),
        "wikiextractor": lambda: read_wikiextractor(stream, limits),
        "parquet": lambda: read_parquet(stream, limits),
    }
    if format_ not in readers:
        raise ConfigError(f"{limits.name}: unknown format {format_!r}; formats are {', '.join(readers)}")
    return readers[format_]()
