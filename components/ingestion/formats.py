"""The line formats, and which reader reads which format: a byte stream in, rows out.

Each row comes with the line it starts on, or the reason why it is no row. Every reader takes time linear in its input
and memory bounded by the longest record that is kept. ``RecordBuilder`` turns rows into records.
"""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from components.core.errors import ConfigError
from components.ingestion.columnar import read_parquet
from components.ingestion.config import Format
from components.ingestion.lines import decode, iterate_lines, with_universal_newlines
from components.ingestion.reading import ReadLimits, Row
from components.ingestion.records import FileError, QuarantineReason
from components.ingestion.tables import read_table

_WHOLE_FILE_BYTES = 64_000_000  # a whole file that will be cut into documents; more is no book
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_MARKDOWN_HEADING = re.compile(r"^#{1,6}[ \t]+", re.MULTILINE)
_DOC_START = re.compile(r'<doc id="([^"]*)"')
_HUGE_REFERENCE = re.compile(r"&#[0-9]{1000,}")
_CHINESE_END = re.compile(r"[⺀-鿿＀-￯]$")


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


def read_text(stream: io.BufferedReader, limits: ReadLimits, *, whole_file: bool, markdown: bool) -> Iterator[Row]:
    """Plain text or markdown: a blank line ends a document, or the file is one."""
    for number, data in _documents(stream, limits, whole_file=whole_file):
        if data is None:
            yield number, QuarantineReason.TOO_LONG
            continue
        text = decode(data, limits.source.encoding)
        if isinstance(text, str):
            text = _MARKDOWN_HEADING.sub("", _without_comments(text)) if markdown else text
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


def _without_comments(text: str) -> str:
    """Markdown without its HTML comments; one that is never closed is text."""
    kept, position = [], 0
    while (start := text.find("<!--", position)) >= 0 and (end := text.find("-->", start + 4)) >= 0:
        kept.append(text[position:start])
        position = end + 3
    return "".join(kept) + text[position:]


def unwrap(text: str) -> str:
    """Join the lines of each paragraph: by a space, or by nothing where the line ends in a Chinese character."""
    return "\n\n".join(map(_join_lines, re.split(r"\n[ \t\r]*\n\s*", text)))


def _join_lines(paragraph: str) -> str:
    lines = [line.strip(" \t") for line in paragraph.split("\n")]
    joined = [line if _CHINESE_END.search(line) else line + " " for line in lines[:-1]]
    return "".join(joined) + lines[-1]


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
    return {limits.columns["id"]: identifier, limits.columns["text"]: _unescape(text).strip()}


def _unescape(text: str) -> str:
    """Character references resolved; numbers too long to be one, which Python refuses to read, are U+FFFD."""
    return html.unescape(_HUGE_REFERENCE.sub("&#65533", text))


def read_stream(
    stream: io.BufferedReader, format_: Format, limits: ReadLimits, *, at_start: bool = True
) -> Iterator[Row]:
    """Rows of an open stream in a named format. Raises FileError for UTF-16."""
    if at_start and format_ != "parquet" and stream.peek(2)[:2] in _UTF16_BOMS:
        raise FileError(f"{limits.name}, line 1: the file is UTF-16; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)")
    if format_ in {"csv", "tsv", "txt", "markdown"}:
        stream = with_universal_newlines(stream)
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
    yield from readers[format_]()
