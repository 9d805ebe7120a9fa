"""From a chunk of records whose ids may repeat to a shard of a corpus where none does."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.core.repeats import Digests, digest_key
from components.ingestion.identifiers import number_identifier


def write_shard(chunk: Path, shard: Path, earlier: npt.NDArray[np.int64], taken: Digests) -> None:
    """Make a shard of a chunk.

    Args:
        chunk: JSON Lines, one record a line; it stays.
        shard: The file to make.
        earlier: [records] how many records before each, in the whole corpus, have the same id.
        taken: Sorted digests of those ids in the corpus that look like the numbered ones made here.
    """
    if not earlier.any():
        _link(chunk, shard)
        return

    def is_taken(identifier: str) -> bool:
        digest = np.frombuffer(digest_key(identifier), dtype="<u8")[0]
        place = int(np.searchsorted(taken, digest))
        return place < len(taken) and bool(taken[place] == digest)

    with chunk.open(encoding="utf-8", newline="\n") as lines, shard.open("w", encoding="utf-8") as handle:
        for line, before in zip(lines, earlier.tolist(), strict=True):
            if not before:
                handle.write(line)
                continue
            record = json.loads(line)
            record["id"] = number_identifier(record["id"], before, is_taken)
            handle.write(json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n")


def _link(chunk: Path, shard: Path) -> None:
    """A second name for the same bytes where the disk can do that, else a copy: the chunk must outlive a kill."""
    try:
        os.link(chunk, shard)
    except OSError:
        shutil.copyfile(chunk, shard)
