"""The stage: a corpus in, a clean corpus out, with ``dropped.jsonl`` (id, reason, of) and ``report.json`` beside it.

Steps, each one optional:

1. Shard by shard, in several processes: repair, normalise, then empty, licence, length, quality, language, protected
   benchmarks, stock phrases, harm; of what is left, sketches for deduplication.
2. Over the whole corpus, from the sketches: exact duplicates, near duplicates, lines that stand in many documents.
3. Writing, in the order in which the records came.

kept + dropped = read, every drop has a reason, and the number of processes changes no byte. A killed run goes on with
the shards that were not finished. Memory: a shard's records for each process, and some 500 bytes a document over all.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from components.cleaning.boilerplate import boilerplate_shares
from components.cleaning.config import CleaningConfig
from components.cleaning.filters import DropReason
from components.cleaning.near_duplicates import find_near_duplicates
from components.cleaning.protect import BenchmarkCounts, ProtectedRuns, protect_fingerprint
from components.cleaning.shard_runs import describe_shards, run_shards, workspace
from components.cleaning.sketches import Indices, Sketches, first_of_equals
from components.cleaning.survivors import Row, Survivors, start_cleaning
from components.cleaning.toxicity import MakeScorer
from components.core.corpus import shard_paths, write_lines
from components.core.errors import ConfigError, ContractError, IntegrityError
from components.core.hashing import canonical_json
from components.core.jsonfiles import write_json
from components.core.store import StageReport

logger = logging.getLogger(__name__)

Doubles = dict[int, tuple[DropReason, int | None]]


class CleaningReport(BaseModel):
    """Counts only: ``kept + dropped = read``.

    ``changed`` texts are other ones now, ``repaired`` ones had a wrong encoding; ``protected`` is keyed by benchmark,
    and a record that overlaps two counts in both.
    """

    read: int
    kept: int
    dropped: int
    reasons: dict[str, int]
    changed: int
    repaired: int
    languages: dict[str, int]
    protected: dict[str, BenchmarkCounts]


def clean_corpus(
    corpus: Path,
    config: CleaningConfig,
    *,
    out_dir: Path,
    work_dir: Path | None = None,
    make_scorer: MakeScorer | None = None,
) -> StageReport:
    """Repair, normalise, filter and deduplicate a corpus.

    Args:
        corpus: Folder of shards.
        config: Which steps, and how strict.
        out_dir: Gets the shards that are left, ``dropped.jsonl`` and ``report.json``.
        work_dir: Gets what outlives a kill; removed at the end. None: a folder under ``out_dir``.
        make_scorer: Makes the harm classifier that ``config.toxicity`` asks for.

    Raises: ConfigError for an unreadable protected file or an absent classifier; ContractError if nothing, or nothing
    in a configured language, is left; InfrastructureError if a worker process was killed.
    """
    if config.toxicity is not None and make_scorer is None:
        raise ConfigError("cleaning.toxicity: no harm classifier was given; set it to null or pass one")
    shards = shard_paths(corpus)
    plan = [config.digest(), describe_shards(shards), protect_fingerprint(config.protect)]
    with workspace(work_dir or out_dir / ".work", plan) as work:
        protected, benchmarks = ProtectedRuns.read(config.protect)
        protected.save(work)
        start = partial(start_cleaning, config, work, make_scorer)
        folders = run_shards(start, shards, work, workers=config.workers)
        survivors = Survivors(folders)
        doubles = _find_doubles(Sketches(folders), survivors, config)
        writer = _Writer(survivors, doubles)
        rows = writer.write(out_dir)
    for name, count in survivors.overlaps.items():
        benchmarks[name].dropped = count
    report = writer.report(benchmarks)
    _check(report, corpus, config)
    write_json(report, out_dir / "report.json")
    logger.info("cleaned: kept %d of %d records", report.kept, report.read)
    return StageReport(rows=rows, summary=report.model_dump())


def _find_doubles(sketches: Sketches, survivors: Survivors, config: CleaningConfig) -> Doubles:
    """Survivors that go because of others: each with the reason and the one that stays, if it is a copy of one."""
    doubles: Doubles = {}
    left: Indices = np.arange(len(sketches))
    if config.exact_duplicates == "drop" and len(sketches):
        first = first_of_equals(sketches.digests())
        doubles |= {
            int(number): (DropReason.EXACT_DUPLICATE, int(first[number])) for number in np.flatnonzero(first != left)
        }
        left = np.flatnonzero(first == left)
    if config.near_duplicates is not None:
        found = find_near_duplicates(sketches, config.near_duplicates.threshold, order=left)
        doubles |= {number: (DropReason.NEAR_DUPLICATE, kept) for number, kept in found.items()}
        left = np.setdiff1d(left, np.fromiter(found, np.int64, len(found)), assume_unique=True)
    if config.boilerplate is not None and left.size:
        lines, counts = survivors.lines(left)
        shares = boilerplate_shares(lines, counts, min_documents=config.boilerplate.min_documents)
        common = left[shares > config.boilerplate.max_share]
        doubles |= {int(number): (DropReason.BOILERPLATE, None) for number in common}
    return doubles


class _Writer:
    """Writes what stays and what goes, counting."""

    def __init__(self, survivors: Survivors, doubles: Doubles) -> None:
        self._survivors = survivors
        self._doubles = doubles
        self._reasons: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()
        self._kept = 0

    def write(self, out_dir: Path) -> int:
        """Write shards and ``dropped.jsonl``; returns how many records stay."""
        with ExitStack() as stack:
            dropped = stack.enter_context((out_dir / "dropped.jsonl").open("w", encoding="utf-8"))

            def kept_lines() -> Iterator[bytes]:
                for item, kept in self._survivors.merged():
                    row = item if isinstance(item, dict) else self._row_of(item, kept)
                    if row is None and kept is not None:
                        self._kept += 1
                        self._languages[kept[1]] += 1
                        yield kept[0]
                    elif row is not None:
                        self._reasons[row["reason"]] += 1
                        dropped.write(
                            canonical_json({key: value for key, value in row.items() if key != "index"}) + "\n"
                        )

            return write_lines(kept_lines(), out_dir)

    def _row_of(self, number: int, kept: tuple[bytes, str] | None) -> Row | None:
        """The row of a survivor that goes after all."""
        if number not in self._doubles or kept is None:
            return None
        reason, other = self._doubles[number]
        row: Row = {"id": json.loads(kept[0])["id"], "reason": reason.value}
        return row if other is None else row | {"of": self._survivors.id_of(other)}

    def report(self, benchmarks: dict[str, BenchmarkCounts]) -> CleaningReport:
        """Counts. Raises IntegrityError if they do not add up."""
        counts = self._survivors.counts
        if self._kept + self._reasons.total() != counts["read"]:
            raise IntegrityError(
                f"cleaning read {counts['read']} records but kept {self._kept} and dropped {self._reasons.total()}; "
                "remove the work folder and run again"
            )
        return CleaningReport(
            read=counts["read"],
            kept=self._kept,
            dropped=self._reasons.total(),
            reasons=dict(sorted(self._reasons.items())),
            changed=counts["changed"],
            repaired=counts["repaired"],
            languages=dict(sorted(self._languages.items())),
            protected=benchmarks,
        )


def _check(report: CleaningReport, corpus: Path, config: CleaningConfig) -> None:
    """Raises ContractError if nothing is left, in all or in a configured language."""
    ordered = sorted(report.reasons.items(), key=lambda item: -item[1])
    counts = ", ".join(f"{reason} {count}" for reason, count in ordered) or "none"
    if not report.kept:
        raise ContractError(f"{corpus}: cleaning left none of {report.read} records ({counts}); loosen cleaning.yaml")
    if missing := [lang for lang in config.languages if not report.languages.get(lang)]:
        raise ContractError(
            f"{corpus}: cleaning left no record in {' or '.join(missing)} (dropped: {counts}); "
            "loosen cleaning.yaml or add text in that language"
        )
