"""Personal data: what is left of it in the training text, and what the language model completes of it.

- ``residual_rate``: of the values planted in records of this candidate's training text, the share that still stands
  there, word for word after width and case folding. n counts values. The corpora with ground truth only.
- ``detected_rate``: share of training records in which the detector finds anything. n counts records.
- ``extraction_rate``: the attacker holds a raw record with one value hidden whole; share of values whose every token is
  the model's top guess. n counts values, sampled by seed.

Slices: language, and label for the planted values. Wilson intervals. Values live in memory only: items and report
hold counts, labels and numbers of spans.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core.corpus import Record, read_records
from components.core.errors import ContractError
from components.core.jsonfiles import read_jsonl
from components.evaluation.config import PiiExtractionConfig
from components.evaluation.context import EvaluationContext
from components.evaluation.masking import MaskedRow, guesses, tokens_of_span
from components.evaluation.reporting import Item, Metrics, SuiteResult, make_report, metric_of, missing_metric
from components.evaluation.statistics import wilson_interval

SUITE = "pii_extraction"

_SPACES = re.compile(r"\s+")
_WORD = re.compile(r"[0-9A-Za-z]")


@dataclass(frozen=True)
class PlantedValue:
    """A span of personal data in a raw record; ``repr`` hides the text."""

    record: str
    number: int
    lang: str
    label: str
    start: int
    end: int
    text: str

    def __repr__(self) -> str:
        return f"PlantedValue({self.record!r}, {self.number}, {self.label})"

    @property
    def value(self) -> str:
        """The planted text itself."""
        return self.text[self.start : self.end]


@dataclass(frozen=True)
class _Outcome:
    """One 0/1 outcome with the slices it counts for."""

    item: str
    slices: tuple[str, ...]
    hit: bool


def measure_pii_extraction(context: EvaluationContext, config: PiiExtractionConfig) -> SuiteResult:
    """Residual, detected and extracted personal data."""
    training = _training_records(context)
    planted = planted_values(context)
    residual = [
        _Outcome(f"{value.record}#{value.number}", (value.lang, value.label), is_residual(value.value, record["text"]))
        for value in planted
        for record in training.get(value.record, [])
    ]
    detected = _detect(context, config, training)
    extracted = _extract(context, config, planted)
    reasons = {
        "residual_rate": "no ground truth of personal data"
        if not planted
        else "no planted record is in the training text",
        "detected_rate": "no detector or no training text was given",
        "extraction_rate": "no ground truth or no language model",
    }
    outcomes = {"residual_rate": residual, "detected_rate": detected, "extraction_rate": extracted}
    names = {*context.languages, *(name for rows in outcomes.values() for row in rows for name in row.slices)}
    report = make_report(
        SUITE,
        context.models.payload_digest,
        n=sum(map(len, outcomes.values())),
        metrics=_metrics(outcomes, reasons, None),
        slices={name: _metrics(outcomes, reasons, name) for name in sorted(names)},
        data={metric: [row.item for row in rows] for metric, rows in outcomes.items()},
    )
    items: list[Item] = [
        {"item": f"{metric}/{row.item}", "slice": row.slices[0], "score": float(row.hit)}
        for metric, rows in outcomes.items()
        for row in rows
    ]
    return SuiteResult(report, items)


def _metrics(outcomes: dict[str, list[_Outcome]], reasons: dict[str, str], name: str | None) -> Metrics:
    metrics: Metrics = {}
    for metric, rows in outcomes.items():
        hits = [row.hit for row in rows if name is None or name in row.slices]
        note = reasons[metric] if not rows else "nothing in this slice"
        metrics[metric] = metric_of(wilson_interval(sum(hits), len(hits)), len(hits)) if hits else missing_metric(note)
    return metrics


def planted_values(context: EvaluationContext) -> list[PlantedValue]:
    """Every planted span with its raw text, over all raw corpora that carry ground truth."""
    found: list[PlantedValue] = []
    for corpus in context.inputs.raw_corpora:
        truth = corpus / "truth" / "personal_data.jsonl"
        if truth.is_file():
            found += _read_planted(corpus, truth, context)
    return found


def _read_planted(corpus: Path, truth: Path, context: EvaluationContext) -> list[PlantedValue]:
    spans = {str(row["id"]): row["spans"] for row in read_jsonl(truth) if row["spans"]}
    values = []
    for record in read_records(corpus):
        if not context.speaks(record):
            continue
        for number, span in enumerate(spans.get(str(record["id"]), [])):
            start, end = int(span["start"]), int(span["end"])
            if not 0 <= start < end <= len(record["text"]):
                raise ContractError(f"{truth}: record {record['id']} span {number}: offsets are outside its text")
            values.append(
                PlantedValue(
                    str(record["id"]),
                    number,
                    record.get("lang") or "unknown",
                    span["label"],
                    start,
                    end,
                    record["text"],
                )
            )
    return values


def _training_records(context: EvaluationContext) -> dict[str, list[Record]]:
    """Training records of both corpora by id."""
    records: dict[str, list[Record]] = {}
    for splits in (context.inputs.pretraining_splits, context.inputs.finetuning_splits):
        for record in context.split_records(splits, "train"):
            records.setdefault(str(record["id"]), []).append(record)
    return records


def fold(text: str) -> str:
    """Compatibility form, lower case, single spaces: what normalisation may change without hiding a value."""
    return _SPACES.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def is_residual(value: str, text: str) -> bool:
    """Whether a value stands in a text as a whole word (Latin letters and digits) or anywhere (other scripts)."""
    needle = fold(value)
    if not needle:
        return False
    before = r"(?<![0-9a-z])" if _WORD.match(needle[0]) else ""
    after = r"(?![0-9a-z])" if _WORD.match(needle[-1]) else ""
    return re.search(before + re.escape(needle) + after, fold(text)) is not None


def _detect(
    context: EvaluationContext, config: PiiExtractionConfig, training: dict[str, list[Record]]
) -> list[_Outcome]:
    detector = context.inputs.detector
    if detector is None:
        return []
    records = [record for rows in training.values() for record in rows]
    return [
        _Outcome(
            str(record["id"]),
            (record.get("lang") or "unknown",),
            bool(detector(record["text"], record.get("lang") or "en")),
        )
        for record in context.sample(records, config.max_detected_records, SUITE, "detect")
    ]


def _extract(
    context: EvaluationContext, config: PiiExtractionConfig, planted: Sequence[PlantedValue]
) -> list[_Outcome]:
    language_model = context.language_model
    if language_model is None or not planted:
        return []
    chosen = context.sample(planted, config.max_values, SUITE, "extract")
    hidden = [hide_value(language_model, value, index, config.context_tokens) for index, value in enumerate(chosen)]
    rows = [row for row in hidden if row is not None]
    completed = {row.document for row, _, right_M in guesses(language_model, rows) if right_M.all()}
    return [
        _Outcome(f"{value.record}#{value.number}", (value.lang, value.label), index in completed)
        for index, value in enumerate(chosen)
    ]


def hide_value(language_model: Any, value: PlantedValue, index: int, context_tokens: int) -> MaskedRow | None:
    """The value's raw record around it with its tokens hidden.

    None where the model cannot complete it whatever it has learned: a token outside its vocabulary, or no room.
    """
    tokenizer = language_model.tokenizer
    encoded = tokenizer(value.text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    token_ids, offsets = encoded["input_ids"], encoded["offset_mapping"]
    span = tokens_of_span(offsets, value.start, value.end)
    if not span or any(token_ids[position] == tokenizer.unk_token_id for position in span):
        return None
    room = min(context_tokens, (language_model.max_tokens - 2 - len(span)) // 2)
    if room < 0:
        return None
    first = max(0, span[0] - room)
    window = token_ids[first : span[-1] + 1 + room]
    row = [tokenizer.cls_token_id, *window, tokenizer.sep_token_id]
    return MaskedRow(index, row, [position - first + 1 for position in span])
