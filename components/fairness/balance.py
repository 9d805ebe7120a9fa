"""The balancing stage: counterfactual substitution and reweighing, on the training split alone.

In: a splits folder (``train dev test holdout``, each a corpus). Out: the same layout; dev, test and holdout byte for
byte, train with the same number of records (substituted in place, nothing appended, so a record stays one unit of
privacy), ``weight`` where asked for, and ``report.json``.
"""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.core.corpus import Record, read_records, write_records
from components.core.errors import ContractError
from components.core.jsonfiles import write_json
from components.core.seeds import derive_seed
from components.core.store import StageReport
from components.fairness.config import BalanceConfig
from components.fairness.lexicon import Lexicon, load_lexicon
from components.fairness.reweigh import Cell, cell_weights
from components.fairness.swap import Swapper, make_swapper

logger = logging.getLogger(__name__)

TRAIN = "train"
_SEED_RANGE = float(1 << 63)


@dataclass
class LanguageCount:
    """What balancing saw and did in one language."""

    records: int = 0
    records_with_terms: int = 0
    records_swapped: int = 0
    terms_swapped: int = 0

    @property
    def coverage(self) -> float:
        """Share of the records with at least one attribute term, in [0, 1]; 0 for no records."""
        return self.records_with_terms / self.records if self.records else 0.0

    def as_json(self) -> dict[str, int | float]:
        """Counts and coverage."""
        return {**self.__dict__, "coverage": round(self.coverage, 6)}


@dataclass
class _Parts:
    lexicons: dict[str, Lexicon]
    swappers: dict[str, Swapper]
    counts: dict[str, LanguageCount] = field(default_factory=dict)


def coverage(records: Iterable[Record], config: BalanceConfig) -> dict[str, LanguageCount]:
    """How many records of each configured language hold an attribute term. Nothing is changed."""
    parts = _load(config)
    for record in records:
        if (count := parts.counts.get(record.get("lang") or "")) is not None:
            count.records += 1
            count.records_with_terms += parts.swappers[record["lang"]](record["text"]).n_terms > 0
    return parts.counts


def balance_splits(splits: Path, config: BalanceConfig, *, out_dir: Path) -> StageReport:
    """Balance the training split over groups.

    A record is substituted if a hash of seed and id falls below ``counterfactual_probability``; then all its terms
    flip and its ``group`` too. Raises: ContractError if a configured language has no record with a term, or fewer
    than its ``min_coverage``, or if reweighing finds no record with group and label.
    """
    parts = _load(config)
    before, after = Counter[Cell](), Counter[Cell]()
    records = []
    for record in read_records(splits / TRAIN):
        _count_cell(record, before)
        balanced = _substitute(record, config, parts)
        _count_cell(balanced, after)
        records.append(balanced)
    _check_coverage(parts.counts, config, splits)
    weights: dict[Cell, float] = {}
    if config.reweigh:
        weights = _weigh(records, after, config, splits)
    rows = write_records(records, out_dir / TRAIN)
    for folder in sorted(path for path in splits.iterdir() if path.is_dir() and path.name != TRAIN):
        shutil.copytree(folder, out_dir / folder.name)

    summary: dict[str, Any] = {
        "train_records": rows,
        "languages": {lang: count.as_json() for lang, count in sorted(parts.counts.items())},
        "groups_before": _table(before),
        "groups_after": _table(after),
        "weights": {f"{group}|{label}": round(weight, 6) for (group, label), weight in sorted(weights.items())},
    }
    write_json(summary, out_dir / "report.json")
    logger.info("balanced %d training records", rows)
    return StageReport(rows=rows, summary=summary)


def _load(config: BalanceConfig) -> _Parts:
    lexicons: dict[str, Lexicon] = {lang: load_lexicon(lang) for lang in config.languages}
    return _Parts(
        lexicons=lexicons,
        swappers={lang: make_swapper(lexicon, config.attribute_sets) for lang, lexicon in lexicons.items()},
        counts={lang: LanguageCount() for lang in config.languages},
    )


def _substitute(record: Record, config: BalanceConfig, parts: _Parts) -> Record:
    lang = record.get("lang") or ""
    count = parts.counts.get(lang)
    if count is None:
        return record
    count.records += 1
    swapped = parts.swappers[lang](record["text"])
    if not swapped.n_terms:
        return record
    count.records_with_terms += 1
    if derive_seed(config.seed, "counterfactual", record["id"]) / _SEED_RANGE >= config.counterfactual_probability:
        return record
    count.records_swapped += 1
    count.terms_swapped += swapped.n_terms
    balanced = {**record, "text": swapped.text}
    group = record.get("group")
    if isinstance(group, str) and (other := parts.lexicons[lang].other_group(group)) is not None:
        balanced["group"] = other
    return balanced


def _check_coverage(counts: dict[str, LanguageCount], config: BalanceConfig, splits: Path) -> None:
    for lang, count in sorted(counts.items()):
        wanted = config.min_coverage[lang]  # type: ignore[index] # keys were checked against languages
        if count.coverage < wanted:
            raise ContractError(
                f"{splits / TRAIN}: language {lang}: {count.records_with_terms} of {count.records} training records "
                f"hold a term of {list(config.attribute_sets)}, a share of {count.coverage:.4f}; balance.min_coverage "
                f"wants {wanted}: lower it, 0 for text without such terms, or take {lang} out of balance.languages"
            )


def _weigh(records: list[Record], counts: Counter[Cell], config: BalanceConfig, splits: Path) -> dict[Cell, float]:
    """Write ``weight`` into every record: 1 where group or label is unknown."""
    if not counts:
        raise ContractError(
            f"{splits / TRAIN}: fairness.reweigh needs records with the keys group and label and there are none; "
            "map them in ingestion.columns or set fairness.reweigh to false"
        )
    weights = cell_weights(counts, max_weight=config.max_weight)
    for index, record in enumerate(records):
        records[index] = {**record, "weight": round(weights.get(_cell(record) or ("", ""), 1.0), 9)}
    return weights


def _cell(record: Record) -> Cell | None:
    group, label = record.get("group"), record.get("label")
    return (str(group), str(label)) if group is not None and label is not None else None


def _count_cell(record: Record, counts: Counter[Cell]) -> None:
    if (cell := _cell(record)) is not None:
        counts[cell] += 1


def _table(counts: Counter[Cell]) -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for (group, label), count in sorted(counts.items()):
        table.setdefault(group, {})[label] = count
    return table
