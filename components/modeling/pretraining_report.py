"""What a pretrained model can do on dev, beside guessing the most frequent token.

Masks cover 15 % under a seed that is not the training's, so that runs with other masking shares compare. Each
language is evaluated by itself (a random B then is of the same language) and ``all`` pools them.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import torch
from pydantic import BaseModel

from components.core.seeds import derive_seed
from components.modeling.batches import PretrainingBatches
from components.modeling.config import Objective, PretrainingConfig
from components.modeling.corpus import EncodedSplit
from components.modeling.networks import PretrainingNetwork, pairs_of
from components.modeling.pairs import NO_LABEL
from components.modeling.step_data import to_tensors
from components.modeling.vocabulary import VocabularyIds

_EVALUATION_SEED = 15  # fixed: masks must not change with the run's seed


class PretrainingMetrics(BaseModel):
    """Dev figures of one language or of all.

    ``targets`` are masked tokens, or with objective clm all that have one before them. Losses in nats a target; shares
    in [0, 1].
    """

    targets: int
    pairs: int
    loss: float
    accuracy: float
    unigram_accuracy: float
    pair_accuracy: float | None


class PretrainingReport(BaseModel):
    """What was trained, on how much, and how well it does."""

    objective: Objective
    train_split: str
    documents: int
    corpus_tokens: int
    steps: int
    parameters: int
    metrics: dict[str, PretrainingMetrics]

    def summary(self) -> dict[str, object]:
        """The figures for people."""
        pooled, words, pairs = self.metrics["all"], self.objective.split("+")[0], pairs_of(self.objective)
        figures: dict[str, object] = {
            "steps": self.steps,
            "parameters": self.parameters,
            f"{words}_loss": round(pooled.loss, 4),
            f"{words}_accuracy": round(pooled.accuracy, 4),
            "unigram_accuracy": round(pooled.unigram_accuracy, 4),
        }
        if pairs is not None and pooled.pair_accuracy is not None:
            figures[f"{pairs}_accuracy"] = round(pooled.pair_accuracy, 4)
        return figures


def most_frequent_token(split: EncodedSplit, vocabulary: VocabularyIds) -> int:
    """The token that a model without context would always guess."""
    counts_V = sum(
        (np.bincount(part, minlength=vocabulary.size) for part in split.tokens_T.parts),
        np.zeros(vocabulary.size, np.int64),
    )
    counts_V[list(vocabulary.special)] = 0
    return int(counts_V.argmax())


def evaluate_pretraining(
    network: PretrainingNetwork,
    dev: EncodedSplit,
    vocabulary: VocabularyIds,
    config: PretrainingConfig,
    *,
    common_token: int,
) -> dict[str, PretrainingMetrics]:
    """Metrics by language and for ``all``; ``config.evaluation_tokens`` are shared out among languages."""
    languages = sorted(set(dev.languages_D.tolist()))
    budget = config.evaluation_tokens // max(1, len(languages))
    sums = {
        language: _count(
            network, dev.in_language(language), vocabulary, config, common_token=common_token, budget=budget
        )
        for language in languages
    }
    pooled: Counter[str] = Counter()
    for counts in sums.values():
        pooled.update(counts)
    return {name: _metrics(counts) for name, counts in {"all": pooled, **sums}.items()}


def _count(
    network: PretrainingNetwork,
    dev: EncodedSplit,
    vocabulary: VocabularyIds,
    config: PretrainingConfig,
    *,
    common_token: int,
    budget: int,
) -> Counter[str]:
    counts: Counter[str] = Counter()
    batches = PretrainingBatches(
        dev,
        vocabulary,
        objective=config.objective,
        max_tokens=min(config.architecture.max_tokens, network.max_tokens),
        tokens_per_batch=config.tokens_per_batch,
        short_share=0.0,
        mask_share=config.eval_mask_share,
        seed=derive_seed(_EVALUATION_SEED, "evaluation"),
    )
    with torch.inference_mode():
        for step in range(batches.steps_in_epoch(0)):
            batch = to_tensors(batches.batch(step))
            logits_PV, pair_logits_S2 = network(batch)
            targets_P, labels_S = batch["targets_P"], batch["pair_labels_S"]
            counts["targets"] += len(targets_P)
            counts["loss"] += float(torch.nn.functional.cross_entropy(logits_PV, targets_P, reduction="sum"))  # type: ignore[assignment]
            counts["right"] += int((logits_PV.argmax(1) == targets_P).sum())
            counts["common"] += int((targets_P == common_token).sum())
            if pair_logits_S2 is not None:
                labelled_S = labels_S != NO_LABEL
                counts["pairs"] += int(labelled_S.sum())
                counts["pairs_right"] += int((pair_logits_S2.argmax(1) == labels_S)[labelled_S].sum())
            counts["tokens"] += int(batch["attention_mask_BT"].sum())
            if counts["tokens"] >= budget:
                break
    return counts


def _metrics(counts: Counter[str]) -> PretrainingMetrics:
    targets, pairs = counts["targets"], counts["pairs"]
    return PretrainingMetrics(
        targets=targets,
        pairs=pairs,
        loss=round(counts["loss"] / max(1, targets), 6),
        accuracy=round(counts["right"] / max(1, targets), 6),
        unigram_accuracy=round(counts["common"] / max(1, targets), 6),
        pair_accuracy=round(counts["pairs_right"] / pairs, 6) if pairs else None,
    )
