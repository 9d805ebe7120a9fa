"""Compressed streams: gzip, bzip2, zstd, by the suffix of the name.

Nothing is unpacked to disk. Damage is an error that names the file, wherever in the file it is, and what grows beyond
all reason while being unpacked is refused.
"""

from __future__ import annotations

import bz2
import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, cast

import zstandard

from components.ingestion.records import FileError, QuarantineReason

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

COMPRESSIONS = (".gz", ".zst", ".bz2")

_BUFFER_BYTES = 1 << 18
_ZSTD_FEED_BYTES = 1 << 10  # a block of 4 bytes can stand for 128 KiB, so a small feed bounds what one call returns
_MAX_EXPANSION = 1_500  # gzip ends at about 1,030 times
_EXPANSION_FREE_BYTES = 200_000_000
# What the standard library raises over damaged bytes. An OSError with a number is the disk's, and named differently.
_DAMAGE = (
    *(EOFError, OSError, ValueError, OverflowError, RuntimeError, NotImplementedError, IndexError),
    *(zlib.error, struct.error, zipfile.BadZipFile, zipfile.LargeZipFile, tarfile.TarError),
)


class Allowance:
    """How many bytes a file (an archive with all its members) may unpack to."""

    def __init__(self, name: str, stored_bytes: int | None) -> None:
        """``stored_bytes`` is the file's size on disk; None: no limit."""
        self._name = name
        self._limit = None if stored_bytes is None else max(_EXPANSION_FREE_BYTES, stored_bytes * _MAX_EXPANSION)
        self._used = 0

    def use(self, count: int) -> None:
        """Raises: FileError once the limit is crossed."""
        self._used += count
        if self._limit is not None and self._used > self._limit:
            raise FileError(
                f"{self._name}: grows beyond {self._limit:,} bytes when decompressed; no text corpus",
                QuarantineReason.TOO_LARGE_UNPACKED,
            )


@contextmanager
def decompressed(name: str, raw: IO[bytes], allowance: Allowance) -> Iterator[io.BufferedReader]:
    """The plain bytes of a stream, by the suffix of its name."""
    lower = name.lower()
    with ExitStack() as stack:
        plain: IO[bytes] = raw
        if lower.endswith((".gz", ".tgz")):
            plain = cast(IO[bytes], stack.enter_context(gzip.GzipFile(fileobj=raw)))
        elif lower.endswith((".bz2", ".tbz2")):
            plain = stack.enter_context(bz2.BZ2File(raw))
        elif lower.endswith(".zst"):
            plain = cast(IO[bytes], stack.enter_context(io.BufferedReader(_ZstdReader(raw, name), _BUFFER_BYTES)))
        yield stack.enter_context(io.BufferedReader(Guarded(plain, name, allowance), _BUFFER_BYTES))


@contextmanager
def damage_explained(name: str, what: str) -> Iterator[None]:
    """Turn what the standard library raises over damaged bytes into an error that names the file."""
    try:
        yield
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise FileError(f"{name}: cannot be read ({error.strerror}); check the file") from error
        raise FileError(f"{name}: damaged or truncated {what}; get the file again") from error


class Guarded(io.RawIOBase):
    """A byte stream whose failures name the file, and which refuses to grow without end."""

    def __init__(self, inner: IO[bytes], name: str, allowance: Allowance) -> None:
        self._name, self._allowance = name, allowance
        # As much as one step gives: to fill the buffer, gzip's `read` would read on into the damage and lose all of it.
        self._read_some: Callable[[int], bytes] = getattr(inner, "read1", inner.read)
        self._read = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Raises: FileError for damage, and once the allowance is used up."""
        view = memoryview(buffer).cast("B")
        with damage_explained(self._name, f"after {self._read:,} bytes of content"):
            data = self._read_some(len(view))
        self._read += len(data)
        self._allowance.use(len(data))
        view[: len(data)] = data
        return len(data)


class _ZstdReader(io.RawIOBase):
    """Zstandard frames as plain bytes. Unlike the library's reader it tells a truncated frame from a finished one."""

    def __init__(self, inner: IO[bytes], name: str) -> None:
        self._inner, self._name = inner, name
        self._pending = memoryview(b"")
        self._rest = b""
        self._frame: zstandard.ZstdDecompressionObj | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        while not self._pending:
            feed = self._rest or self._inner.read(_ZSTD_FEED_BYTES)
            self._rest = b""
            if not feed:
                if self._frame is not None:
                    raise FileError(f"{self._name}: truncated zstd file; get the file again")
                return 0
            self._decompress(feed)
        count = min(len(view), len(self._pending))
        view[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count

    def _decompress(self, feed: bytes) -> None:
        if self._frame is None:
            self._frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            self._pending = memoryview(self._frame.decompress(feed))
        except zstandard.ZstdError as error:
            raise FileError(f"{self._name}: not a zstd file, or damaged; get the file again") from error
        if self._frame.eof:
            self._rest, self._frame = self._frame.unused_data, None
