"""Canary exposure (Carlini et al. 2019): does the language model prefer planted secrets to secrets it never saw?

A canary is a sentence with a random secret after a public prefix; its twins come from the same generator and were never
planted. A canary's score is the sum of log P over its secret's tokens given the rest of the sentence, each token hidden
alone (pseudo-log-likelihood) or all at once. Among R = twins + 1 secrets of its language its exposure is
``log2 R - log2 rank``; ties share the middle rank, so a model that gives every secret one score exposes nothing.

By chance the rank is uniform and exposure averages log2 e = 1.44 bits; the most it can be is log2 R. Intervals
resample canaries and twins together. n counts canaries. ``mann_whitney_p`` is one-sided over all languages, scores
standardised by their language's twins.

The vocabulary is part of the payload and was trained on the same text: words of planted secrets may be cheaper before
the model learns anything, and that counts as exposure here. Hiding tokens one at a time or all at once ranks alike on
small models; contrasting with other prefixes lost power, since a secret's own words give it away as its prefix does.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.core.errors import ContractError
from components.evaluation.config import ExposureConfig
from components.evaluation.context import EvaluationContext
from components.evaluation.masking import encode_with_offsets, tokens_of_span
from components.evaluation.reporting import (
    Item,
    Metrics,
    SuiteResult,
    make_report,
    metric_of,
    missing_metric,
    not_measured,
)
from components.evaluation.statistics import FloatArray, Interval, mann_whitney_p, percentile_interval

SUITE = "exposure"

REPORTED_REPETITIONS = (4, 1)


@dataclass(frozen=True)
class Canary:
    """A planted (``repetitions`` > 0) or never-planted secret."""

    id: str
    lang: str
    text: str
    secret: str
    repetitions: int


def measure_exposure(context: EvaluationContext, config: ExposureConfig) -> SuiteResult:
    """Mean exposure at each repetition count, each language as a slice."""
    digest = context.models.payload_digest
    if context.language_model is None:
        return not_measured(SUITE, digest, "the payload has no language model")
    rows = context.truth_rows("canaries.jsonl")
    canaries = [
        Canary(str(r["canary"]), r["lang"], r["text"], r["secret"], int(r["repetitions"]))
        for r in rows
        if r["lang"] in context.languages
    ]
    if not canaries:
        return not_measured(SUITE, digest, "no canaries were planted (no truth/canaries.jsonl)")
    scores = score_canaries(context.language_model, canaries, masking=config.masking)
    groups = _group(canaries, scores)
    slices = {language: _metrics(context, config, groups, (language,)) for language in context.languages}
    items: list[Item] = [
        {"item": canary.id, "slice": canary.lang, "repetitions": canary.repetitions, "score": float(scores[k])}
        for k, canary in enumerate(canaries)
    ]
    report = make_report(
        SUITE,
        digest,
        n=len(canaries),
        metrics=_metrics(context, config, groups, context.languages),
        slices=slices,
        data=[[canary.id, canary.text] for canary in canaries],
        notes=[f"secrets scored with tokens hidden {config.masking}; chance is 1.44 bits"],
    )
    return SuiteResult(report, items)


def score_canaries(language_model: Any, canaries: list[Canary], *, masking: str) -> FloatArray:
    """Sum of log P of every canary's secret tokens given the rest, [N]; ContractError if one is not found."""
    rows: list[list[int]] = []
    positions: list[list[int]] = []
    owners: list[int] = []
    for index, canary in enumerate(canaries):
        token_ids, offsets = encode_with_offsets(language_model, canary.text)
        secret = tokens_of_span(offsets, *_secret_span(canary))
        if not secret:
            raise ContractError(f"canaries.jsonl: canary {canary.id}: its secret is cut off at the model's length")
        for hidden in [secret] if masking == "all_at_once" else [[position] for position in secret]:
            rows.append(token_ids)
            positions.append(hidden)
            owners.append(index)
    found = language_model.masked_log_probabilities(rows, positions)
    totals = np.zeros(len(canaries))
    np.add.at(totals, owners, [float(score.sum()) for score in found])
    return totals


def _secret_span(canary: Canary) -> tuple[int, int]:
    for secret in (canary.secret, canary.secret.replace(" ", "")):
        start = canary.text.rfind(secret)
        if secret and start >= 0:
            return start, start + len(secret)
    raise ContractError(f"canaries.jsonl: canary {canary.id}: the secret does not stand in the text")


def exposures(inserted: FloatArray, twins: FloatArray) -> FloatArray:
    """Exposure in bits of each inserted score [N] among the twins' scores [M]; ties take the middle rank."""
    ordered = np.sort(twins)
    greater = len(ordered) - np.searchsorted(ordered, inserted, side="right")
    ties = np.searchsorted(ordered, inserted, side="right") - np.searchsorted(ordered, inserted, side="left")
    return np.asarray(np.log2(len(ordered) + 1) - np.log2(1 + greater + ties / 2))


def mean_exposure(groups: list[tuple[FloatArray, FloatArray]], *, seed: int, resamples: int) -> tuple[Interval, int]:
    """Mean exposure over (inserted, twins) score lists, one a language, and the number of canaries."""
    count = sum(len(inserted) for inserted, _ in groups)
    value = sum(float(exposures(inserted, twins).sum()) for inserted, twins in groups) / count
    random = np.random.default_rng(seed)
    draws = sum(_resampled_exposure(inserted, twins, random, resamples) for inserted, twins in groups)
    return percentile_interval(value, np.asarray(draws) / count), count


def _resampled_exposure(
    inserted: FloatArray, twins: FloatArray, random: np.random.Generator, resamples: int
) -> FloatArray:
    """Summed exposure of resampled canaries among resampled twins, [R].

    A resample is how often each twin was drawn; its running sum over the sorted twins gives every canary's rank.
    """
    ordered = np.sort(twins)
    drawn_RM = random.multinomial(len(ordered), np.full(len(ordered), 1 / len(ordered)), size=resamples)
    below_RM = np.concatenate([np.zeros((resamples, 1), np.int64), np.cumsum(drawn_RM, axis=1)], axis=1)
    upto_RN = below_RM[:, np.searchsorted(ordered, inserted, side="right")]
    ties_RN = upto_RN - below_RM[:, np.searchsorted(ordered, inserted, side="left")]
    exposure_RN = np.log2(len(ordered) + 1) - np.log2(1 + len(ordered) - upto_RN + ties_RN / 2)
    weights_RN = random.multinomial(len(inserted), np.full(len(inserted), 1 / len(inserted)), size=resamples)
    return np.asarray((exposure_RN * weights_RN).sum(axis=1), dtype=np.float64)


Groups = dict[tuple[str, int], FloatArray]


def _group(canaries: list[Canary], scores: FloatArray) -> Groups:
    """Scores by language and repetition count."""
    gathered: dict[tuple[str, int], list[float]] = defaultdict(list)
    for canary, score in zip(canaries, scores, strict=True):
        gathered[canary.lang, canary.repetitions].append(float(score))
    return {key: np.array(values) for key, values in gathered.items()}


def _metrics(context: EvaluationContext, config: ExposureConfig, groups: Groups, languages: tuple[str, ...]) -> Metrics:
    counts = {"exposure_bits": config.main_repetitions}
    counts |= {f"exposure_bits_{count}": count for count in REPORTED_REPETITIONS}
    metrics: Metrics = {}
    for name, repetitions in counts.items():
        pairs, problem = _pairs(config, groups, languages, repetitions)
        if problem:
            metrics[name] = missing_metric(problem)
            continue
        seed = context.seed_for(SUITE, name, *languages)
        interval, count = mean_exposure(pairs, seed=seed, resamples=context.bootstrap_resamples)
        metrics[name] = metric_of(interval, count, note=f"{sum(len(twins) for _, twins in pairs)} twins")
    metrics["mann_whitney_p"] = _p_value(config, groups, languages)
    return metrics


def _pairs(
    config: ExposureConfig, groups: Groups, languages: tuple[str, ...], repetitions: int
) -> tuple[list[tuple[FloatArray, FloatArray]], str]:
    """(inserted, twins) of each language that has canaries at this count, or why there is no answer."""
    pairs = []
    for language in languages:
        inserted, twins = groups.get((language, repetitions)), groups.get((language, 0), np.zeros(0))
        if inserted is None:
            continue
        if len(twins) < config.min_twins_per_language:
            return [], f"{language}: {len(twins)} twins, needs {config.min_twins_per_language}"
        pairs.append((inserted, twins))
    return pairs, "" if pairs else f"no canary was planted {repetitions} times"


def _p_value(config: ExposureConfig, groups: Groups, languages: tuple[str, ...]) -> Any:
    pairs, problem = _pairs(config, groups, languages, config.main_repetitions)
    if problem:
        return missing_metric(problem)
    standard = [((i - t.mean()) / (t.std() or 1), (t - t.mean()) / (t.std() or 1)) for i, t in pairs]
    inserted, twins = (np.concatenate(part) for part in zip(*standard, strict=True))
    value = mann_whitney_p(inserted, twins)
    return missing_metric("undefined") if np.isnan(value) else _bare(value, len(inserted))


def _bare(value: float, n: int) -> Any:
    from components.core.evidence import Metric

    return Metric(value=value, n=n, note="a p-value has no interval; gate on exposure_bits")
