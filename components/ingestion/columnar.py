"""Parquet: rows a batch at a time, in memory bounded by a row group; one bad row does not cost the others."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

from components.ingestion.reading import ReadLimits, Row, check_columns, printable
from components.ingestion.records import FileError, QuarantineReason

_MAX_MEMBER_BYTES = 512_000_000
_BATCH_ROWS = 1_000
_BATCH_BYTES = 16_000_000
_MAX_EXPANSION = 1_500
_EXPANSION_FREE_BYTES = 1_000_000_000


def read_parquet(stream: io.BufferedReader, limits: ReadLimits) -> Iterator[Row]:
    """Rows of a Parquet file inside an archive, which is held in memory.

    Raises: FileError if it is not Parquet, lacks the text column, or that column holds no strings.
    """
    import pyarrow.parquet as pq

    data = io.BytesIO(stream.read(_MAX_MEMBER_BYTES + 1))
    if data.getbuffer().nbytes > _MAX_MEMBER_BYTES:
        raise FileError(f"{limits.name}: a Parquet file inside an archive may hold 512 MB; unpack it")
    yield from _rows(lambda **options: pq.ParquetFile(data, **options), limits, 0, None)


def read_parquet_file(
    file: Any, limits: ReadLimits, first_group: int = 0, last_group: int | None = None
) -> Iterator[Row]:
    """As ``read_parquet``, from a path or seekable stream: row groups from the first up to, not including, the last."""
    import pyarrow.parquet as pq

    yield from _rows(lambda **options: pq.ParquetFile(file, **options), limits, first_group, last_group)


def row_group_sizes(path: Any) -> list[int]:
    """Bytes of each row group on disk; empty if the file cannot be read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.ParquetFile(path).metadata
        groups = [metadata.row_group(index) for index in range(metadata.num_row_groups)]
        return [
            sum(group.column(column).total_compressed_size for column in range(group.num_columns)) for group in groups
        ]
    except (pa.ArrowException, OSError, ValueError):
        return []


def _rows(open_file: Callable[..., Any], limits: ReadLimits, first_group: int, last_group: int | None) -> Iterator[Row]:
    import pyarrow as pa

    try:
        schema = open_file().schema_arrow
        check_columns(schema.names, limits)
        text_column = limits.columns["text"]
        _check_text_type(schema.field(text_column).type, limits, pa)
        known = set(limits.columns.values()) | {"split"}
        wanted = schema.names if limits.keep_unknown_columns else [name for name in schema.names if name in known]
        # As a dictionary a string that stands in a thousand rows is in memory once.
        file = open_file(read_dictionary=[name for name in wanted if pa.types.is_string(schema.field(name).type)])
        groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
        _check_expansion(groups, limits)
        number = sum(group.num_rows for group in groups[:first_group])
        chosen = range(len(groups))[first_group:last_group]
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=list(chosen), columns=wanted):
            for row in _batch_rows(batch, text_column, limits.max_record_bytes):
                number += 1
                yield number, row
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError) as error:
        raise FileError(
            f"{limits.name}: not a Parquet file, or damaged ({type(error).__name__}); get it again"
        ) from error


def _check_expansion(groups: list[Any], limits: ReadLimits) -> None:
    for group in groups:
        columns = [group.column(index) for index in range(group.num_columns)]
        stored = sum(column.total_compressed_size for column in columns)
        if group.total_byte_size > max(_EXPANSION_FREE_BYTES, _MAX_EXPANSION * stored):
            raise FileError(
                f"{limits.name}: a row group of {stored:,} bytes claims {group.total_byte_size:,}; no text corpus",
                QuarantineReason.TOO_LARGE_UNPACKED,
            )


def _batch_rows(batch: Any, text_column: str, max_record_bytes: int) -> list[Any] | Iterator[Any]:
    """Dictionaries, or reasons in their place: all at once where that is small, else one after the other."""
    import pyarrow as pa

    names, columns = batch.schema.names, batch.columns
    sizes = {name: _sizes(column) for name, column in zip(names, columns, strict=True)}
    if sum(size.sum().as_py() or 0 for size in sizes.values() if size is not None) <= _BATCH_BYTES:
        plain = [column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in columns]
        try:
            rows: list[Any] = pa.RecordBatch.from_arrays(plain, names=names).to_pylist()
            return rows
        except (ValueError, OverflowError, pa.ArrowException):  # in one of the rows; find out in which
            pass
    lengths = sizes[text_column]
    if lengths is None:
        return (_single_row(batch, index) for index in range(batch.num_rows))
    return (
        QuarantineReason.TOO_LONG if (size or 0) > max_record_bytes else _single_row(batch, index)
        for index, size in enumerate(lengths.to_pylist())
    )


def _sizes(column: Any) -> Any:
    """Bytes of each string, null for null; None for a column of anything else."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        return pc.binary_length(column.dictionary).take(column.indices)
    return pc.binary_length(column) if _is_binary(column.type, pa) else None


def _is_binary(type_: Any, pa: Any) -> bool:
    kinds = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(is_kind(type_) for is_kind in kinds)


def _single_row(batch: Any, index: int) -> dict[str, Any] | QuarantineReason:
    import pyarrow as pa

    try:
        return {name: batch.column(name)[index].as_py() for name in batch.schema.names}
    except UnicodeDecodeError:
        return QuarantineReason.INVALID_ENCODING
    except (ValueError, OverflowError, pa.ArrowException):  # a date beyond year 9999 and the like
        return QuarantineReason.BAD_VALUE


def _check_text_type(type_: Any, limits: ReadLimits, pa: Any) -> None:
    plain = type_.value_type if pa.types.is_dictionary(type_) else type_
    if not (pa.types.is_string(plain) or pa.types.is_large_string(plain) or pa.types.is_string_view(plain)):
        raise FileError(
            f"{limits.name}: column {limits.columns['text']!r} holds {printable(str(type_))}, not strings; "
            "name the text column in ingestion.columns (or --column text=NAME)",
            QuarantineReason.OTHER_SCHEMA,
        )
