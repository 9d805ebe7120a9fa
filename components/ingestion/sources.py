"""From a source's path to open byte streams: files, folders, globs, compressed files and members of archives.

Everything is streamed: nothing is unpacked to disk, a member's name is a label and never a path, and a file that
grows beyond all reason while being decompressed is refused.
"""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast

import zstandard

from components.core.errors import ConfigError, ContractError
from components.ingestion.config import Format, SourceConfig

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

STDIN = "-"
HUB_PREFIX = "hf://"
ARCHIVE_SEPARATOR = "::"

_FORMAT_OF_SUFFIX: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "txt",
    ".md": "markdown",
    ".markdown": "markdown",
    ".parquet": "parquet",
}
# In a folder a README is not a document; a markdown corpus says `format: markdown`.
_FORMATS_IN_FOLDERS = frozenset({"jsonl", "csv", "tsv", "txt", "parquet", "wikiextractor"})
_ALSO_READ_AS: dict[Format, frozenset[str]] = {"tsv": frozenset({".txt"}), "wikiextractor": frozenset({"", ".txt"})}
_SUPPORTED = ".jsonl, .csv, .tsv, .txt, .md (each also .gz or .zst), .parquet, .zip, .tar, .tar.gz"

_BUFFER_BYTES = 1 << 18
_ZSTD_FEED_BYTES = 1 << 10  # a block of 4 bytes can stand for 128 KiB, so a small feed bounds what one call returns
_MAX_EXPANSION = 1_500  # gzip ends at about 1,030 times
_EXPANSION_FREE_BYTES = 200_000_000
_WIKIEXTRACTOR_START = b"<doc id="


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source, open for reading until the next one is asked for."""

    name: str
    format: Format
    stream: io.BufferedReader


def list_files(source: SourceConfig) -> list[Path]:
    """The files behind a path, folder or glob, in a stable order. Raises ConfigError if there are none."""
    path = Path(source.path).expanduser()
    try:
        if path.is_dir():
            files = _files_in_folder(path, source)
        elif path.exists():
            return [path]
        else:
            files = _glob(path)
    except OSError as error:
        raise ConfigError(f"{source.path}: cannot be read ({error.strerror}); check ingestion.sources") from error
    if not files:
        what = (
            "no file that ingestion reads"
            if path.is_dir()
            else "no such file or folder, and as a glob it matches nothing"
        )
        raise ConfigError(f"{source.path}: {what}; check ingestion.sources (files read: {_SUPPORTED})")
    return files


def open_files(source: SourceConfig) -> Iterator[SourceFile]:
    """Every file of a source, members of archives included, decompressed, one open at a time.

    Raises: ConfigError for a missing path or unknown suffix; ContractError for a file that cannot be read.
    """
    if source.path == STDIN:
        format_: Format = "jsonl" if source.format == "auto" else source.format
        yield SourceFile("-", format_, io.BufferedReader(_Guarded(sys.stdin.buffer, "-", None), _BUFFER_BYTES))
        return
    explicit = not Path(source.path).expanduser().is_dir()
    for path in list_files(source):
        yield from _open_path(path, source, explicit=explicit)


def _files_in_folder(folder: Path, source: SourceConfig) -> list[Path]:
    shards = sorted(folder.glob("part-*.jsonl")) or sorted(folder.glob("*/part-*.jsonl"))
    if shards:  # a corpus of ours: what lies beside its shards (reports, ground truth) is not part of it
        return shards
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    shown = [path for path in files if not _is_hidden(path.relative_to(folder).as_posix())]
    wanted = (_is_archive(path.name) or _is_wanted(path.name, source, partial(_starts_wiki, path)) for path in shown)
    return [path for path, is_wanted in zip(shown, wanted, strict=True) if is_wanted]


def _glob(pattern: Path) -> list[Path]:
    anchor = Path(pattern.anchor) if pattern.is_absolute() else Path()
    relative = pattern.relative_to(anchor).as_posix() if pattern.is_absolute() else pattern.as_posix()
    if not any(sign in relative for sign in "*?["):
        return []
    return sorted(path for path in anchor.glob(relative) if path.is_file())


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) and part != ".." for part in PurePosixPath(name).parts)


def _is_archive(name: str) -> bool:
    return name.lower().endswith((".zip", ".tar", ".tar.gz", ".tgz"))


def _plain_suffix(name: str) -> str:
    """Suffix under the compression's: ``.jsonl`` for ``a.jsonl.gz``."""
    path = PurePosixPath(name.lower())
    return PurePosixPath(path.stem).suffix if path.suffix in {".gz", ".zst"} else path.suffix


def _is_wanted(name: str, source: SourceConfig, starts_wiki: Callable[[], bool]) -> bool:
    """Whether a file found in a folder or archive is one that the source means."""
    found = _FORMAT_OF_SUFFIX.get(_plain_suffix(name))
    if source.format != "auto":
        return found == source.format or _plain_suffix(name) in _ALSO_READ_AS.get(source.format, ())
    return found in _FORMATS_IN_FOLDERS or (_plain_suffix(name) == "" and starts_wiki())


def _starts_wiki(path: Path) -> bool:
    with path.open("rb") as raw, _decompressed(path.name, cast(BinaryIO, raw), path.stat().st_size) as stream:
        return stream.peek(len(_WIKIEXTRACTOR_START)).startswith(_WIKIEXTRACTOR_START)


def _open_path(path: Path, source: SourceConfig, *, explicit: bool) -> Iterator[SourceFile]:
    name = str(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as raw:
            if _is_archive(name):
                members = _zip_members if name.lower().endswith(".zip") else _tar_members
                yield from members(name, cast(BinaryIO, raw), size, source)
                return
            with _decompressed(name, cast(BinaryIO, raw), size) as stream:
                yield SourceFile(name, _format_of(name, source, stream, explicit=explicit), stream)
    except OSError as error:
        raise ContractError(
            f"{name}: cannot be read ({error.strerror or type(error).__name__}); check the file"
        ) from error


def _format_of(name: str, source: SourceConfig, stream: io.BufferedReader, *, explicit: bool) -> Format:
    if source.format != "auto":
        return source.format
    if (found := _FORMAT_OF_SUFFIX.get(_plain_suffix(name))) is not None:
        return found
    if stream.peek(len(_WIKIEXTRACTOR_START)).startswith(_WIKIEXTRACTOR_START):
        return "wikiextractor"
    where = "ingestion.sources[].format" if explicit else "ingestion.sources"
    raise ConfigError(f"{name}: the suffix names no format that ingestion reads ({_SUPPORTED}); set {where}")


def _zip_members(name: str, raw: BinaryIO, size: int, source: SourceConfig) -> Iterator[SourceFile]:
    try:
        with zipfile.ZipFile(raw) as archive:
            for info in archive.infolist():
                if info.is_dir() or _is_hidden(info.filename):
                    continue
                if info.flag_bits & 1:
                    raise ContractError(f"{name}: its members are encrypted; unpack it and name the folder")
                with archive.open(info) as member:
                    yield from _member(name, info.filename, cast(BinaryIO, member), size, source)
    except (zipfile.BadZipFile, NotImplementedError) as error:
        raise ContractError(f"{name}: damaged or unsupported zip archive; get the file again or unpack it") from error


def _tar_members(name: str, raw: BinaryIO, size: int, source: SourceConfig) -> Iterator[SourceFile]:
    try:
        with _decompressed(name, raw, size) as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
            for info in archive:
                if not info.isreg() or _is_hidden(info.name):
                    continue
                member = archive.extractfile(info)
                if member is not None:
                    yield from _member(name, info.name, cast(BinaryIO, member), size, source)
    except tarfile.TarError as error:
        raise ContractError(f"{name}: damaged or truncated tar archive; get the file again") from error


def _member(archive: str, member: str, raw: BinaryIO, size: int, source: SourceConfig) -> Iterator[SourceFile]:
    name = f"{archive}{ARCHIVE_SEPARATOR}{member}"
    if _is_archive(member):
        return
    with _decompressed(name, raw, size) as stream:
        if _is_wanted(member, source, lambda: stream.peek(9).startswith(_WIKIEXTRACTOR_START)):
            yield SourceFile(name, _format_of(member, source, stream, explicit=False), stream)


@contextmanager
def _decompressed(name: str, raw: BinaryIO, size: int) -> Iterator[io.BufferedReader]:
    """The plain bytes of a stream, by the suffix of its name; ``size`` is what the file takes on disk."""
    lower = name.lower()
    with ExitStack() as stack:
        plain: BinaryIO = raw
        if lower.endswith((".gz", ".tgz")):
            plain = cast(BinaryIO, stack.enter_context(gzip.GzipFile(fileobj=raw)))
        elif lower.endswith(".zst"):
            plain = cast(BinaryIO, stack.enter_context(io.BufferedReader(_ZstdReader(raw, name), _BUFFER_BYTES)))
        yield stack.enter_context(io.BufferedReader(_Guarded(plain, name, size), _BUFFER_BYTES))


class _Guarded(io.RawIOBase):
    """A byte stream whose failures name the file, and which refuses to grow without end."""

    def __init__(self, inner: BinaryIO, name: str, size: int | None) -> None:
        self._inner, self._name, self._read = inner, name, 0
        self._limit = None if size is None else max(_EXPANSION_FREE_BYTES, size * _MAX_EXPANSION)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        try:
            data = self._inner.read(len(view))
        except (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile, tarfile.TarError) as error:
            raise ContractError(
                f"{self._name}: damaged or truncated after {self._read:,} bytes of content; get the file again"
            ) from error
        self._read += len(data)
        if self._limit is not None and self._read > self._limit:
            raise ContractError(f"{self._name}: grows beyond {self._limit:,} bytes when decompressed; no text corpus")
        view[: len(data)] = data
        return len(data)


class _ZstdReader(io.RawIOBase):
    """Zstandard frames as plain bytes. Unlike the library's reader it tells a truncated frame from a finished one."""

    def __init__(self, inner: BinaryIO, name: str) -> None:
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
                    raise ContractError(f"{self._name}: truncated zstd file; get the file again")
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
            raise ContractError(f"{self._name}: not a zstd file, or damaged; get the file again") from error
        if self._frame.eof:
            self._rest, self._frame = self._frame.unused_data, None
