"""Drift: how far a corpus has moved from a reference, by Evidently 0.7.

Evidently sees one row a record: ``n_characters``, ``symbol_share`` (neither letter, digit nor space),
``vocabulary_novelty`` (share of a record's words that the reference does not use), ``lang`` and, if both sides have
it, ``label``. No text goes in, so none can come out. Numbers are compared by the Wasserstein distance over the
reference's standard deviation, categories by the Jensen-Shannon distance, whatever the sample size: the p-values that
Evidently takes below 1,000 rows would call one column in twenty drifted by chance.

Novelty needs words that the record itself did not contribute: the reference is halved by a hash of the id, and each
half is measured against the other's words; the current records are dealt to the halves in the same way.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from components.core.corpus import Record, read_records
from components.core.jsonfiles import write_json
from components.core.seeds import derive_seed
from components.core.store import StageReport
from components.scrubbing.engine import guess_lang
from components.validation.config import DriftConfig

if TYPE_CHECKING:
    import pandas as pd

NUMBERS = ("n_characters", "symbol_share", "vocabulary_novelty")
CATEGORIES = ("lang", "label")


class DriftState(StrEnum):
    """Outcome of a comparison. ``error``: it could not be judged, which is not the absence of drift."""

    DRIFT = "drift"
    NO_DRIFT = "no_drift"
    ERROR = "error"


class ColumnDrift(BaseModel):
    """One column: its distance from the reference and the limit."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    column: str
    method: str
    score: float | None = Field(description="Distance, 0 for equal distributions; None if it could not be computed.")
    threshold: float
    drifted: bool | None


class DriftResult(BaseModel):
    """Outcome of a comparison."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    state: DriftState
    rows_current: int
    rows_reference: int
    drifted_share: float | None
    columns: list[ColumnDrift]
    reason: str = ""


def measure_drift(current: Path, reference: Path, config: DriftConfig, *, out_dir: Path) -> StageReport:
    """Compare two corpora.

    Writes ``report.json`` ({state, columns: [{column, method, score, threshold, drifted}]}) and Evidently's
    self-contained ``report.html``. Raises: ContractError if a folder holds no shard.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    frames = drift_frames(list(read_records(current)), list(read_records(reference)))
    result = _compare(*frames, config, out_dir)
    write_json(result, out_dir / "report.json")
    summary: dict[str, object] = {
        "state": str(result.state),
        "drifted": [column.column for column in result.columns if column.drifted],
        "scores": {column.column: column.score for column in result.columns},
        "rows_reference": result.rows_reference,
    }
    return StageReport(rows=result.rows_current, summary=summary)


def drift_frames(current: Sequence[Record], reference: Sequence[Record]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The two tables that are compared; ``label`` only if every record on both sides has one."""
    halves: tuple[set[str], set[str]] = (set(), set())
    for record in reference:
        halves[_half(record)].update(_words(record["text"]))
    frames = [_frame(records, halves) for records in (current, reference)]
    for column in CATEGORIES:
        if any(frame[column].isna().any() for frame in frames):
            frames = [frame.drop(columns=column) for frame in frames]
    return frames[0], frames[1]


def _half(record: Record) -> int:
    return derive_seed(0, "drift", str(record["id"])) & 1


_SYMBOL = re.compile(r"[^\w\s]|_")
_WORD = re.compile(r"[a-z\u00c0-\u024f]+|[\u4e00-\u9fff]{1,2}")


def _words(text: str) -> list[str]:
    """Latin words and pairs of Chinese characters, which stand in for words."""
    return _WORD.findall(text.lower())


def _frame(records: Iterable[Record], halves: tuple[set[str], set[str]]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for record in records:
        text = record["text"]
        words = _words(text)
        known = halves[1 - _half(record)]
        rows.append(
            {
                "n_characters": float(len(text)),
                "symbol_share": len(_SYMBOL.findall(text)) / max(1, len(text)),
                "vocabulary_novelty": sum(word not in known for word in words) / max(1, len(words)),
                "lang": record.get("lang") or guess_lang(text),
                "label": None if record.get("label") is None else str(record["label"]),
            }
        )
    return pd.DataFrame(rows, columns=[*NUMBERS, *CATEGORIES])


def _compare(current: pd.DataFrame, reference: pd.DataFrame, config: DriftConfig, out_dir: Path) -> DriftResult:
    sizes = {"rows_current": len(current), "rows_reference": len(reference)}
    if min(sizes.values()) < config.min_rows:
        reason = (
            f"{sizes['rows_current']} current and {sizes['rows_reference']} reference records; {config.min_rows} needed"
        )
        _write_note(out_dir, reason)
        return DriftResult(state=DriftState.ERROR, drifted_share=None, columns=[], reason=reason, **sizes)
    columns = _score(current, reference, config, out_dir)
    if not columns or any(column.score is None for column in columns):
        return DriftResult(
            state=DriftState.ERROR, drifted_share=None, columns=columns, reason="a column could not be scored", **sizes
        )
    share = sum(bool(column.drifted) for column in columns) / len(columns)
    state = DriftState.DRIFT if share > config.max_drifted_share else DriftState.NO_DRIFT
    return DriftResult(state=state, drifted_share=round(share, 6), columns=columns, **sizes)


def _score(current: pd.DataFrame, reference: pd.DataFrame, config: DriftConfig, out_dir: Path) -> list[ColumnDrift]:
    """Evidently's scores, and its page."""
    import numpy as np
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    numbers = [column for column in NUMBERS if column in current]
    categories = [column for column in CATEGORIES if column in current]
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
    preset = DataDriftPreset(
        columns=[*numbers, *categories],
        num_method="wasserstein",
        num_threshold=config.max_number_distance,
        cat_method="jensenshannon",
        cat_threshold=config.max_category_distance,
    )
    # A constant column (one language, equal lengths) has no correlation, which Evidently asks numpy for.
    with np.errstate(invalid="ignore", divide="ignore"):
        snapshot = Report([preset], include_tests=True).run(
            current_data=Dataset.from_pandas(current, definition),
            reference_data=Dataset.from_pandas(reference, definition),
        )
    (out_dir / "report.html").write_text(_number_ids(snapshot.get_html_str(as_iframe=False)), encoding="utf-8")
    thresholds = dict.fromkeys(numbers, config.max_number_distance) | dict.fromkeys(
        categories, config.max_category_distance
    )
    scores = _value_drifts(snapshot.dict())
    return [_column(name, scores.get(name), threshold) for name, threshold in thresholds.items()]


_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}")


def _number_ids(page: str) -> str:
    """The page with its random element ids numbered in order of appearance, so that equal input gives equal bytes.

    The ids stand in the script that holds the data; the libraries around it are left alone.
    """
    start = page.index("var metric_")
    end = page.index("</script>", start)
    for number, name in enumerate(dict.fromkeys(_ID.findall(page, start, end))):
        page = page.replace(name, f"{number:032x}")
    return page


def _value_drifts(document: dict[str, Any]) -> dict[str, tuple[str, float]]:
    """Column to method and score, from the metrics of kind ValueDrift."""
    found = {}
    for metric in document["metrics"]:
        settings = metric["config"]
        if settings["type"].endswith(":ValueDrift"):
            found[str(settings["column"])] = (str(settings["method"]), float(metric["value"]))
    return found


def _column(name: str, found: tuple[str, float] | None, threshold: float) -> ColumnDrift:
    if found is None or not math.isfinite(found[1]):
        return ColumnDrift(column=name, method=found[0] if found else "", score=None, threshold=threshold, drifted=None)
    method, score = found
    return ColumnDrift(
        column=name, method=method, score=round(score, 9), threshold=threshold, drifted=score >= threshold
    )


def _write_note(out_dir: Path, reason: str) -> None:
    (out_dir / "report.html").write_text(
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>drift</title>\n'
        f"<h1>Drift · 漂移</h1>\n<p>error · 无法判断: {reason}</p></html>\n",
        encoding="utf-8",
    )
