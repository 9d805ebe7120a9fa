"""Part a corpus into train, dev, test and holdout by a hash of each unit's id.

Out: ``train/``, ``dev/``, ``test/``, ``holdout/``, each a corpus folder; ``dropped.jsonl`` and ``report.json``.

A record's split follows from its unit (itself, or its user) alone: from ``force_split``, from the ready-made split or
the day, or from where the hash of the unit's id falls. Neither the order of the records nor further ones move it.
Where two splits hold equal or, if asked for, similar texts, the later split (train, dev, test, holdout, in this order)
loses its copies, with a reason, so the splits are disjoint and what was trained on before is never tested on after.
Forced records come before all others, and an earlier ready-made split before a later one.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from enum import StrEnum
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from components.cleaning.config import SPLIT_NAMES, Fractions, SplitConfig
from components.cleaning.facts import NONE, RANK, Facts, start_noting
from components.cleaning.near_duplicates import find_near_duplicates
from components.cleaning.shard_runs import describe_shards, run_shards, workspace
from components.cleaning.sketches import Sketches, first_of_equals
from components.core.corpus import LANGUAGES, ShardWriter, shard_paths
from components.core.errors import ContractError
from components.core.jsonfiles import write_json, write_jsonl
from components.core.store import StageReport

logger = logging.getLogger(__name__)

Ranks = NDArray[np.int8]


class SplitDropReason(StrEnum):
    """Why a record stands in no split."""

    IN_ANOTHER_SPLIT = "in_another_split"
    SIMILAR_IN_ANOTHER_SPLIT = "similar_in_another_split"


# A record that goes, with the reason and the record that stays.
Dropped = dict[int, tuple[SplitDropReason, int]]


class SplitReport(BaseModel):
    """Counts only. ``splits`` is keyed by split, then by language and ``records``; ``undated`` went by fractions."""

    read: int
    kept: int
    dropped: int
    reasons: dict[str, int]
    splits: dict[str, dict[str, int]]
    units: int
    largest_unit: int
    undated: int


def split_corpus(corpus: Path, config: SplitConfig, *, out_dir: Path, work_dir: Path | None = None) -> StageReport:
    """Write the four splits; ``work_dir`` gets what outlives a kill (None: a folder under ``out_dir``).

    Raises: ContractError if a split that should hold records stays empty, or a record names an unknown split;
    InfrastructureError if a worker process was killed.
    """
    shards = shard_paths(corpus)
    with workspace(work_dir or out_dir / ".work", [config.digest(), describe_shards(shards)]) as work:
        folders = run_shards(partial(start_noting, config), shards, work, workers=config.workers)
        facts: Facts = np.concatenate([np.load(folder / "facts.npy") for folder in folders])
        splits, dropped = _assign(facts, config)
        _clear(Sketches(folders), facts, splits, dropped, config)
    _write(shards, splits, dropped, out_dir)
    report = _report(facts, splits, dropped)
    _check_not_empty(corpus, facts, report, config)
    write_json(report, out_dir / "report.json")
    logger.info(
        "split %d records: %s", report.kept, {name: counts["records"] for name, counts in report.splits.items()}
    )
    return StageReport(rows=report.kept, summary=report.model_dump())


def _assign(facts: Facts, config: SplitConfig) -> tuple[Ranks, Dropped]:
    """The split of each record by its unit alone; a user's records that a later ready-made split holds go."""
    _, first, unit = np.unique(facts["unit"], return_index=True, return_inverse=True)
    forced_U, given_U = (np.full(len(first), NONE, np.int8) for _ in range(2))
    np.minimum.at(forced_U, unit, facts["forced"])
    np.minimum.at(given_U, unit, facts["given"])
    splits_U = np.where(forced_U < NONE, forced_U, given_U)
    for given in range(NONE + 1):
        fractions = _fractions(given, config)
        drawn = (forced_U == NONE) & (given_U == given)
        if fractions is not None:
            splits_U[drawn] = _draw(facts["point"][first[drawn]], fractions)
    conflicting = (facts["given"] != NONE) & (facts["given"] != given_U[unit]) & (facts["forced"] == NONE)
    decisive = np.zeros(len(first), np.int64)
    decides = np.flatnonzero(facts["given"] == given_U[unit])[::-1]
    decisive[unit[decides]] = decides  # the first of each unit is written last
    dropped = {
        int(index): (SplitDropReason.IN_ANOTHER_SPLIT, int(decisive[unit[index]]))
        for index in np.flatnonzero(conflicting)
    }
    return splits_U[unit], dropped


def _fractions(given: int, config: SplitConfig) -> Fractions | None:
    """The shares by which records of a ready-made split (NONE: of none) are parted; None: they stay together."""
    return config.fractions if given == NONE else config.given.get(SPLIT_NAMES[given])


def _draw(points: NDArray[np.uint64], fractions: Fractions) -> Ranks:
    """The split in whose share of [0, 2**64) each point falls."""
    shares = np.array([getattr(fractions, name) for name in SPLIT_NAMES])
    drawn = np.searchsorted(np.cumsum(shares), points / 2.0**64, side="right")
    return np.asarray(np.minimum(drawn, np.flatnonzero(shares)[-1]), np.int8)


def _clear(sketches: Sketches, facts: Facts, splits: Ranks, dropped: Dropped, config: SplitConfig) -> None:
    """Drop what is equal or similar to a record of another split that comes before it."""
    left = np.setdiff1d(np.arange(len(facts)), np.fromiter(dropped, np.int64, len(dropped)), assume_unique=True)
    digests = sketches.digests()[left]
    # By content, not by place, where all else is equal: the order of the records must not matter.
    ranks = (splits[left], facts["given"][left], facts["forced"][left] == NONE)
    order = np.lexsort((digests[:, 1], digests[:, 0], *ranks))
    precedence = left[order]
    leaders = first_of_equals(digests[order])
    stay = splits[precedence] == splits[precedence[leaders]]
    for place in np.flatnonzero(~stay).tolist():
        dropped[int(precedence[place])] = (SplitDropReason.IN_ANOTHER_SPLIT, int(precedence[leaders[place]]))
    near = config.group_near_duplicates
    if near is None:
        return
    is_leader = leaders == np.arange(len(leaders))
    found = find_near_duplicates(sketches, near.threshold, order=precedence[is_leader], labels=splits)
    for place in np.flatnonzero(stay).tolist():
        kept = found.get(int(precedence[leaders[place]]))
        if kept is not None:
            dropped[int(precedence[place])] = (SplitDropReason.SIMILAR_IN_ANOTHER_SPLIT, kept)


def _write(shards: list[Path], splits: Ranks, dropped: Dropped, out_dir: Path) -> None:
    wanted = {kept for _, kept in dropped.values()}.union(dropped)
    ids: dict[int, str] = {}
    with ExitStack() as stack:
        writers = [stack.enter_context(ShardWriter(out_dir / name)) for name in SPLIT_NAMES]
        for index, line in enumerate(_lines(shards)):
            if index in wanted:
                ids[index] = json.loads(line)["id"]
            if index not in dropped:
                writers[splits[index]].write(line)
    rows = ({"id": ids[index], "of": ids[kept], "reason": reason} for index, (reason, kept) in sorted(dropped.items()))
    write_jsonl(rows, out_dir / "dropped.jsonl")


def _lines(shards: list[Path]) -> Iterator[bytes]:
    for path in shards:
        with path.open("rb") as handle:
            yield from handle


def _report(facts: Facts, splits: Ranks, dropped: Dropped) -> SplitReport:
    kept = np.ones(len(facts), np.bool_)
    kept[list(dropped)] = False
    names = [*LANGUAGES, "unknown"]
    counts: dict[str, dict[str, int]] = {}
    for name, rank in RANK.items():
        languages = np.bincount(facts["language"][kept & (splits == rank)], minlength=len(names)).tolist()
        counts[name] = {"records": sum(languages)} | {
            lang: count for lang, count in zip(names, languages, strict=True) if count
        }
    sizes = np.unique(facts["unit"], return_counts=True)[1]
    return SplitReport(
        read=len(facts),
        kept=len(facts) - len(dropped),
        dropped=len(dropped),
        reasons=dict(sorted(Counter(reason.value for reason, _ in dropped.values()).items())),
        splits=counts,
        units=len(sizes),
        largest_unit=int(sizes.max(initial=0)),
        undated=int(facts["undated"].sum()),
    )


def _check_not_empty(corpus: Path, facts: Facts, report: SplitReport, config: SplitConfig) -> None:
    wanted: set[str] = {"train"}
    for given in np.unique(facts["given"]).tolist():
        fractions = _fractions(given, config)
        wanted |= {SPLIT_NAMES[given]} if fractions is None else {n for n in SPLIT_NAMES if getattr(fractions, n) > 0}
    if empty := [name for name in SPLIT_NAMES if name in wanted and not report.splits[name]["records"]]:
        raise ContractError(
            f"{corpus}: split {' and '.join(empty)} stays empty ({report.read} records in {report.units} units, the "
            f"largest of {report.largest_unit}, {report.dropped} dropped as copies); add records or change "
            "splitting.fractions"
        )
