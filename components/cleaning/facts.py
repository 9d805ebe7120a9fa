"""What splitting must know of each record, an array a fact and shard, so that memory does not hold the corpus.

Files of a shard's folder, beside those of ``sketches``: ``facts.npy`` with a row a record:

- ``point``: where in [0, 2**64) the hash of the record's unit falls, which settles its split where fractions do;
- ``unit``: hash of the unit, equal for one user's records;
- ``forced``, ``given``: the split that ``force_split``, and ``split`` or the day, ask for, as a rank; ``NONE`` without;
- ``language``: place in LANGUAGES, one more for any other;
- ``undated``: asked to be parted by time, but without a readable date.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.cleaning.config import SPLIT_NAMES, SplitConfig, TimeConfig
from components.cleaning.shard_runs import Worker
from components.cleaning.shingles import TokenHasher
from components.cleaning.sketches import Document, Sketcher
from components.core.corpus import LANGUAGES, Record
from components.core.errors import ContractError

NONE = len(SPLIT_NAMES)
RANK: dict[str, int] = {name: rank for rank, name in enumerate(SPLIT_NAMES)}
FACT = np.dtype(
    [
        ("point", np.uint64),
        ("unit", np.uint64),
        ("forced", np.int8),
        ("given", np.int8),
        ("language", np.uint8),
        ("undated", np.bool_),
    ]
)
Facts = NDArray[np.void]

_SECONDS = re.compile(r"\d{9,10}(\.\d+)?")
_MILLISECONDS = re.compile(r"\d{12,13}")
_YEAR_OR_MONTH = re.compile(r"(\d{4})(?:-(\d{2}))?")


def start_noting(config: SplitConfig) -> Worker:
    """A worker that notes the facts and sketches of one shard at a time."""
    near = config.group_near_duplicates
    sketcher, hasher = Sketcher(near, seed=config.seed), TokenHasher() if near is not None else None

    def note_shard(shard: Path, folder: Path) -> None:
        facts: list[tuple[Any, ...]] = []

        def noted() -> Iterator[Document]:
            with shard.open("rb") as handle:
                for line in handle:
                    record: Record = json.loads(line)
                    facts.append(facts_of(record, config))
                    yield Document.of(record["text"], hasher)

        sketcher.write(noted(), folder)
        np.save(folder / "facts.npy", np.array(facts, FACT))

    return note_shard


def facts_of(record: Record, config: SplitConfig) -> tuple[Any, ...]:
    """A row of FACT. Raises ContractError if the record names an unknown split."""
    identifier, user = record["id"], record.get("user")
    by_user = config.unit == "user" and user is not None
    unit = f"user/{user}" if by_user else f"document/{identifier}"
    given = _rank(record, "split") if config.respect_given_splits else NONE
    undated = False
    if config.time is not None:
        day = parse_day(record.get("timestamp"))
        undated = day is None
        given = NONE if day is None else _rank_of_day(day, config.time)
    lang = record.get("lang")
    return (
        _hash64(f"{config.seed}/{config.salt}/{unit}"),
        _hash64(unit),
        _rank(record, "force_split"),
        given,
        LANGUAGES.index(lang) if lang in LANGUAGES else len(LANGUAGES),
        undated,
    )


def parse_day(value: Any) -> date | None:
    """The UTC day of a timestamp: ISO 8601 (also a year or a month alone), Unix seconds or milliseconds; else None."""
    text = str(value).strip() if isinstance(value, (str, int, float)) else ""
    try:
        if _SECONDS.fullmatch(text) or _MILLISECONDS.fullmatch(text):
            seconds = float(text) / (1_000 if _MILLISECONDS.fullmatch(text) else 1)
            return datetime.fromtimestamp(seconds, UTC).date()
        if (partial := _YEAR_OR_MONTH.fullmatch(text)) is not None:
            return date(int(partial[1]), int(partial[2] or 1), 1)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return (moment.astimezone(UTC) if moment.tzinfo is not None else moment).date()


def _rank_of_day(day: date, config: TimeConfig) -> int:
    if day >= config.test_from:
        return RANK["test"]
    return RANK["dev"] if config.dev_from is not None and day >= config.dev_from else RANK["train"]


def _rank(record: Record, key: str) -> int:
    value = record.get(key)
    if value is None:
        return NONE
    if value not in RANK:
        raise ContractError(f"record {record['id'][:80]!r}: {key} is none of {', '.join(SPLIT_NAMES)}; mend the source")
    return RANK[value]


def _hash64(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")
