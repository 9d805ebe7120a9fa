"""Our corpora on disk: JSON Lines shards of records.

A record is a JSON object with ``id`` and ``text`` and, where known, ``lang`` (``en`` or ``zh``), ``label``,
``group``, ``user``, ``timestamp``, ``license``. A corpus folder holds ``part-00000.jsonl``, ``part-00001.jsonl``, …;
whatever else lies in the folder (a report, ground truth) is not part of the corpus.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from components.core.errors import ContractError

Record = dict[str, Any]

RECORDS_PER_SHARD = 10_000
LANGUAGES = ("en", "zh")


def shard_paths(folder: Path) -> list[Path]:
    """The shards of a corpus in order. Raises ContractError if there are none."""
    paths = sorted(folder.glob("part-*.jsonl"))
    if not paths:
        raise ContractError(f"{folder}: no part-*.jsonl shard in this corpus folder; was the stage before it run?")
    return paths


def read_records(folder: Path) -> Iterator[Record]:
    """The records of a corpus folder, in order."""
    for path in shard_paths(folder):
        with path.open(encoding="utf-8") as handle:
            for line in handle:
                yield json.loads(line)


def write_records(records: Iterable[Record], folder: Path, *, records_per_shard: int = RECORDS_PER_SHARD) -> int:
    """Write records as shards; returns how many. An empty corpus still has one (empty) shard."""
    lines = ((json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n").encode() for record in records)
    return write_lines(lines, folder, records_per_shard=records_per_shard)


def write_lines(lines: Iterable[bytes], folder: Path, *, records_per_shard: int = RECORDS_PER_SHARD) -> int:
    """The same for records that are lines of JSON already, each with its line end."""
    with ShardWriter(folder, records_per_shard=records_per_shard) as writer:
        for line in lines:
            writer.write(line)
    return writer.count


class ShardWriter:
    """Writes lines of JSON as the shards of one corpus folder, where several are written at once."""

    def __init__(self, folder: Path, *, records_per_shard: int = RECORDS_PER_SHARD) -> None:
        """Opens the first shard, so that an empty corpus still has one."""
        folder.mkdir(parents=True, exist_ok=True)
        self.count = 0
        self._folder = folder
        self._records_per_shard = records_per_shard
        self._handle = (folder / "part-00000.jsonl").open("wb")

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()

    def write(self, line: bytes) -> None:
        """Add a record, given as a line with its end."""
        if self.count and self.count % self._records_per_shard == 0:
            self._handle.close()
            shard = self.count // self._records_per_shard
            self._handle = (self._folder / f"part-{shard:05d}.jsonl").open("wb")
        self._handle.write(line)
        self.count += 1
