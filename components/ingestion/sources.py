"""From a source's path to open byte streams: files, folders, globs, S3, compressed files and members of archives.

Everything is streamed. A file that cannot be read does not cost the others: it comes out as an ``UnreadableFile``
in its place. A link inside a folder (or among a glob's matches) that leads out of it is such a file too.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, cast

from components.core.errors import ConfigError
from components.core.remote import is_remote, list_remote, open_remote
from components.ingestion.archives import archive_members, is_archive
from components.ingestion.config import Format, SourceConfig
from components.ingestion.decompression import COMPRESSIONS, Allowance, damage_explained, decompressed
from components.ingestion.reading import printable
from components.ingestion.records import FileError, QuarantineReason

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
_SUPPORTED = ".jsonl, .csv, .tsv, .txt, .md (each also .gz, .bz2 or .zst), .parquet, .zip, .tar, .tar.gz"
_GLOB_SIGNS = "*?["
_MAX_NAME_CHARACTERS = 4_096
_WIKIEXTRACTOR_START = b"<doc id="


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file on disk or S3. ``version``: S3's tag of its content. ``leaves_root``: a link that is not followed."""

    path: str
    size: int
    version: str = ""
    leaves_root: bool = False

    def open(self) -> AbstractContextManager[IO[bytes]]:
        """Its bytes, seekable. Raises OSError, or ConfigError and the like on S3."""
        if is_remote(self.path):
            return open_remote(self.path)
        return cast(AbstractContextManager[IO[bytes]], Path(self.path).open("rb"))


@dataclass(frozen=True, slots=True)
class Piece:
    """A file, or a part that can be read on its own: bytes from one line's start to another's, or row groups."""

    file: StoredFile
    start: int = 0
    stop: int | None = None


class Window(io.RawIOBase):
    """Bytes of a seekable stream from ``start`` up to, not including, ``stop``, and how many lines ended in them."""

    def __init__(self, inner: IO[bytes], start: int, stop: int) -> None:
        inner.seek(start)
        self._inner, self._left = inner, stop - start
        self.lines_passed = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes."""
        data = self._inner.read(min(size, self._left) if size >= 0 else self._left)
        self._left -= len(data)
        self.lines_passed += data.count(b"\n")
        return data


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a source, open for reading until the next one is asked for."""

    name: str
    format: Format
    stream: io.BufferedReader
    piece: Piece | None = None
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """One file of a source that cannot be opened."""

    name: str
    error: FileError


def list_files(source: SourceConfig) -> list[StoredFile]:
    """The files behind a path, folder, glob or S3 address, in a stable order. Raises ConfigError if there are none."""
    if is_remote(source.path):
        return _list_remote(source)
    path = Path(source.path).expanduser()
    try:
        if path.is_dir():
            files = _files_in_folder(path, source)
        elif path.exists():
            return [StoredFile(str(path), path.stat().st_size)]
        else:
            files = _glob(path)
    except OSError as error:
        raise ConfigError(
            f"{source.path}: cannot be read ({error.strerror}); check its spelling (config: sources)"
        ) from error
    except ValueError as error:  # a NUL in the path, or `**` in the wrong place
        raise ConfigError(f"{printable(source.path)}: not a path; check its spelling (config: sources)") from error
    if not files:
        what = (
            "no file that ingestion reads"
            if path.is_dir()
            else "no such file or folder, and as a glob it matches nothing"
        )
        raise ConfigError(f"{source.path}: {what}; check its spelling (config: sources) (files read: {_SUPPORTED})")
    return files


def open_files(source: SourceConfig, pieces: Iterable[Piece] | None = None) -> Iterator[SourceFile | UnreadableFile]:
    """Every file of a source (or those pieces), members of archives included, decompressed, one open at a time.

    A file that cannot be opened comes with the error that says why.

    Raises: ConfigError for a missing path or, where one file was named, an unknown suffix.
    """
    if source.path == STDIN:
        format_: Format = "jsonl" if source.format == "auto" else source.format
        with decompressed("-", sys.stdin.buffer, Allowance("-", None)) as stream:
            yield SourceFile("-", format_, stream)
        return
    for piece in [Piece(file) for file in list_files(source)] if pieces is None else pieces:
        try:
            yield from _open_piece(piece, source)
        except FileError as error:
            yield UnreadableFile(printable(piece.file.path, _MAX_NAME_CHARACTERS), error)


def _list_remote(source: SourceConfig) -> list[StoredFile]:
    found = list_remote(source.path)
    prefix = "" if any(sign in source.path for sign in _GLOB_SIGNS) else source.path.rstrip("/") + "/"
    if [file.address for file in found] != [source.path] and prefix:
        names = [(file, file.address.removeprefix(prefix)) for file in found if file.address.startswith(prefix)]
        shards = [file for file, name in names if _is_shard(name)]
        wanted = [file for file, name in names if not _is_hidden(name) and _is_wanted_in_folder(name, source, None)]
        found = shards or wanted
    if not found:
        raise ConfigError(
            f"{source.path}: no object that ingestion reads; check its spelling (config: sources) ({_SUPPORTED})"
        )
    return [StoredFile(file.address, file.size, file.version) for file in found]


def _is_shard(name: str) -> bool:
    return name.count("/") <= 1 and PurePosixPath(name).match("part-*.jsonl")


def _files_in_folder(folder: Path, source: SourceConfig) -> list[StoredFile]:
    shards = sorted(folder.glob("part-*.jsonl")) or sorted(folder.glob("*/part-*.jsonl"))
    if shards:  # a corpus of ours: what lies beside its shards (reports, ground truth) is not part of it
        return [_stored(path, folder) for path in shards]
    found = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if _is_hidden(name) or not path.is_file():
            continue
        stored = _stored(path, folder)
        if _is_wanted_in_folder(name, source, None if stored.leaves_root else path):
            found.append(stored)
    return found


def _glob(pattern: Path) -> list[StoredFile]:
    anchor = Path(pattern.anchor) if pattern.is_absolute() else Path()
    relative = pattern.relative_to(anchor) if pattern.is_absolute() else pattern
    fixed = list(_until_glob(relative.parts))
    if len(fixed) == len(relative.parts):
        return []
    root = anchor.joinpath(*fixed)
    paths = root.glob("/".join(relative.parts[len(fixed) :]))
    return [_stored(path, root) for path in sorted(paths) if path.is_file()]


def _until_glob(parts: tuple[str, ...]) -> Iterator[str]:
    for part in parts:
        if any(sign in part for sign in _GLOB_SIGNS):
            return
        yield part


def _stored(path: Path, root: Path) -> StoredFile:
    leaves_root = not path.resolve().is_relative_to(root.resolve())
    return StoredFile(str(path), path.stat().st_size, leaves_root=leaves_root)


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) and part != ".." for part in PurePosixPath(name).parts)


def _plain_suffix(name: str) -> str:
    """Suffix under the compression's: ``.jsonl`` for ``a.jsonl.gz``."""
    path = PurePosixPath(name.lower())
    return PurePosixPath(path.stem).suffix if path.suffix in COMPRESSIONS else path.suffix


def _is_wanted_in_folder(name: str, source: SourceConfig, path: Path | None) -> bool:
    return is_archive(name) or _is_wanted(name, source, lambda: path is not None and _starts_wiki(path))


def _is_wanted(name: str, source: SourceConfig, starts_wiki: Callable[[], bool]) -> bool:
    """Whether a file found in a folder or archive is one that the source means."""
    found = _FORMAT_OF_SUFFIX.get(_plain_suffix(name))
    if source.format != "auto":
        return found == source.format or _plain_suffix(name) in _ALSO_READ_AS.get(source.format, ())
    return found in _FORMATS_IN_FOLDERS or (_plain_suffix(name) == "" and starts_wiki())


def _starts_wiki(path: Path) -> bool:
    try:
        with path.open("rb") as raw, decompressed(path.name, raw, Allowance(path.name, None)) as stream:
            return stream.peek(len(_WIKIEXTRACTOR_START)).startswith(_WIKIEXTRACTOR_START)
    except (OSError, FileError):  # a file without a suffix that cannot be opened is none of ours
        return False


def _open_piece(piece: Piece, source: SourceConfig) -> Iterator[SourceFile | UnreadableFile]:
    stored = piece.file
    name = printable(stored.path, _MAX_NAME_CHARACTERS)
    if stored.leaves_root:
        raise FileError(f"{name}: a link that leads out of the source's folder", QuarantineReason.OUTSIDE_ROOT)
    with damage_explained(name, "file"), stored.open() as raw:
        if is_archive(stored.path):
            yield from _members(name, raw, stored.size, source)
            return
        cut = piece.stop is not None and is_lines_format(stored.path)
        window = Window(raw, piece.start, piece.stop or 0) if cut else None
        compressed = stored.path.lower().endswith(COMPRESSIONS)
        allowance = Allowance(name, stored.size if compressed else None)
        with decompressed(stored.path, cast(IO[bytes], window or raw), allowance) as stream:
            yield SourceFile(name, _format_of(name, source, stream), stream, piece, window)


def is_lines_format(path: str) -> bool:
    """Whether pieces of a file are ranges of bytes, not of row groups."""
    return not path.lower().endswith(".parquet")


def _members(name: str, raw: IO[bytes], size: int, source: SourceConfig) -> Iterator[SourceFile | UnreadableFile]:
    allowance = Allowance(name, size)  # one for all members: overlapping ones unpack the same bytes again and again

    def may_be_wanted(member: str) -> bool:
        return not _is_hidden(member) and not is_archive(member) and _is_wanted(member, source, lambda: True)

    for member, stream in archive_members(name, raw, size, may_be_wanted):
        label = f"{name}{ARCHIVE_SEPARATOR}{printable(member, 200)}"
        try:
            with decompressed(member, stream, allowance) as plain:
                if _is_wanted(member, source, partial(_peeks_wiki, plain)):
                    yield SourceFile(label, _format_of(member, source, plain), plain)
        except FileError as error:
            yield UnreadableFile(label, error)


def _peeks_wiki(stream: io.BufferedReader) -> bool:
    return stream.peek(len(_WIKIEXTRACTOR_START)).startswith(_WIKIEXTRACTOR_START)


def _format_of(name: str, source: SourceConfig, stream: io.BufferedReader) -> Format:
    if source.format != "auto":
        return source.format
    if (found := _FORMAT_OF_SUFFIX.get(_plain_suffix(name))) is not None:
        return found
    if _peeks_wiki(stream):
        return "wikiextractor"
    raise ConfigError(
        f"{name}: the suffix names no format that ingestion reads ({_SUPPORTED}); set ingestion.sources[].format"
    )
