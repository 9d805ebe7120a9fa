"""Every input form in, records or quarantined lines out, in a stable order and in bounded memory.

kept + quarantined = read: whatever a reader takes for a record comes out as one or the other. A file that cannot be
read, or read on, comes out as one quarantined entry, and the next file follows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from components.core.corpus import Record
from components.core.errors import ContractError
from components.core.remote import is_remote
from components.ingestion.columnar import read_parquet_file
from components.ingestion.config import FieldName, SourceConfig
from components.ingestion.formats import read_stream
from components.ingestion.hub import read_hub
from components.ingestion.identifiers import IdentifierRegistry, base_identifier
from components.ingestion.reading import ReadLimits, Row, printable
from components.ingestion.records import FileError, Quarantined, QuarantineReason, RecordBuilder, cut_document
from components.ingestion.sources import HUB_PREFIX, Piece, SourceFile, UnreadableFile, open_files

_DEFAULT_MAX_RECORD_BYTES = 1_000_000
_MAX_KEYS_NAMED = 20


def read_input(path: str, *, columns: Mapping[FieldName, str] | None = None) -> Iterator[Record | Quarantined]:
    """Records of one input as a verb gets it on the command line, columns of the user's own included.

    Only records that have an id of their own have one here.
    """
    return read_documents([SourceConfig(path=path)], columns=columns, keep_unknown_columns=True)


def read_documents(
    sources: Iterable[str | SourceConfig],
    *,
    columns: Mapping[FieldName, str] | None = None,
    max_record_bytes: int = _DEFAULT_MAX_RECORD_BYTES,
    keep_unknown_columns: bool = False,
    key: bytes | None = None,
) -> Iterator[Record | Quarantined]:
    """Records of all sources, one after the other, no two with the same id.

    ``key`` makes an id for those that have none; without it they stay without.

    Raises: ConfigError for a path or data set that does not exist; ContractError for a source of which nothing could
    be read because of its form, and where no record of a source has the text column.
    """
    registry = IdentifierRegistry()
    for source in sources:
        config = SourceConfig(path=source) if isinstance(source, str) else source
        if config.columns is None and columns is not None:
            config = config.model_copy(update={"columns": dict(columns)})
        problems = Problems()
        reader = SourceReader(config, max_record_bytes, key=key, keep_unknown_columns=keep_unknown_columns)
        for item in reader.read(problems):
            if isinstance(item, dict) and "id" in item:
                item["id"] = registry.assign(item["id"])
            yield item
        problems.check()


class Problems:
    """What to tell if a source turns out to have nothing to read: why its files, and its first record, were no use.

    Names of files and columns only, nothing of a row.
    """

    def __init__(self) -> None:
        self.kept = 0
        self.has_text = False
        self.without_text = ""
        self.file_error = ""

    def add(self, kept: int, *, has_text: bool, without_text: str, file_error: str) -> None:
        """Take in what a later part of the same source found."""
        self.kept += kept
        self.has_text = self.has_text or has_text
        self.without_text = self.without_text or without_text
        self.file_error = self.file_error or file_error

    def note(self, name: str, line: int, row: object, built: QuarantineReason, text_column: str) -> None:
        """Take notice of one row that was not kept, and why."""
        if built is not QuarantineReason.NO_TEXT:
            self.has_text = self.has_text or not isinstance(row, QuarantineReason)
        elif not self.without_text and isinstance(row, Mapping):
            keys = ", ".join(printable(str(key)) for key in list(row)[:_MAX_KEYS_NAMED])
            self.without_text = (
                f"{name}, line {line}: no record has the text column {text_column!r}; the columns are "
                f"{keys or 'none'}; name the right one in ingestion.columns.text (or --column text=NAME)"
            )

    def check(self) -> None:
        """Raises ContractError if nothing was kept because no file could be read, or no record had the text column."""
        if self.without_text and not self.has_text:
            raise ContractError(self.without_text)
        if self.file_error and not self.kept:
            raise ContractError(self.file_error)


class SourceReader:
    """Reads one source, whole or by pieces; the ids are the records' own and may repeat.

    ``files`` counts the files (members, pieces) that were opened or could not be; ``lines_passed`` the lines of pieces.
    """

    def __init__(
        self, source: SourceConfig, max_record_bytes: int, *, key: bytes | None, keep_unknown_columns: bool = False
    ) -> None:
        """``key`` makes ids (see ``identifiers``); ``keep_unknown_columns`` carries columns that are not ours along."""
        self._source = source
        self._key = key
        self._max_record_bytes = max_record_bytes
        self._keep_unknown = keep_unknown_columns
        self._builder = RecordBuilder(
            source, max_record_bytes=max_record_bytes, keep_unknown_columns=keep_unknown_columns
        )
        self.files = 0
        self.lines_passed = 0

    def read(self, problems: Problems, pieces: Iterable[Piece] | None = None) -> Iterator[Record | Quarantined]:
        """Records and quarantined lines; at most ``max_records`` of the source's setting."""
        if self._source.path.startswith(HUB_PREFIX):
            yield from self._limited(self._rows(self._source.path, read_hub(self._limits(self._source.path)), problems))
            return
        yield from self._limited(self._files(problems, pieces))

    def _limited(self, items: Iterator[Record | Quarantined]) -> Iterator[Record | Quarantined]:
        kept = 0
        for item in items:
            yield item
            kept += not isinstance(item, Quarantined)
            if kept == self._source.max_records:
                return

    def _files(self, problems: Problems, pieces: Iterable[Piece] | None) -> Iterator[Record | Quarantined]:
        for file in open_files(self._source, pieces):
            self.files += 1
            if isinstance(file, UnreadableFile):
                yield _put_aside(file.error, file.name, 0, problems)
            else:
                rows = self._open(file)
                yield from self._rows(file.name, rows, problems, from_wiki=file.format == "wikiextractor")
                self.lines_passed += file.window.lines_passed if file.window else 0

    def _open(self, file: SourceFile) -> Iterator[Row]:
        limits, piece = self._limits(file.name), file.piece
        if file.format != "parquet" or piece is None:
            return read_stream(file.stream, file.format, limits, at_start=piece is None or piece.start == 0)
        return read_stored_parquet(piece, limits)

    def _limits(self, name: str) -> ReadLimits:
        return ReadLimits(name, self._source, self._builder.columns, self._max_record_bytes, self._keep_unknown)

    def _rows(
        self, name: str, rows: Iterator[Row], problems: Problems, *, from_wiki: bool = False
    ) -> Iterator[Record | Quarantined]:
        """Records of one file; what it is to be read as stops where it is damaged."""
        line, text_column = 0, self._builder.columns["text"]
        try:
            for line, row in rows:
                built = row if isinstance(row, QuarantineReason) else self._builder.build(row, blank_is_stub=from_wiki)
                if isinstance(built, QuarantineReason):
                    problems.note(name, line, row, built, text_column)
                    yield Quarantined(source=name, line=line, reason=built)
                    continue
                problems.has_text = True
                for record in self._pieces(built):
                    problems.kept += 1
                    yield record
        except FileError as error:
            yield _put_aside(error, name, line + 1, problems)

    def _pieces(self, record: Record) -> Iterator[Record]:
        """The record, or its pieces ``id#0``, ``id#1``, … where it is longer than a document may be."""
        limit = self._source.max_document_characters
        identifier = base_identifier(record, self._key)
        if identifier is None:
            record.pop("id", None)
        else:
            record["id"] = identifier
        if limit is None or len(record["text"]) <= limit:
            yield record
            return
        for index, piece in enumerate(cut_document(record["text"], limit)):
            numbered = {} if identifier is None else {"id": f"{identifier}#{index}"}
            yield {**record, **numbered, "text": piece}


def read_stored_parquet(piece: Piece, limits: ReadLimits) -> Iterator[Row]:
    """Rows of a Parquet file that need not fit in memory."""
    if is_remote(piece.file.path):
        with piece.file.open() as stream:
            yield from read_parquet_file(stream, limits, piece.start, piece.stop)
        return
    yield from read_parquet_file(piece.file.path, limits, piece.start, piece.stop)


def _put_aside(error: FileError, name: str, line: int, problems: Problems) -> Quarantined:
    problems.file_error = problems.file_error or str(error)
    return Quarantined(source=name, line=line, reason=error.reason)
