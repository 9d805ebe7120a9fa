"""Every input form in, records or quarantined lines out, in a stable order and in bounded memory.

kept + quarantined = read: whatever a reader takes for a record comes out as one or the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from components.core.corpus import Record
from components.core.errors import ContractError
from components.ingestion.config import FieldName, SourceConfig
from components.ingestion.formats import ReadLimits, Row, read_parquet_path, read_stream
from components.ingestion.hub import read_hub
from components.ingestion.records import (
    IdentifierRegistry,
    Quarantined,
    QuarantineReason,
    RecordBuilder,
    cut_document,
)
from components.ingestion.sources import ARCHIVE_SEPARATOR, HUB_PREFIX, open_files

_DEFAULT_MAX_RECORD_BYTES = 1_000_000
_MAX_KEYS_NAMED = 20


def read_input(path: str, *, columns: Mapping[FieldName, str] | None = None) -> Iterator[Record | Quarantined]:
    """Records of one input as a verb gets it on the command line, columns of the user's own included."""
    return read_documents([SourceConfig(path=path)], columns=columns, keep_unknown_columns=True)


def read_documents(
    sources: Iterable[str | SourceConfig],
    *,
    columns: Mapping[FieldName, str] | None = None,
    max_record_bytes: int = _DEFAULT_MAX_RECORD_BYTES,
    keep_unknown_columns: bool = False,
    identifiers: IdentifierRegistry | None = None,
) -> Iterator[Record | Quarantined]:
    """Records of all sources, one after the other, each with an id that no other has.

    ``identifiers`` carries the ids given so far from one call to the next.

    Raises: ConfigError for a path or data set that does not exist; ContractError for a file that cannot be read as
    what it claims to be, and where no record of a source has the text column.
    """
    registry = IdentifierRegistry() if identifiers is None else identifiers
    for source in sources:
        config = SourceConfig(path=source) if isinstance(source, str) else source
        if config.columns is None and columns is not None:
            config = config.model_copy(update={"columns": dict(columns)})
        yield from _read_source(config, registry, max_record_bytes, keep_unknown_columns=keep_unknown_columns)


def _read_source(
    source: SourceConfig, identifiers: IdentifierRegistry, max_record_bytes: int, *, keep_unknown_columns: bool
) -> Iterator[Record | Quarantined]:
    builder = RecordBuilder(source, max_record_bytes=max_record_bytes, keep_unknown_columns=keep_unknown_columns)
    kept, keys = 0, KeysSeen(source.path, builder.columns["text"])
    for name, (line, row), from_wiki in _rows(source, builder.columns, max_record_bytes, keep_unknown_columns):
        built = row if isinstance(row, QuarantineReason) else builder.build(row, blank_is_stub=from_wiki)
        keys.note(name, line, row, built)
        if isinstance(built, QuarantineReason):
            yield Quarantined(source=name, line=line, reason=built)
            continue
        for record in _pieces(built, identifiers, source):
            yield record
            kept += 1
            if kept == source.max_records:
                return
    keys.check()


def _rows(
    source: SourceConfig, columns: Mapping[str, str], max_record_bytes: int, keep_unknown_columns: bool
) -> Iterator[tuple[str, Row, bool]]:
    """Each row with the file it stands in, and whether that is a WikiExtractor file, where blank means a stub."""

    def limits(name: str) -> ReadLimits:
        return ReadLimits(name, source, columns, max_record_bytes, keep_unknown_columns)

    if source.path.startswith(HUB_PREFIX):
        for row in read_hub(limits(source.path)):
            yield source.path, row, False
        return
    for file in open_files(source):
        in_archive = ARCHIVE_SEPARATOR in file.name
        if file.format == "parquet" and not in_archive:
            rows = read_parquet_path(file.name, limits(file.name))
        else:
            rows = read_stream(file.stream, file.format, limits(file.name))
        for row in rows:
            yield file.name, row, file.format == "wikiextractor"


def _pieces(record: Record, identifiers: IdentifierRegistry, source: SourceConfig) -> Iterator[Record]:
    """The record, or its pieces ``id#0``, ``id#1``, … where it is longer than a document may be."""
    limit = source.max_document_characters
    identifier = identifiers.assign(record)
    if limit is None or len(record["text"]) <= limit:
        yield {**record, "id": identifier}
        return
    for index, piece in enumerate(cut_document(record["text"], limit)):
        part = {**record, "id": f"{identifier}#{index}", "text": piece}
        yield {**part, "id": identifiers.assign(part)}


class KeysSeen:
    """Remembers the first record without the text column, to say which columns there are if none has it."""

    def __init__(self, path: str, text_column: str) -> None:
        self._path, self._text_column = path, text_column
        self._with_text = False
        self._first: tuple[str, int, list[str]] | None = None

    def note(self, name: str, line: int, row: object, built: Record | QuarantineReason) -> None:
        """Take notice of one row and what became of it."""
        if built is not QuarantineReason.NO_TEXT:
            self._with_text = self._with_text or not isinstance(row, QuarantineReason)
        elif self._first is None and isinstance(row, Mapping):
            self._first = (name, line, [str(key)[:60] for key in list(row)[:_MAX_KEYS_NAMED]])

    def check(self) -> None:
        """Raises ContractError if there were records and none had the text column."""
        if self._first is None or self._with_text:
            return
        name, line, keys = self._first
        raise ContractError(
            f"{name}, line {line}: no record has the text column {self._text_column!r}; the columns are "
            f"{', '.join(keys) or 'none'}; name the right one in ingestion.columns.text"
        )
