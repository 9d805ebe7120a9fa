"""Membership inference against the language model, calibrated by a reference model (Mireshghallah et al. 2022).

Members are documents of the pretraining train split, non-members of its test split; a text that stands twice, in
either or across both, is on neither side, or the copies alone would tell the sides apart. A document's score is the
mean log P of its hidden tokens under the target minus the same under a reference model that saw other people's
documents, averaged over fixed maskings.

First the blind check: a TF-IDF logistic classifier that never queries the model must not tell members from
non-members. If the lower limit of its cross-validated AUC is above 0.5 the two sets differ by themselves and the
attack's numbers mean nothing: the metrics are missing with the note INVALID, so their gate is inconclusive, not passed.

``auc`` with DeLong's interval; ``tpr_at_1_percent_fpr`` with Clopper and Pearson's. n counts members.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from components.core.corpus import Record
from components.evaluation.config import MembershipConfig
from components.evaluation.context import EvaluationContext
from components.evaluation.masking import document_token_ids, log_probabilities, random_masks, windows
from components.evaluation.reporting import (
    Item,
    Metrics,
    SuiteResult,
    make_report,
    metric_of,
    missing_metric,
    not_measured,
)
from components.evaluation.statistics import FloatArray, area_under_curve, clopper_pearson_interval

SUITE = "membership"

MIN_DOCUMENTS = 20
FALSE_POSITIVE_RATE = 0.01
BLIND_FEATURES = 20_000


def measure_membership(context: EvaluationContext, config: MembershipConfig) -> SuiteResult:
    """AUC and detection rate of the calibrated attack, behind the blind check."""
    digest = context.models.payload_digest
    if context.language_model is None:
        return not_measured(SUITE, digest, "the payload has no language model")
    if context.reference_model is None:
        return not_measured(SUITE, digest, "no reference model was given")
    members, others = _documents(context, config)
    if min(len(members), len(others)) < MIN_DOCUMENTS:
        return not_measured(SUITE, digest, f"{len(members)} members, {len(others)} non-members: needs {MIN_DOCUMENTS}")
    records = members + others
    is_member = np.arange(len(records)) < len(members)
    blind = blind_scores([record["text"] for record in records], is_member, seed=context.seed_for(SUITE, "blind"))
    scores = calibrated_scores(context, config, records)
    languages = [record.get("lang") for record in records]
    slices = {
        name: _metrics(is_member[index], scores[index], blind[index]) for name, index in context.by_language(languages)
    }
    items: list[Item] = [
        {
            "item": str(record["id"]),
            "slice": languages[k] or "unknown",
            "member": bool(is_member[k]),
            "score": float(scores[k]),
        }
        for k, record in enumerate(records)
    ]
    report = make_report(
        SUITE,
        digest,
        n=len(records),
        metrics=_metrics(is_member, scores, blind),
        slices=slices,
        data=[[str(record["id"]), bool(is_member[k])] for k, record in enumerate(records)],
    )
    return SuiteResult(report, items)


def _documents(context: EvaluationContext, config: MembershipConfig) -> tuple[list[Record], list[Record]]:
    """Members and non-members, in equal numbers a language, so that language cannot tell them apart."""
    splits = context.inputs.pretraining_splits
    train, test = (context.split_records(splits, name) for name in ("train", "test"))
    times = Counter(record["text"] for record in [*train, *test])
    train, test = ([record for record in side if times[record["text"]] == 1] for side in (train, test))
    groups = sorted({record.get("lang") or "" for record in test})
    members: list[Record] = []
    others: list[Record] = []
    for language in groups:
        inside = [record for record in train if (record.get("lang") or "") == language]
        outside = [record for record in test if (record.get("lang") or "") == language]
        count = min(len(inside), len(outside), config.max_documents // len(groups))
        members += context.sample(inside, count, SUITE, "members", language)
        others += context.sample(outside, count, SUITE, "others", language)
    return members, others


def calibrated_scores(context: EvaluationContext, config: MembershipConfig, records: list[Record]) -> FloatArray:
    """Mean log P under the target minus under the reference, a document, [N]."""
    target = _mean_log_probability(context, config, context.language_model, records)
    return target - _mean_log_probability(context, config, context.reference_model, records)


def _mean_log_probability(
    context: EvaluationContext, config: MembershipConfig, language_model: Any, records: list[Record]
) -> FloatArray:
    rows: list[tuple[int, list[int]]] = []
    seeds: list[int] = []
    for k, ids in enumerate(document_token_ids(language_model.tokenizer, [record["text"] for record in records])):
        # The opening window is enough to tell a document and keeps long ones from taking the time.
        for window in windows(language_model.tokenizer, ids, language_model.max_tokens)[:1]:
            for masking in range(config.maskings):
                rows.append((k, window))
                seeds.append(context.seed_for(SUITE, str(records[k]["id"]), masking))
    masked = random_masks(rows, language_model.tokenizer, masked_share=config.masked_share, seeds=seeds)
    sums, counts = np.zeros(len(records)), np.zeros(len(records))
    for row, found in zip(masked, log_probabilities(language_model, masked), strict=True):
        sums[row.document] += found.sum()
        counts[row.document] += len(found)
    return np.asarray(sums / np.maximum(counts, 1))


def _metrics(is_member: Any, scores: FloatArray, blind_N: FloatArray) -> Metrics:
    inside, outside = scores[is_member], scores[~is_member]
    if min(len(inside), len(outside)) < MIN_DOCUMENTS:
        note = f"{len(inside)} members, {len(outside)} non-members: needs {MIN_DOCUMENTS} of each"
        return {metric: missing_metric(note) for metric in ("auc", "tpr_at_1_percent_fpr", "blind_auc")}
    blind = area_under_curve(blind_N[is_member], blind_N[~is_member])
    metrics = {"blind_auc": metric_of(blind, len(inside))}
    if blind.low > 0.5:
        note = "INVALID: a classifier that never queries the model tells members from non-members"
        return metrics | {"auc": missing_metric(note), "tpr_at_1_percent_fpr": missing_metric(note)}
    threshold = np.sort(outside)[math.ceil((1 - FALSE_POSITIVE_RATE) * len(outside)) - 1]
    caught = clopper_pearson_interval(int((inside > threshold).sum()), len(inside))
    metrics["auc"] = metric_of(area_under_curve(inside, outside), len(inside))
    metrics["tpr_at_1_percent_fpr"] = metric_of(caught, len(inside))
    return metrics


def blind_scores(texts: list[str], is_member: Any, *, seed: int, folds: int = 5) -> FloatArray:
    """Out-of-fold scores [N] of a TF-IDF logistic classifier over character 1- to 3-grams, higher for a member."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    truth = np.asarray(is_member, dtype=bool)
    vectorizer = TfidfVectorizer(
        analyzer="char", ngram_range=(1, 3), min_df=2, max_features=BLIND_FEATURES, sublinear_tf=True
    )
    features = vectorizer.fit_transform(texts)
    scores = np.zeros(len(texts))
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32).split(features, truth):
        model = LogisticRegression(max_iter=200, solver="liblinear").fit(features[train], truth[train])
        scores[test] = model.decision_function(features[test])
    return scores
