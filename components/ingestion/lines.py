"""Bytes to lines and texts. A line longer than the limit is skipped in small pieces, so memory stays bounded."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from components.ingestion.records import QuarantineReason

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_SKIP_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 18
_UTF8_BOM = b"\xef\xbb\xbf"


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


def with_universal_newlines(stream: io.BufferedReader) -> io.BufferedReader:
    r"""The stream with ``\r\n`` and lone ``\r`` (old Macintosh files, mixed exports) as ``\n``."""
    return io.BufferedReader(_UniversalNewlines(stream), _BUFFER_BYTES)


class _UniversalNewlines(io.RawIOBase):
    def __init__(self, inner: io.BufferedReader) -> None:
        self._inner = inner
        self._after_return = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        while data := self._inner.read1(len(view)):
            if self._after_return and data.startswith(b"\n"):
                data = data[1:]  # the second half of a \r\n whose first half was already a \n
                self._after_return = False
                if not data:
                    continue
            if b"\r" in data:
                self._after_return = data.endswith(b"\r")
                data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            else:
                self._after_return = False
            view[: len(data)] = data
            return len(data)
        return 0
