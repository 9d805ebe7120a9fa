"""Part a corpus into train, dev, test and holdout by a hash of each unit's id.

Out: ``train/``, ``dev/``, ``test/``, ``holdout/``, each a corpus folder; ``dropped.jsonl`` and ``report.json``.

Records that belong together (one user's, equal texts, near duplicates) form a group, and a group goes to one split.
The group's hash is that of its smallest id, so neither the order of records nor their number moves a group.
A record with ``force_split`` takes its group along. Where ready-made splits are respected, an evaluation record whose
group also stands in an earlier split (train, dev, test, holdout, in this order) is dropped.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from components.cleaning.clean import exact_digest
from components.cleaning.config import SPLIT_NAMES, Fractions, SplitConfig, SplitName
from components.cleaning.near_duplicates import pair_near_duplicates
from components.cleaning.shingles import Hashes, MinHasher, TokenHasher
from components.core.corpus import LANGUAGES, Record, shard_paths, write_records
from components.core.errors import ContractError
from components.core.jsonfiles import write_json, write_jsonl
from components.core.store import StageReport

logger = logging.getLogger(__name__)

IN_ANOTHER_SPLIT = "in_another_split"
_CACHED_SETS = 4_096
_RANK: dict[str, int] = {name: rank for rank, name in enumerate(SPLIT_NAMES)}


class SplitReport(BaseModel):
    """Counts only. ``splits`` is keyed by split, then by language and ``records``."""

    read: int
    kept: int
    dropped: int
    reasons: dict[str, int]
    splits: dict[str, dict[str, int]]
    groups: int
    largest_group: int


@dataclass(frozen=True, slots=True)
class _Item:
    """What is remembered of a record."""

    id: str
    unit: str
    lang: str
    forced: str | None
    given: str | None
    digest: bytes


class _Groups:
    """Disjoint sets of positions."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def find(self, index: int) -> int:
        """The set's root."""
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = self._parent[index]
        return index

    def join(self, left: int, right: int) -> None:
        """Make two sets one; the smaller root stays root."""
        left, right = self.find(left), self.find(right)
        self._parent[max(left, right)] = min(left, right)

    def connected(self, left: int, right: int) -> bool:
        """Whether both are in one set."""
        return self.find(left) == self.find(right)


def split_corpus(corpus: Path, config: SplitConfig, *, out_dir: Path) -> StageReport:
    """Write the four splits.

    Raises ContractError if a split that should hold records stays empty, or a record names an unknown split.
    """
    items = [_item(record, config) for _, record in _records(corpus)]
    groups = _group(corpus, items, config)
    splits, dropped = _assign(items, groups, config)
    for name in SPLIT_NAMES:
        write_records(_selected(corpus, splits, name), out_dir / name)
    write_jsonl(dropped, out_dir / "dropped.jsonl")
    report = _report(items, splits, groups, dropped)
    _check_not_empty(corpus, items, report, config)
    write_json(report, out_dir / "report.json")
    logger.info(
        "split %d records: %s", report.kept, {name: counts["records"] for name, counts in report.splits.items()}
    )
    return StageReport(rows=report.kept, summary=report.model_dump())


def _records(corpus: Path) -> Iterator[tuple[int, Record]]:
    for index, line in _lines(corpus):
        yield index, json.loads(line)


def _lines(corpus: Path) -> Iterator[tuple[int, bytes]]:
    index = 0
    for path in shard_paths(corpus):
        with path.open("rb") as handle:
            for line in handle:
                yield index, line
                index += 1


def _selected(corpus: Path, splits: list[SplitName | None], name: SplitName) -> Iterator[Record]:
    for index, line in _lines(corpus):
        if splits[index] == name:
            yield json.loads(line)


def _item(record: Record, config: SplitConfig) -> _Item:
    identifier, user = record["id"], record.get("user")
    by_user = config.unit == "user" and user is not None
    given = record.get("split") if config.respect_given_splits else None
    for key, value in (("force_split", record.get("force_split")), ("split", given)):
        if value is not None and value not in _RANK:
            raise ContractError(
                f"record {identifier[:80]!r}: {key} is none of {', '.join(SPLIT_NAMES)}; mend the source"
            )
    lang = record.get("lang")
    return _Item(
        id=identifier,
        unit=f"user/{user}" if by_user else f"document/{identifier}",
        lang=lang if lang in LANGUAGES else "unknown",
        forced=record.get("force_split"),
        given=given,
        digest=exact_digest(record["text"]),
    )


def _group(corpus: Path, items: list[_Item], config: SplitConfig) -> _Groups:
    groups = _Groups(len(items))
    first: dict[str | bytes, int] = {}
    for index, item in enumerate(items):
        for key in (item.unit, item.digest):
            groups.join(first.setdefault(key, index), index)
    if items:
        _join_near_duplicates(corpus, items, groups, config)
    return groups


def _join_near_duplicates(corpus: Path, items: list[_Item], groups: _Groups, config: SplitConfig) -> None:
    near = config.group_near_duplicates
    if near is None:
        return
    hasher = TokenHasher()
    # One document stands for all that are equal to it.
    positions = list({item.digest: index for index, item in reversed(list(enumerate(items)))}.values())[::-1]
    chosen = set(positions)
    texts = [record["text"] for index, record in _records(corpus) if index in chosen]

    @lru_cache(maxsize=_CACHED_SETS)
    def set_of(index: int) -> Hashes:
        return np.unique(hasher.document(texts[index]))

    hashed = (grams if (grams := hasher.document(text)).size else np.zeros(1, np.uint64) for text in texts)
    signatures = MinHasher(permutations=near.permutations, seed=config.seed).signatures(hashed)

    def connected(left: int, right: int) -> bool:
        return groups.connected(positions[left], positions[right])

    for left, right in pair_near_duplicates(signatures, set_of, near.threshold, connected):
        groups.join(positions[left], positions[right])


def _assign(
    items: list[_Item], groups: _Groups, config: SplitConfig
) -> tuple[list[SplitName | None], list[dict[str, str]]]:
    """The split of each record, None where it is dropped, and the dropped ones."""
    members: dict[int, list[int]] = {}
    for index in range(len(items)):
        members.setdefault(groups.find(index), []).append(index)
    splits: list[SplitName | None] = [None] * len(items)
    dropped: dict[int, str] = {}
    for group in members.values():
        split, given, keeper = _split_of([items[index] for index in group], config)
        for index in group:
            if items[index].given is not None and items[index].given != given and items[index].forced is None:
                dropped[index] = keeper
            else:
                splits[index] = split
    rows = [{"id": items[index].id, "of": of, "reason": IN_ANOTHER_SPLIT} for index, of in sorted(dropped.items())]
    return splits, rows


def _split_of(group: list[_Item], config: SplitConfig) -> tuple[SplitName, str | None, str]:
    """A group's split, the ready-made split it comes from, and the id of the record that decided."""
    given = min((item.given for item in group if item.given is not None), key=_RANK.__getitem__, default=None)
    keeper = next((item.id for item in group if item.given == given), group[0].id)
    forced = min((item.forced for item in group if item.forced is not None), key=_RANK.__getitem__, default=None)
    if forced is not None:
        return _named(forced), given, keeper
    if given is not None and _named(given) not in config.given:
        return _named(given), given, keeper
    fractions = config.fractions if given is None else config.given[_named(given)]
    smallest = min((item.unit for item in group), key=lambda unit: (len(unit), unit))
    return _draw(smallest, fractions, config), given, keeper


def _named(name: str) -> SplitName:
    return SPLIT_NAMES[_RANK[name]]


def _draw(unit: str, fractions: Fractions, config: SplitConfig) -> SplitName:
    """The split in whose share of [0, 1) the unit's hash falls."""
    digest = hashlib.sha256(f"{config.seed}/{config.salt}/{unit}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") / 2**64
    total = 0.0
    for name in SPLIT_NAMES:
        total += getattr(fractions, name)
        if point < total:
            return name
    return next(name for name in reversed(SPLIT_NAMES) if getattr(fractions, name) > 0)


def _report(
    items: list[_Item], splits: list[SplitName | None], groups: _Groups, dropped: list[dict[str, str]]
) -> SplitReport:
    sizes = Counter(groups.find(index) for index in range(len(items)))
    counts: dict[str, dict[str, int]] = {name: {"records": 0} for name in SPLIT_NAMES}
    for item, name in zip(items, splits, strict=True):
        if name is not None:
            counts[name]["records"] += 1
            counts[name][item.lang] = counts[name].get(item.lang, 0) + 1
    return SplitReport(
        read=len(items),
        kept=len(items) - len(dropped),
        dropped=len(dropped),
        reasons={IN_ANOTHER_SPLIT: len(dropped)} if dropped else {},
        splits=counts,
        groups=len(sizes),
        largest_group=max(sizes.values(), default=0),
    )


def _check_not_empty(corpus: Path, items: list[_Item], report: SplitReport, config: SplitConfig) -> None:
    wanted: set[str] = {"train"}
    for given in {item.given for item in items}:
        fractions = config.fractions if given is None else config.given.get(_named(given))
        wanted |= (
            {_named(given)} if given and fractions is None else {n for n in SPLIT_NAMES if getattr(fractions, n) > 0}
        )
    if empty := [name for name in SPLIT_NAMES if name in wanted and not report.splits[name]["records"]]:
        raise ContractError(
            f"{corpus}: split {' and '.join(empty)} stays empty ({report.read} records in {report.groups} groups, the "
            f"largest of {report.largest_group}); add records or change splitting.fractions"
        )
