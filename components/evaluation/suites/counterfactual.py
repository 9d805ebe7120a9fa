"""Counterfactual fairness of the task model: does the prediction move when the group word alone is swapped?

In: ``truth/counterfactual_pairs.jsonl`` of the embedded corpus; without it, the task's test records with their gender
terms swapped by the fairness room's lexicons; or files of the identity_templates format
(CSV ``template,toxicity,phrase``, plain or gzip). There, the identity terms of a language are read off the file's
"I am X" rows; phrases that agree but for their identity term form a set, and each set is paired in a ring under a fixed
shuffle, so every phrase stands in two pairs at most.

``flip_rate``: share of pairs with different top labels. ``mean_probability_shift``: mean total variation distance
between the two predicted distributions (for two classes, the change of the positive probability).
Intervals resample templates; a share's interval is at least Wilson's over pairs. n counts pairs.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.core.corpus import Record
from components.core.errors import ContractError
from components.evaluation.config import CounterfactualConfig
from components.evaluation.context import EvaluationContext, read_text_file
from components.evaluation.masking import has_chinese
from components.evaluation.reporting import (
    Item,
    Metrics,
    SuiteResult,
    make_report,
    metric_of,
    missing_metrics,
    not_measured,
)
from components.evaluation.statistics import FloatArray, cluster_bootstrap_mean, clustered_share_interval
from components.fairness.lexicon import load_lexicon
from components.fairness.swap import make_swapper

SUITE = "counterfactual"
_SWAPPED_SETS = ("pronouns", "nouns", "kinship", "titles", "occupations")

_CHINESE_IDENTITY = re.compile(r"^我是(?:一名)?(.+)$")
_ENGLISH_IDENTITY = re.compile(r"^I am (.+)$")


@dataclass(frozen=True)
class CounterfactualPair:
    """Two texts that differ in the group word; ``template`` is the unit of resampling."""

    id: str
    lang: str
    attribute: str
    template: str
    text_a: str
    text_b: str


def measure_counterfactual(context: EvaluationContext, config: CounterfactualConfig) -> SuiteResult:
    """Flip rate and mean probability shift over counterfactual pairs."""
    digest = context.models.payload_digest
    if context.classifier is None:
        return not_measured(SUITE, digest, "the payload has no task model")
    pairs = _load(context, config)
    if not pairs:
        return not_measured(SUITE, digest, "no counterfactual pairs in the evaluated languages")
    probability_a_NC = context.classifier.predict([pair.text_a for pair in pairs])
    probability_b_NC = context.classifier.predict([pair.text_b for pair in pairs])
    flips = probability_a_NC.argmax(axis=1) != probability_b_NC.argmax(axis=1)
    shifts = 0.5 * np.abs(probability_a_NC - probability_b_NC).sum(axis=1)
    templates = [f"{pair.lang}/{pair.template}" for pair in pairs]

    def measure(name: str, index: Sequence[int]) -> Metrics:
        return counterfactual_metrics(context, flips[index], shifts[index], [templates[k] for k in index], name)

    groups: dict[str, list[int]] = {language: [] for language in context.languages}
    for k, pair in enumerate(pairs):
        groups[pair.lang].append(k)
        if pair.attribute:
            groups.setdefault(pair.attribute, []).append(k)
    report = make_report(
        SUITE,
        digest,
        n=len(pairs),
        metrics=measure("all", range(len(pairs))),
        slices={name: measure(name, index) for name, index in groups.items()},
        data=[[pair.id, pair.text_a, pair.text_b] for pair in pairs],
    )
    items: list[Item] = [
        {
            "item": pair.id,
            "slice": pair.lang,
            "cluster": templates[k],
            "score": float(flips[k]),
            "shift": float(shifts[k]),
        }
        for k, pair in enumerate(pairs)
    ]
    return SuiteResult(report, items)


def counterfactual_metrics(
    context: EvaluationContext, flips: FloatArray, shifts: FloatArray, templates: list[str], name: str
) -> Metrics:
    """Both metrics of one slice."""
    if len(flips) == 0:
        return missing_metrics(SUITE, "no pair in this slice")
    settings = {"seed": context.seed_for(SUITE, name), "resamples": context.bootstrap_resamples}
    note = f"{len(set(templates))} templates"
    return {
        "flip_rate": metric_of(clustered_share_interval(flips, templates, **settings), len(flips), note=note),
        "mean_probability_shift": metric_of(
            cluster_bootstrap_mean(shifts, templates, **settings), len(shifts), note=note
        ),
    }


def _load(context: EvaluationContext, config: CounterfactualConfig) -> list[CounterfactualPair]:
    files = context.data_files(SUITE, config.data)
    if files:
        pairs = [
            pair for path in files for pair in pair_identity_templates(path, seed=context.seed_for(SUITE, "pairs"))
        ]
    else:
        pairs = [
            CounterfactualPair(
                str(r["id"]), r["lang"], r.get("attribute", ""), str(r["template"]), r["text_a"], r["text_b"]
            )
            for r in context.truth_rows("counterfactual_pairs.jsonl")
        ] or pair_test_records(context.split_records(context.inputs.finetuning_splits, "test"), context.languages)
    return [
        pair
        for language in context.languages
        for pair in _stratified(context, [p for p in pairs if p.lang == language], config.max_pairs_per_language)
    ]


def pair_test_records(records: Sequence[Record], languages: Sequence[str]) -> list[CounterfactualPair]:
    """Each test record that holds a gender term, beside the record with every such term swapped.

    For data of one's own, without ground truth. A record is its own template; records without a term give no pair.
    """
    swappers = {language: make_swapper(load_lexicon(language), _SWAPPED_SETS) for language in languages}
    pairs = []
    for record in records:
        language = record.get("lang")
        if language in swappers:
            swapped = swappers[language](record["text"])
            if swapped.n_terms:
                name = str(record["id"])
                pairs.append(CounterfactualPair(name, language, "gender", name, record["text"], swapped.text))
    return pairs


def _stratified(
    context: EvaluationContext, pairs: list[CounterfactualPair], limit: int | None
) -> list[CounterfactualPair]:
    """At most ``limit`` pairs, as evenly over attributes as their sizes allow."""
    if limit is None or len(pairs) <= limit:
        return pairs
    groups: dict[str, list[CounterfactualPair]] = {}
    for pair in pairs:
        groups.setdefault(pair.attribute, []).append(pair)
    chosen: list[CounterfactualPair] = []
    for left, name in zip(range(len(groups), 0, -1), sorted(groups, key=lambda n: (len(groups[n]), n)), strict=True):
        share = (limit - len(chosen)) // left
        chosen += context.sample(groups[name], share, SUITE, groups[name][0].lang, name)
    return chosen


def pair_identity_templates(path: Path, *, seed: int) -> list[CounterfactualPair]:
    """Counterfactual pairs of an identity_templates file. Raises ContractError if a column is missing."""
    rows = _read_templates(path)
    language = "zh" if has_chinese("".join(row["phrase"] for row in rows[:50])) else "en"
    find = _term_finder(rows, language)
    sets: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        span = find(row["phrase"])
        if span is not None:
            skeleton = row["phrase"][: span[0]] + "{}" + row["phrase"][span[1] :]
            sets.setdefault((row["template"], skeleton), []).append(row["phrase"])
    random = np.random.default_rng(seed)
    pairs = []
    for number, ((template, skeleton), phrases) in enumerate(sorted(sets.items())):
        distinct = sorted(set(phrases))
        ring = [distinct[k] for k in random.permutation(len(distinct))]
        count = len(ring) if len(ring) > 2 else len(ring) - 1
        pairs += [
            CounterfactualPair(
                f"{language}-{number}-{k}", language, template, skeleton, ring[k], ring[(k + 1) % len(ring)]
            )
            for k in range(count)
        ]
    return pairs


def _read_templates(path: Path) -> list[dict[str, str]]:
    reader = csv.DictReader(io.StringIO(read_text_file(path), newline=""))
    lacking = {"template", "phrase"} - set(reader.fieldnames or [])
    if lacking:
        raise ContractError(f"{path}: columns {sorted(lacking)} are missing; give template,toxicity,phrase")
    return list(reader)


def _term_finder(rows: list[dict[str, str]], language: str) -> Callable[[str], tuple[int, int] | None]:
    """A function that finds the identity term in a phrase: the longest that fits, at the last place it stands."""
    statement = _CHINESE_IDENTITY if language == "zh" else _ENGLISH_IDENTITY
    terms = {found[1].strip() for row in rows if (found := statement.match(row["phrase"].strip()))}
    ordered = sorted(terms, key=lambda term: (-len(term), term))
    joined = "|".join(re.escape(term) for term in ordered) or r"(?!)"
    pattern = re.compile(joined if language == "zh" else rf"\b(?:{joined})\b")

    def find(phrase: str) -> tuple[int, int] | None:
        spans = [match.span() for match in pattern.finditer(phrase)]
        return spans[-1] if spans else None

    return find
