"""From a row as it was read to a record of ours, or to the reason why not.

A record holds ``id``, ``text`` and, where the source has them, ``lang`` (``en``, ``zh`` or what the source says),
``label``, ``group``, ``user``, ``timestamp``, ``license``, ``split``: all strings without lone surrogates, so they can
be written.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from components.core.corpus import Record
from components.core.errors import ContractError
from components.ingestion.config import FIELD_NAMES, SourceConfig


class QuarantineReason(StrEnum):
    """Why a record was not kept."""

    INVALID_ENCODING = "invalid_utf8"
    NUL_BYTES = "nul_bytes"
    LONE_SURROGATE = "lone_surrogate"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    BAD_CSV = "bad_csv"
    WRONG_COLUMN_COUNT = "wrong_column_count"
    UNCLOSED_DOCUMENT = "unclosed_document"
    NO_TEXT = "no_text"
    TEXT_NOT_STRING = "text_not_string"
    EMPTY = "empty"
    TOO_LONG = "too_long"
    TOO_DEEP = "too_deep"
    BAD_VALUE = "bad_value"
    UNKNOWN_LABEL = "unknown_label"
    TOO_SHORT = "too_short"
    UNREADABLE_FILE = "unreadable_file"
    OTHER_SCHEMA = "other_schema"
    TOO_LARGE_UNPACKED = "too_large_unpacked"
    OUTSIDE_ROOT = "outside_root"


# What a setting asked to leave out is not broken and does not count against ingestion.max_quarantined_share.
UNBROKEN = frozenset({QuarantineReason.TOO_SHORT})

# Whole files (or the rest of one) rather than records; a folder goes on with its next file.
FILE_REASONS = frozenset(
    {
        QuarantineReason.UNREADABLE_FILE,
        QuarantineReason.OTHER_SCHEMA,
        QuarantineReason.TOO_LARGE_UNPACKED,
        QuarantineReason.OUTSIDE_ROOT,
    }
)


class FileError(ContractError):
    """A file that cannot be read, or read on, as what it claims to be.

    The message names the file and the next step; ``reason`` is what its entry in the quarantine says.
    """

    def __init__(self, message: str, reason: QuarantineReason = QuarantineReason.UNREADABLE_FILE) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[FileError], tuple[str, QuarantineReason]]:
        """Both arguments travel between processes."""
        return FileError, (str(self), self.reason)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that was read and not kept. ``line`` counts from 1: lines of text, rows of a table. Never any text.

    Line 0 stands for a file of which nothing was read.
    """

    source: str
    line: int
    reason: QuarantineReason

    def as_row(self) -> dict[str, str | int]:
        """The line that stands for it in ``quarantine.jsonl``."""
        return {"source": self.source, "line": self.line, "reason": self.reason.value}


_LANGUAGE_NAMES = {
    **dict.fromkeys(["en", "eng", "english"], "en"),
    **dict.fromkeys(["zh", "zho", "chi", "cmn", "chinese", "中文"], "zh"),
    "英文": "en",
}
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？…])")


def normalise_language(name: str) -> str:
    """``en`` or ``zh`` for any usual spelling (``EN``, ``zh-Hant``, ``Chinese``), else the name in lower case."""
    plain = name.strip().lower()
    return _LANGUAGE_NAMES.get(plain) or _LANGUAGE_NAMES.get(re.split(r"[-_]", plain)[0], plain)


def as_text(value: Any) -> str | None:
    """A cell as text: numbers without a needless ``.0``, dates in ISO 8601; None for null, blank and containers."""
    if value is None or isinstance(value, (list, dict, tuple, bytes)):
        return None
    if isinstance(value, float):
        if math.isnan(value):
            return None
        value = int(value) if value.is_integer() else value
    if isinstance(value, date):  # datetime is a date
        return value.isoformat()
    return str(value).strip() or None


class RecordBuilder:
    """Turns the rows of one source into records."""

    def __init__(self, source: SourceConfig, *, max_record_bytes: int, keep_unknown_columns: bool) -> None:
        """``keep_unknown_columns`` carries columns that are none of ours along, as a verb that edits a file must."""
        self._source = source
        columns = source.columns or {}
        self.columns: dict[str, str] = {name: columns.get(name, name) for name in FIELD_NAMES}
        self._other_columns = [(name, column) for name, column in self.columns.items() if name != "text"]
        self._max_record_bytes = max_record_bytes
        self._keep_unknown = keep_unknown_columns
        self._blank_reason = QuarantineReason.EMPTY

    def build(self, row: Mapping[str, Any], *, blank_is_stub: bool = False) -> Record | QuarantineReason:
        """The record of a row, its ``id`` still as the source says or absent; or the reason why not."""
        text = row.get(self.columns["text"])
        if (reason := self._check_text(text, blank_is_stub=blank_is_stub)) is not None:
            return reason
        record: Record = {"text": text}
        for name, column in self._other_columns:
            if (value := as_text(row.get(column))) is not None:
                record[name] = value
        if (reason := self._finish(record, row)) is not None:
            return reason
        if not self._keep_unknown:
            return record
        try:
            return self._unknown_columns(row) | record
        except _NotStorableError as error:
            return error.reason

    def _check_text(self, text: Any, *, blank_is_stub: bool) -> QuarantineReason | None:
        if text is None:
            return QuarantineReason.NO_TEXT
        if not isinstance(text, str):
            return QuarantineReason.TEXT_NOT_STRING
        if not text.strip():
            return QuarantineReason.TOO_SHORT if blank_is_stub else QuarantineReason.EMPTY
        if self._source.min_document_characters and len(text.strip()) < self._source.min_document_characters:
            return QuarantineReason.TOO_SHORT
        limit = self._max_record_bytes if self._source.max_document_characters is None else math.inf
        return QuarantineReason.TOO_LONG if len(text) * 4 > limit and _utf8_length(text) > limit else None

    def _finish(self, record: Record, row: Mapping[str, Any]) -> QuarantineReason | None:
        if (lang := record.get("lang") or self._source.lang) is not None:
            record["lang"] = normalise_language(lang)
        if self._source.license is not None:
            record.setdefault("license", self._source.license)
        split = row.get("split") if isinstance(row.get("split"), str) else None
        if (given := self._source.split or split) is not None:
            record["split"] = given
        if self._source.label_map is not None and "label" in record:
            if record["label"] not in self._source.label_map:
                return QuarantineReason.UNKNOWN_LABEL
            record["label"] = self._source.label_map[record["label"]]
        for value in record.values():
            if (reason := _check_string(value)) is not None:
                return reason
        return None

    def _unknown_columns(self, row: Mapping[str, Any]) -> Record:
        known = set(self.columns.values())
        return {_as_storable(key): _as_storable(row[key]) for key in row if key not in known and isinstance(key, str)}


_MAX_DEPTH = 64


class _NotStorableError(Exception):
    def __init__(self, reason: QuarantineReason) -> None:
        self.reason = reason


def _as_storable(value: Any, depth: int = 0) -> Any:
    """A foreign value as JSON can hold it: no NaN, dates in ISO 8601, bytes in base64, anything stranger as null.

    Raises: _NotStorableError for a string that cannot be written, or nesting beyond ``_MAX_DEPTH``.
    """
    if isinstance(value, (Mapping, list, tuple)):
        if depth == _MAX_DEPTH:
            raise _NotStorableError(QuarantineReason.TOO_DEEP)
        if isinstance(value, Mapping):
            return {_as_storable(str(key)): _as_storable(item, depth + 1) for key, item in value.items()}
        return [_as_storable(item, depth + 1) for item in value]
    if isinstance(value, str) and (reason := _check_string(value)) is not None:
        raise _NotStorableError(reason)
    return _scalar_as_storable(value)


def _scalar_as_storable(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return str(value) if isinstance(value, (Decimal, UUID, timedelta)) else None


def _check_string(text: str) -> QuarantineReason | None:
    """Why a string cannot be kept: NULs end strings in half the tools that follow, lone surrogates in none begin."""
    if "\0" in text:
        return QuarantineReason.NUL_BYTES
    if text.isascii():
        return None
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return QuarantineReason.LONE_SURROGATE
    return None


def _utf8_length(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def cut_document(text: str, max_characters: int) -> Iterator[str]:
    """Pieces of at most ``max_characters``, cut at paragraph ends where possible, else lines, sentences, anywhere.

    Joining the pieces loses white space only.
    """
    piece: list[str] = []
    size = 0
    for part, joiner in _parts(text, max_characters):
        if piece and size + len(joiner) + len(part) > max_characters:
            yield "".join(piece)
            piece, size = [], 0
        if piece:
            piece.append(joiner)
            size += len(joiner)
        piece.append(part)
        size += len(part)
    if piece:
        yield "".join(piece)


def _parts(text: str, max_characters: int) -> Iterator[tuple[str, str]]:
    """Parts that fit, each with what joins it to the part before."""
    for paragraph in re.split(r"\n[ \t\r]*\n\s*", text.strip()):
        if len(paragraph) <= max_characters:
            if paragraph.strip():
                yield paragraph.strip(), "\n\n"
            continue
        joiner = "\n\n"
        for line in paragraph.split("\n"):
            for sentence in _SENTENCE_END.split(line) if len(line) > max_characters else [line]:
                for start in range(0, len(sentence), max_characters):
                    if part := sentence[start : start + max_characters].strip():
                        yield part, joiner
                        joiner = " " if part.isascii() else ""
            joiner = "\n"
