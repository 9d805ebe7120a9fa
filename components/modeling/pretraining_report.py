"""What a pretrained model can do on dev, beside guessing the most frequent token.

Masks cover 15 % under a seed that is not the training's, so that runs with other masking shares compare. Each
language is evaluated by itself (a random B then is of the same language) and ``all`` pools them.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch
from pydantic import BaseModel

from components.core.seeds import derive_seed
from components.modeling.batches import PretrainingBatches, VocabularyIds
from components.modeling.config import PretrainingConfig
from components.modeling.corpus import EncodedSplit
from components.modeling.pairs import NO_LABEL
from components.modeling.training_loop import to_tensors

_EVALUATION_SEED = 15  # fixed: masks must not change with the run's seed


class PretrainingMetrics(BaseModel):
    """Dev figures of one language or of all. Losses in nats a masked token; shares in [0, 1]."""

    masked_tokens: int
    pairs: int
    mlm_loss: float
    mlm_accuracy: float
    unigram_accuracy: float
    nsp_accuracy: float | None


class PretrainingReport(BaseModel):
    """What was trained, on how much, and how well it does."""

    train_split: str
    documents: int
    corpus_tokens: int
    steps: int
    parameters: int
    metrics: dict[str, PretrainingMetrics]

    @staticmethod
    def of(
        split: EncodedSplit, train_split: str, steps: int, model: Any, metrics: dict[str, PretrainingMetrics]
    ) -> PretrainingReport:
        """Put it together."""
        return PretrainingReport(
            train_split=train_split,
            documents=split.documents,
            corpus_tokens=len(split.tokens_T),
            steps=steps,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            metrics=metrics,
        )

    def summary(self) -> dict[str, object]:
        """The figures for people."""
        pooled = self.metrics["all"]
        return {
            "steps": self.steps,
            "parameters": self.parameters,
            "mlm_loss": round(pooled.mlm_loss, 4),
            "mlm_accuracy": round(pooled.mlm_accuracy, 4),
            "unigram_accuracy": round(pooled.unigram_accuracy, 4),
            "nsp_accuracy": None if pooled.nsp_accuracy is None else round(pooled.nsp_accuracy, 4),
        }


def masked_logits(model: Any, batch: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Vocabulary logits [P, V] at the masked positions, and the pooled [CLS] [B, D]."""
    outputs = model.bert(
        input_ids=batch["input_ids_BT"],
        attention_mask=batch["attention_mask_BT"],
        token_type_ids=batch["token_type_ids_BT"],
    )
    hidden_BTD = outputs.last_hidden_state
    selected_PD = hidden_BTD.reshape(-1, hidden_BTD.shape[-1]).index_select(0, batch["positions_P"])
    return model.cls.predictions(selected_PD), outputs.pooler_output


def most_frequent_token(split: EncodedSplit, vocabulary: VocabularyIds) -> int:
    """The token that a model without context would always guess."""
    counts_V = np.bincount(split.tokens_T, minlength=vocabulary.size)
    counts_V[list(vocabulary.special)] = 0
    return int(counts_V.argmax())


def evaluate_pretraining(
    model: Any, dev: EncodedSplit, vocabulary: VocabularyIds, config: PretrainingConfig, *, common_token: int
) -> dict[str, PretrainingMetrics]:
    """Metrics by language and for ``all``; ``config.evaluation_tokens`` are shared out among languages."""
    languages = sorted(set(dev.languages_D.tolist()))
    budget = config.evaluation_tokens // max(1, len(languages))
    sums = {
        language: _count(model, dev.in_language(language), vocabulary, config, common_token=common_token, budget=budget)
        for language in languages
    }
    pooled: Counter[str] = Counter()
    for counts in sums.values():
        pooled.update(counts)
    return {name: _metrics(counts) for name, counts in {"all": pooled, **sums}.items()}


def _count(
    model: Any,
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
        max_tokens=min(config.architecture.max_tokens, int(model.config.max_position_embeddings)),
        tokens_per_batch=config.tokens_per_batch,
        pairs=config.objective == "mlm+nsp",
        short_share=0.0,
        mask_share=config.eval_mask_share,
        seed=derive_seed(_EVALUATION_SEED, "evaluation"),
    )
    with torch.inference_mode():
        for step in range(batches.steps_in_epoch(0)):
            batch = to_tensors(batches.batch(step))
            logits_PV, pooled_BD = masked_logits(model, batch)
            targets_P, labels_B = batch["targets_P"], batch["next_sentence_labels_B"]
            counts["masked"] += len(targets_P)
            counts["loss"] += float(torch.nn.functional.cross_entropy(logits_PV, targets_P, reduction="sum"))  # type: ignore[assignment]
            counts["right"] += int((logits_PV.argmax(1) == targets_P).sum())
            counts["common"] += int((targets_P == common_token).sum())
            labelled_B = labels_B != NO_LABEL
            guesses_B = model.cls.seq_relationship(pooled_BD).argmax(1)
            counts["pairs"] += int(labelled_B.sum())
            counts["pairs_right"] += int((guesses_B == labels_B)[labelled_B].sum())
            counts["tokens"] += int(batch["attention_mask_BT"].sum())
            if counts["tokens"] >= budget:
                break
    return counts


def _metrics(counts: Counter[str]) -> PretrainingMetrics:
    masked, pairs = counts["masked"], counts["pairs"]
    return PretrainingMetrics(
        masked_tokens=masked,
        pairs=pairs,
        mlm_loss=round(counts["loss"] / max(1, masked), 6),
        mlm_accuracy=round(counts["right"] / max(1, masked), 6),
        unigram_accuracy=round(counts["common"] / max(1, masked), 6),
        nsp_accuracy=round(counts["pairs_right"] / pairs, 6) if pairs else None,
    )
