"""Held-out language modelling: the floor below which no stereotype or privacy score of a language model means much.

A share of the known tokens of each held-out window is hidden at once under a fixed seed (15 % as in BERT's own
evaluation), and the model guesses them in one pass.

- ``mlm_accuracy``: share of hidden tokens whose top guess is right.
- ``unigram_accuracy``: the same for a guess that is always the training text's most frequent token of that language.
- ``accuracy_gain``: their difference, paired on the same hidden tokens.
- ``bits_per_character``: pseudo-bits, sum of -log2 P(hidden token) scaled from the hidden to all known tokens,
  over the document's characters. One pass of conditional guesses is not a probability of the text, so this
  compares models of like tokenizers; it is no compression rate.

Every interval resamples documents. n counts documents.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.core.corpus import Record, read_records
from components.core.jsonfiles import read_jsonl
from components.evaluation.config import PerplexityConfig
from components.evaluation.context import EvaluationContext
from components.evaluation.masking import document_token_ids, guesses, has_chinese, random_masks, windows
from components.evaluation.reporting import Metrics, SuiteResult, make_report, metric_of, missing_metrics, not_measured
from components.evaluation.statistics import FloatArray, ratio_interval

SUITE = "perplexity"


@dataclass(frozen=True)
class _Scores:
    """Sums a document, [K] each."""

    hits: FloatArray
    baseline_hits: FloatArray
    masked: FloatArray
    bits: FloatArray
    characters: FloatArray
    unknown: FloatArray
    tokens: FloatArray

    def take(self, index: Any) -> _Scores:
        return _Scores(**{name: values[index] for name, values in vars(self).items()})


def measure_perplexity(context: EvaluationContext, config: PerplexityConfig) -> SuiteResult:
    """Masked-token prediction on held-out documents against the unigram guess."""
    digest = context.models.payload_digest
    language_model = context.language_model
    if language_model is None:
        return not_measured(SUITE, digest, "the payload has no language model")
    records = _held_out(context, config)
    if not records:
        return not_measured(SUITE, digest, "no held-out documents: no pretraining test split and no data file")
    frequent, note = _frequent_tokens(context, config, language_model, records)
    scores = _score(context, config, language_model, records, frequent)
    languages = [record.get("lang") for record in records]
    slices = {name: _metrics(context, scores.take(index), name) for name, index in context.by_language(languages)}
    items = [
        {
            "item": str(record["id"]),
            "slice": languages[k] or "unknown",
            "score": float(scores.hits[k] / scores.masked[k]),
        }
        for k, record in enumerate(records)
        if scores.masked[k] > 0
    ]
    report = make_report(
        SUITE,
        digest,
        n=len(records),
        metrics=_metrics(context, scores, "all"),
        slices=slices,
        data=[str(record["id"]) for record in records],
        notes=[note] if note else [],
    )
    return SuiteResult(report, items)


def _held_out(context: EvaluationContext, config: PerplexityConfig) -> list[Record]:
    files = context.data_files(SUITE, config.data)
    rows = [row for path in files for row in _read(path)] if files else _test_split(context)
    rows = [row for row in rows if row["text"].strip()]
    return _sampled(context, rows, config.max_documents_per_language, "test")


def _test_split(context: EvaluationContext) -> list[Record]:
    return context.split_records(context.inputs.pretraining_splits, "test")


def _read(path: Path) -> list[Record]:
    """Documents of a corpus folder, a JSON Lines file or a text file with blank lines between documents."""
    if path.is_dir():
        return list(read_records(path))
    if path.suffix == ".jsonl":
        rows = list(read_jsonl(path))
    else:
        parts = [part.strip() for part in path.read_text(encoding="utf-8").split("\n\n")]
        rows = [{"text": part} for part in parts if part]
    return [
        {"id": f"{path.stem}-{index}", "lang": "zh" if has_chinese(row["text"]) else "en", **row}
        for index, row in enumerate(rows)
    ]


def _sampled(context: EvaluationContext, records: list[Record], limit: int, name: str) -> list[Record]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.get("lang") or "", []).append(record)
    return [row for lang in sorted(groups) for row in context.sample(groups[lang], limit, SUITE, name, lang)]


def _frequent_tokens(
    context: EvaluationContext, config: PerplexityConfig, language_model: Any, held_out: list[Record]
) -> tuple[dict[str, int], str]:
    """Most frequent known token a language, and a note where the held-out text itself had to be counted."""
    train = context.split_records(context.inputs.pretraining_splits, "train")
    note = "" if train else "unigram baseline counted on the held-out documents themselves, which flatters it"
    records = _sampled(context, train, config.max_baseline_documents_per_language, "train") if train else held_out
    special = set(language_model.tokenizer.all_special_ids)
    counts: dict[str, Counter[int]] = {}
    for record, ids in zip(
        records, document_token_ids(language_model.tokenizer, [record["text"] for record in records]), strict=True
    ):
        counts.setdefault(record.get("lang") or "", Counter()).update(token for token in ids if token not in special)
    # Ties go to the smaller id, so that the order of records cannot change the baseline.
    return {lang: min((-times, token) for token, times in c.items())[1] for lang, c in counts.items() if c}, note


def _score(
    context: EvaluationContext,
    config: PerplexityConfig,
    language_model: Any,
    records: list[Record],
    frequent: dict[str, int],
) -> _Scores:
    tokenizer = language_model.tokenizer
    count = len(records)
    sums = _Scores(*(np.zeros(count) for _ in range(7)))
    rows: list[tuple[int, list[int]]] = []
    seeds: list[int] = []
    known = np.zeros(count)
    for k, ids in enumerate(document_token_ids(tokenizer, [record["text"] for record in records])):
        sums.tokens[k], sums.characters[k] = len(ids), len(records[k]["text"])
        sums.unknown[k] = sum(token == tokenizer.unk_token_id for token in ids)
        known[k] = len(ids) - sums.unknown[k]
        for number, window in enumerate(windows(tokenizer, ids, language_model.max_tokens)):
            rows.append((k, window))
            seeds.append(context.seed_for(SUITE, str(records[k]["id"]), number))
    masked = random_masks(rows, tokenizer, masked_share=config.masked_share, seeds=seeds)
    for row, log_probability_M, right_M in guesses(language_model, masked):
        k = row.document
        baseline = frequent.get(records[k].get("lang") or "")
        sums.hits[k] += right_M.sum()
        sums.masked[k] += len(right_M)
        sums.bits[k] -= log_probability_M.sum() / math.log(2)
        sums.baseline_hits[k] += sum(row.token_ids[position] == baseline for position in row.positions)
    sums.bits[:] *= known / np.maximum(sums.masked, 1)
    return sums


def _metrics(context: EvaluationContext, scores: _Scores, name: str) -> Metrics:
    count = int(np.count_nonzero(scores.masked))
    if count == 0:
        return missing_metrics(SUITE, "no document in this slice")
    parts = {
        "mlm_accuracy": (scores.hits, scores.masked),
        "unigram_accuracy": (scores.baseline_hits, scores.masked),
        "accuracy_gain": (scores.hits - scores.baseline_hits, scores.masked),
        "bits_per_character": (scores.bits, scores.characters),
        "unknown_share": (scores.unknown, scores.tokens),
    }
    seed, resamples = context.seed_for(SUITE, "bootstrap", name), context.bootstrap_resamples
    return {
        metric: metric_of(ratio_interval(top, bottom, seed=seed, resamples=resamples), count)
        for metric, (top, bottom) in parts.items()
    }
