"""Training the safety filter: classifier, thresholds, rules and policy into one folder.

In: ``harmful.jsonl``, a line a text: ``{"id", "lang", "text", "categories": [...], "split": "train" | "test"}``;
harmless texts have no categories. Out: ``filter.json``, ``rules/*.yaml``, ``classifier.safetensors``, ``report.json``.

Steps: 1 hold back a part of the train split, chosen by hash of the id; 2 fit on the rest; 3 for each language and
category, the lowest threshold not under the configured one at which the held-back harmless texts stay within the
false positive target, shared evenly among the categories; 4 measure on the test split, which nothing else saw.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.core.errors import ContractError
from components.core.jsonfiles import read_jsonl, write_json
from components.core.seeds import derive_seed
from components.core.store import StageReport
from components.safety.classifier import HarmClassifier, fit
from components.safety.config import SafetyConfig
from components.safety.filter import FilterSettings, SafetyFilter
from components.safety.normaliser import make_views, repaired
from components.safety.rules import load_lexicons

RULES_DIR = Path(__file__).parent / "rules"

_FIELDS = {"id", "lang", "text", "categories", "split"}

Row = dict[str, Any]


def train_filter(harmful: Path, config: SafetyConfig, *, out_dir: Path, rules_dir: Path = RULES_DIR) -> StageReport:
    """Train and write a safety filter.

    Raises: ContractError if a line lacks a field, or a split has no harmful or no harmless text in a language.
    """
    rows = _read(harmful, config)
    load_lexicons(rules_dir, config.categories)
    train = [row for row in rows if row["split"] == "train"]
    held = [row for row in train if _is_held(row, config)]
    fitted = [row for row in train if not _is_held(row, config)]
    for name, part in (("train part", fitted), ("held-back part", held)):
        _check_part(part, name, harmful, config)
    classifier = _fit(fitted, config)
    thresholds = _thresholds(classifier, held, config)
    _write(classifier, thresholds, config, out_dir=out_dir, rules_dir=rules_dir)
    test = [row for row in rows if row["split"] == "test"]
    report = {
        "texts": {"fitted": len(fitted), "held": len(held), "test": len(test)},
        "thresholds": thresholds,
        "rules_only": [c for c in config.categories if not any(c in row["categories"] for row in fitted)],
        "test": _measure(SafetyFilter.load(out_dir), test, config),
    }
    write_json(report, out_dir / "report.json")
    return StageReport(rows=len(rows), summary=report)


def _read(path: Path, config: SafetyConfig) -> list[Row]:
    rows = []
    for number, row in enumerate(read_jsonl(path), start=1):
        if missing := _FIELDS - set(row):
            raise ContractError(f"{path}: line {number} lacks {', '.join(sorted(missing))}; add the field")
        if row["lang"] in config.languages:
            rows.append(row)
    return rows


def _is_held(row: Row, config: SafetyConfig) -> bool:
    return derive_seed(config.seed, "safety-held", row["id"]) / 2**63 < config.held_fraction


def _check_part(rows: list[Row], name: str, path: Path, config: SafetyConfig) -> None:
    for lang in config.languages:
        for wanted, harmful in (("harmful", True), ("harmless", False)):
            if not any(row["lang"] == lang and bool(row["categories"]) is harmful for row in rows):
                raise ContractError(f"{path}: no {wanted} text in {lang} in the {name}; add some")


def _fit(rows: list[Row], config: SafetyConfig) -> HarmClassifier:
    texts = [repaired(make_views(row["text"])) for row in rows]
    labels_NC = np.array([[c in row["categories"] for c in config.categories] for row in rows], dtype=np.bool_)
    return fit(texts, labels_NC, config.categories, regularisation_c=config.regularisation_c)


def _thresholds(classifier: HarmClassifier, held: list[Row], config: SafetyConfig) -> dict[str, dict[str, float]]:
    """Category, then language, to the probability at or above which a text is blocked."""
    chosen: dict[str, dict[str, float]] = {category: {} for category in config.categories}
    for lang in config.languages:
        harmless = [row for row in held if row["lang"] == lang and not row["categories"]]
        scores_NC = np.array([classifier.scores(repaired(make_views(row["text"]))) for row in harmless])
        for index, category in enumerate(config.categories):
            share = config.target_false_positive_rate / len(config.categories)
            chosen[category][lang] = choose_threshold(scores_NC[:, index], share, config.block_threshold)
    return chosen


def choose_threshold(harmless_scores_N: NDArray[np.float64], max_rate: float, lowest: float) -> float:
    """Lowest threshold, at least ``lowest``, at which at most ``max_rate`` of the harmless scores reach it.

    With n scores, floor(n * max_rate) may reach it; the next one must stay under, by a margin of half the way to 1,
    since an unseen harmless text may score a little higher than every seen one.
    """
    descending_N = np.sort(harmless_scores_N)[::-1]
    tolerated = math.floor(len(descending_N) * max_rate)
    if tolerated >= len(descending_N):
        return lowest
    blocked = float(descending_N[tolerated])
    return lowest if blocked < lowest else min(1.0, blocked + (1.0 - blocked) / 2)


def _write(
    classifier: HarmClassifier,
    thresholds: dict[str, dict[str, float]],
    config: SafetyConfig,
    *,
    out_dir: Path,
    rules_dir: Path,
) -> None:
    (out_dir / "rules").mkdir(parents=True)
    for path in sorted(rules_dir.glob("*.yaml")):
        shutil.copyfile(path, out_dir / "rules" / path.name)
    classifier.save(out_dir / "classifier.safetensors")
    write_json(FilterSettings.of(config, thresholds=thresholds), out_dir / "filter.json")


def _measure(safety_filter: SafetyFilter, rows: Sequence[Row], config: SafetyConfig) -> dict[str, Any]:
    """Share of harmful texts blocked and of harmless texts blocked, a language; None where there are no texts."""
    result: dict[str, Any] = {}
    for lang in config.languages:
        blocked: dict[bool, list[bool]] = {True: [], False: []}
        for row in rows:
            if row["lang"] == lang:
                blocked[bool(row["categories"])].append(safety_filter.check(row["text"], lang).action == "block")
        result[lang] = {
            "harmful": len(blocked[True]),
            "harmless": len(blocked[False]),
            "recall": sum(blocked[True]) / len(blocked[True]) if blocked[True] else None,
            "false_positive_rate": sum(blocked[False]) / len(blocked[False]) if blocked[False] else None,
        }
    return result
