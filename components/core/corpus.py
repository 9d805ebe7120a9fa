"""Our corpora on disk: JSON Lines shards of records.

A record is a JSON object with ``id`` and ``text`` and, where known, ``lang`` (``en`` or ``zh``), ``label``,
``group``, ``user``, ``timestamp``. A corpus folder holds ``part-00000.jsonl``, ``part-00001.jsonl``, …;
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
    folder.mkdir(parents=True, exist_ok=True)
    count, shard, handle = 0, 0, (folder / "part-00000.jsonl").open("w", encoding="utf-8")
    try:
        for record in records:
            if count and count % records_per_shard == 0:
                handle.close()
                shard += 1
                handle = (folder / f"part-{shard:05d}.jsonl").open("w", encoding="utf-8")
            handle.write(json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n")
            count += 1
    finally:
        handle.close()
    return count
