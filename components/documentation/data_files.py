"""The records of each split as Parquet, the form in which others read them: typed, compressed, streamed.

JSON Lines would do for us, but readers that guess types turn the id ``007`` into 7. ``user`` is left out: whoever
wrote a record is personal data, and no scrubber looks there.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from components.cleaning.config import SPLIT_NAMES
from components.core.corpus import read_records
from components.core.hashing import digest_file

FIELDS = ("id", "text", "lang", "label", "group", "timestamp", "license")
FOLDER = "data"
_ROWS_A_GROUP = 10_000


def write_data_files(splits: Path, out_dir: Path) -> dict[str, str]:
    """Write ``data/<split>.parquet`` for every split; returns each file's name and digest."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, pa.string()) for name in FIELDS])
    folder = out_dir / FOLDER
    folder.mkdir(parents=True)
    files = {}
    for name in SPLIT_NAMES:
        path = folder / f"{name}.parquet"
        with pq.ParquetWriter(path, schema, compression="zstd") as writer:
            for batch in _batches(splits / name):
                writer.write_table(pa.Table.from_pylist(batch, schema=schema))
        files[f"{FOLDER}/{path.name}"] = digest_file(path)
    return files


def _batches(folder: Path) -> Iterator[list[dict[str, Any]]]:
    rows = ({field: _text(record.get(field)) for field in FIELDS} for record in read_records(folder))
    while batch := list(islice(rows, _ROWS_A_GROUP)):
        yield batch


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
