"""Shards after the filters that look at one record at a time, on disk, and read again as one corpus.

Files of a shard's folder, beside those of ``sketches``::

    survivors.jsonl   the records that are left, as they will be written
    dropped.jsonl     {"index", "id", "reason", ...}, a line a dropped record
    indices.npy       int64  [n]  place of each survivor in the shard
    places.npy        int64  [n]  where its line begins in survivors.jsonl
    languages.npy     uint8  [n]  its language, a place in LANGUAGES; one more for any other
    lines.npy, line_counts.npy    what ``boilerplate`` remembers of it, where that is asked for
    counts.json       read, changed, repaired, and records that overlap each benchmark
"""

from __future__ import annotations

import json
import mmap
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from components.cleaning.boilerplate import LineTable
from components.cleaning.config import CleaningConfig
from components.cleaning.filters import Outcome, RecordFilter
from components.cleaning.protect import ProtectedRuns
from components.cleaning.shard_runs import Worker
from components.cleaning.sketches import Document, Indices, Sketcher
from components.cleaning.toxicity import MakeScorer
from components.core.corpus import LANGUAGES, Record
from components.core.jsonfiles import read_json, read_jsonl, write_json

Row = dict[str, Any]
_OTHER_LANGUAGE = len(LANGUAGES)
_OPEN_SHARDS = 64


def start_cleaning(config: CleaningConfig, protected_dir: Path, make_scorer: MakeScorer | None) -> Worker:
    """A worker that filters one shard at a time."""
    scorer = make_scorer() if make_scorer is not None and config.toxicity is not None else None
    filters = RecordFilter(config, ProtectedRuns.load(protected_dir, tuple(config.protect)), scorer)
    sketcher = Sketcher(config.near_duplicates, seed=config.seed)

    def clean_shard(shard: Path, folder: Path) -> None:
        with _ShardWriter(folder) as writer:
            sketcher.write(writer.survivors(shard, filters), folder)

    return clean_shard


class _ShardWriter:
    """Writes one shard's folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept = (folder / "survivors.jsonl").open("wb")
        self._dropped = (folder / "dropped.jsonl").open("w", encoding="utf-8")
        self._indices: list[int] = []
        self._places: list[int] = []
        self._languages: list[int] = []
        self._lines: list[LineTable] = []
        self._counts: Counter[str] = Counter()
        self._overlaps: Counter[str] = Counter()

    def __enter__(self) -> _ShardWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._kept.close()
        self._dropped.close()
        np.save(self._folder / "indices.npy", np.array(self._indices, np.int64))
        np.save(self._folder / "places.npy", np.array(self._places, np.int64))
        np.save(self._folder / "languages.npy", np.array(self._languages, np.uint8))
        if self._lines:
            np.save(self._folder / "lines.npy", np.concatenate(self._lines))
            np.save(self._folder / "line_counts.npy", np.array([len(lines) for lines in self._lines], np.int64))
        write_json({"counts": dict(self._counts), "overlaps": dict(self._overlaps)}, self._folder / "counts.json")

    def survivors(self, shard: Path, filters: RecordFilter) -> Iterator[Document]:
        """Filter a shard; gives what deduplication needs of each record that is left."""
        filters.forget()
        with shard.open(encoding="utf-8") as handle:
            for index, line in enumerate(handle):
                record: Record = json.loads(line)
                outcome = filters.apply(record)
                self._count(outcome)
                if outcome.document is None or outcome.reason is not None:
                    self._drop(index, record["id"], outcome)
                else:
                    self._keep(index, record, outcome)
                    yield outcome.document

    def _count(self, outcome: Outcome) -> None:
        self._counts["read"] += 1
        self._counts["changed"] += outcome.changed
        self._counts["repaired"] += outcome.repaired
        self._overlaps.update(outcome.benchmarks)

    def _drop(self, index: int, identifier: str, outcome: Outcome) -> None:
        row: Row = {"index": index, "id": identifier, "reason": outcome.reason}
        if outcome.benchmarks:
            row["benchmarks"] = list(outcome.benchmarks)
        if outcome.of is not None:
            row["of"] = outcome.of
        self._dropped.write(json.dumps(row, ensure_ascii=False) + "\n")

    def _keep(self, index: int, record: Record, outcome: Outcome) -> None:
        lang = record.get("lang")
        self._indices.append(index)
        self._places.append(self._kept.tell())
        self._languages.append(LANGUAGES.index(lang) if lang in LANGUAGES else _OTHER_LANGUAGE)
        self._kept.write((json.dumps(record, ensure_ascii=False, sort_keys=True) + "\n").encode())
        if outcome.lines is not None:
            self._lines.append(outcome.lines)


class Survivors:
    """All shards' survivors, numbered through in the order of the corpus."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """``folders`` in the order of the shards."""
        self._folders = list(folders)
        counts = [read_json(folder / "counts.json") for folder in self._folders]
        self.counts: Counter[str] = sum((Counter(item["counts"]) for item in counts), Counter())
        self.overlaps: Counter[str] = sum((Counter(item["overlaps"]) for item in counts), Counter())
        self._starts = np.cumsum([0, *(len(self._load(number, "indices")) for number in range(len(folders)))])
        self._opened = lru_cache(maxsize=_OPEN_SHARDS)(self._open)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def id_of(self, number: int) -> str:
        """A survivor's id."""
        shard = int(np.searchsorted(self._starts, number, side="right")) - 1
        lines, places = self._opened(shard)
        place = int(places[number - int(self._starts[shard])])
        identifier: str = json.loads(lines[place : lines.find(b"\n", place)])["id"]
        return identifier

    def lines(self, numbers: Indices) -> tuple[LineTable, list[int]]:
        """The lines of some survivors in ascending order, and how many each has."""
        tables: list[LineTable] = []
        counts: list[int] = []
        for shard, low, high in zip(range(len(self._folders)), self._starts, self._starts[1:], strict=False):
            own = numbers[np.searchsorted(numbers, low) : np.searchsorted(numbers, high)] - low
            if own.size:
                sizes, table = self._load(shard, "line_counts"), self._load(shard, "lines")
                chosen = np.zeros(len(sizes), np.bool_)
                chosen[own] = True
                tables.append(table[np.repeat(chosen, sizes)])
                counts += sizes[own].tolist()
        return np.concatenate(tables), counts

    def merged(self) -> Iterator[tuple[Row, None] | tuple[int, tuple[bytes, str]]]:
        """Every record read, in order: a dropped one's row, or a survivor's number with its line and language."""
        for shard, folder in enumerate(self._folders):
            dropped = list(read_jsonl(folder / "dropped.jsonl"))[::-1]
            names = [*LANGUAGES, "unknown"]
            own = zip(self._load(shard, "indices").tolist(), self._load(shard, "languages").tolist(), strict=True)
            with (folder / "survivors.jsonl").open("rb") as handle:
                for row, ((index, language), line) in enumerate(zip(own, handle, strict=True)):
                    while dropped and dropped[-1]["index"] < index:
                        yield dropped.pop(), None
                    yield int(self._starts[shard]) + row, (line, names[language])
            while dropped:
                yield dropped.pop(), None

    def _open(self, shard: int) -> tuple[mmap.mmap, Indices]:
        with (self._folders[shard] / "survivors.jsonl").open("rb") as handle:
            return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ), self._load(shard, "places")

    def _load(self, shard: int, name: str) -> Any:
        return np.load(self._folders[shard] / f"{name}.npy")
