"""CSV with quotes as in RFC 4180, and TSV, where a quote is a character like any other.

A quote that is never closed would swallow what follows. So the lines of the row at hand are remembered, and where the
row ends nowhere, or ends many lines later with another number of cells, only its first line is set aside and the
others are read again. How much is read again is bounded by how much was read, so time stays linear in the input.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from components.ingestion.lines import decode, iterate_lines
from components.ingestion.reading import ReadLimits, Row, check_columns
from components.ingestion.records import QuarantineReason

_END = "\0"
_MAX_REREADINGS = 3  # of a byte, on average


class _RowTooLongError(Exception):
    pass


@dataclass(slots=True)
class _Line:
    number: int
    text: str
    problem: QuarantineReason | None


class _Lines:
    """Decoded lines for ``csv.reader``, then one that holds ``_END`` alone; remembers those of the row at hand."""

    def __init__(self, stream: io.BufferedReader, limits: ReadLimits) -> None:
        self._lines = iterate_lines(stream, limits.max_record_bytes)
        self._encoding = limits.source.encoding
        self._limit = limits.max_record_bytes
        self._again: deque[_Line] = deque()
        self._row: list[_Line] = []
        self._row_characters = 0
        self._read, self._read_again = 0, 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self._row and self._row[-1].number == 0:
            raise StopIteration
        line = self._again.popleft() if self._again else self._fetch()
        self._row.append(line)
        self._row_characters += len(line.text)
        if self._row_characters > self._limit and len(self._row) > 1:
            raise _RowTooLongError
        return line.text

    def _fetch(self) -> _Line:
        number, data = next(self._lines, (0, b""))
        if number == 0:
            return _Line(0, _END, None)
        if data is None:
            return _Line(number, "\n", QuarantineReason.TOO_LONG)
        self._read += len(data) + 1
        text = decode(data, self._encoding)
        if isinstance(text, QuarantineReason):
            # Commas and quotes stay, so that the next row starts where it should.
            return _Line(number, data.decode("latin-1").replace(_END, " ") + "\n", text)
        return _Line(number, text + "\n", None)

    def peek(self) -> str | None:
        """The first line, which will be given again; None at the end."""
        line = self._fetch()
        self._again.append(line)
        return None if line.number == 0 else line.text

    def row(self) -> list[_Line]:
        """The lines that were given since the last call."""
        row, self._row, self._row_characters = self._row, [], 0
        return row

    def take_back(self, row: list[_Line]) -> None:
        """Give all but the first line of a row again, unless too much was read again already."""
        following = row[1:]
        size = sum(len(line.text) for line in following)
        if self._read_again + size <= _MAX_REREADINGS * self._read:
            self._read_again += size
            self._again.extendleft(reversed(following))


def read_table(stream: io.BufferedReader, limits: ReadLimits, *, tab_separated: bool) -> Iterator[Row]:
    """Rows of a table. Raises: FileError if the header lacks the text column or one that the config names."""
    csv.field_size_limit(max(csv.field_size_limit(), limits.max_record_bytes + 2))
    lines = _Lines(stream, limits)
    first = lines.peek()
    if first is None:
        return
    delimiter = "\t" if tab_separated else limits.source.delimiter or _guess_delimiter(first, limits)
    quoting: Literal[0, 3] = csv.QUOTE_NONE if tab_separated else csv.QUOTE_MINIMAL
    header: list[str] | None = None
    if not limits.source.has_header:
        names = next(csv.reader([first], delimiter=delimiter, quoting=quoting), [])
        header = _make_header([str(index) for index in range(len(names))], limits)
    for row, cells in _parse(lines, delimiter, quoting):
        problem = next((line.problem for line in row if line.problem is not None), None)
        if header is None and cells is not None:
            header = _make_header([cell.strip() for cell in cells], limits)
        elif cells is None or (problem is None and _is_torn(row, cells, header or (), delimiter, quoting)):
            lines.take_back(row)
            yield row[0].number, QuarantineReason.BAD_CSV
        elif problem is not None:
            yield row[0].number, problem
        elif cells:
            yield row[0].number, _as_row(cells, header or [])


def _parse(lines: _Lines, delimiter: str, quoting: Literal[0, 3]) -> Iterator[tuple[list[_Line], list[str] | None]]:
    """Each row's lines and cells; no cells where it has no end."""
    reader = csv.reader(lines, delimiter=delimiter, quoting=quoting)
    while True:
        try:
            cells: list[str] | None = next(reader)
        except (csv.Error, _RowTooLongError):
            cells = None
        row = lines.row()
        ended = row[-1].number == 0
        if ended and len(row) == 1:
            return
        if ended:
            row, cells = row[:-1], None
        yield row, cells
        if cells is None:
            reader = csv.reader(lines, delimiter=delimiter, quoting=quoting)


def _is_torn(row: list[_Line], cells: list[str], header: Sequence[str], delimiter: str, quoting: Literal[0, 3]) -> bool:
    """Whether a row of several lines looks like two rows that a stray quote holds together.

    Its cells are too many or too few, or a cell goes on behind the quote that ends it.
    """
    if len(row) == 1:
        return False
    if len(cells) != len(header):
        return True
    try:
        next(csv.reader((line.text for line in row), delimiter=delimiter, quoting=quoting, strict=True))
    except csv.Error:
        return True
    return False


def _as_row(cells: list[str], header: list[str]) -> Mapping[str, Any] | QuarantineReason:
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


def _make_header(names: Iterable[str], limits: ReadLimits) -> list[str]:
    header = list(chain(names))
    check_columns(header, limits)
    return header
