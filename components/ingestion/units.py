"""Units of work: a corpus's sources cut into parts that can be read on their own, in any order, on any process.

A unit is one part of one large file (JSON Lines by bytes, Parquet by row groups), or whole smaller files together,
about ``UNIT_BYTES`` of stored bytes. Where the number of records is limited, order matters: such a source is one unit.
The cut depends on the sources alone, so what a unit gives is the same whoever reads it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.ingestion.archives import is_archive
from components.ingestion.columnar import row_group_sizes
from components.ingestion.config import IngestionConfig, SourceConfig
from components.ingestion.decompression import COMPRESSIONS
from components.ingestion.sources import HUB_PREFIX, STDIN, Piece, StoredFile, is_lines_format, list_files

UNIT_BYTES = 16_000_000
_SCAN_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class SourcePart:
    """Some pieces of the source at a position in the config; None: all of it."""

    source: int
    pieces: tuple[Piece, ...] | None = None


@dataclass(frozen=True, slots=True)
class Unit:
    """What is read in one go."""

    parts: tuple[SourcePart, ...]

    @property
    def continues_file(self) -> bool:
        """Whether it starts inside a file of lines, so that its line numbers do not start at 1."""
        pieces = self.parts[0].pieces
        return bool(pieces) and pieces is not None and pieces[0].start > 0 and is_lines_format(pieces[0].file.path)


def plan_units(config: IngestionConfig, *, unit_bytes: int = UNIT_BYTES) -> list[Unit]:
    """The units of a corpus, in the order of its records. Raises: ConfigError for a source that does not exist."""
    sources = config.source_configs()
    if config.max_records is not None:
        return [Unit(tuple(SourcePart(position) for position in range(len(sources))))]
    return [unit for position, source in enumerate(sources) for unit in _source_units(position, source, unit_bytes)]


def _source_units(position: int, source: SourceConfig, unit_bytes: int) -> Iterator[Unit]:
    if source.max_records is not None or source.path == STDIN or source.path.startswith(HUB_PREFIX):
        yield Unit((SourcePart(position),))
        return
    together: list[Piece] = []
    for file in list_files(source):
        if file.size > unit_bytes and (pieces := _cut(file, source, unit_bytes)):
            if together:
                yield Unit((SourcePart(position, tuple(together)),))
            yield from (Unit((SourcePart(position, (piece,)),)) for piece in pieces)
            together = []
            continue
        together.append(Piece(file))
        if sum(piece.file.size for piece in together) >= unit_bytes:
            yield Unit((SourcePart(position, tuple(together)),))
            together = []
    if together:
        yield Unit((SourcePart(position, tuple(together)),))


def _cut(file: StoredFile, source: SourceConfig, unit_bytes: int) -> list[Piece]:
    """A large file in pieces; none if its format cannot be cut."""
    name = file.path.lower()
    if file.leaves_root or is_archive(name) or name.endswith(COMPRESSIONS):
        return []
    if name.endswith(".parquet") and source.format in {"auto", "parquet"}:
        return _row_group_pieces(file, unit_bytes)
    is_jsonl = source.format == "jsonl" or (source.format == "auto" and name.endswith((".jsonl", ".ndjson")))
    return list(_line_pieces(file, unit_bytes)) if is_jsonl else []


def _line_pieces(file: StoredFile, unit_bytes: int) -> Iterator[Piece]:
    """Cut after the first line end at or after each multiple of ``unit_bytes``."""
    with file.open() as stream:
        start = 0
        while start < file.size:
            stop = start + unit_bytes - 1
            stream.seek(stop)
            while stop < file.size:
                block = stream.read(_SCAN_BYTES)
                end = block.find(b"\n")
                stop += len(block) if end < 0 else end + 1
                if end >= 0 or not block:
                    break
            stop = min(stop, file.size)
            yield Piece(file, start, stop)
            start = stop


def _row_group_pieces(file: StoredFile, unit_bytes: int) -> list[Piece]:
    with file.open() as stream:
        sizes = row_group_sizes(stream)
    pieces: list[Piece] = []
    first, size = 0, 0
    for group, group_size in enumerate(sizes):
        size += group_size
        if size >= unit_bytes or group == len(sizes) - 1:
            pieces.append(Piece(file, first, group + 1))
            first, size = group + 1, 0
    return pieces
