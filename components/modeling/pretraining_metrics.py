"""What is said of a pretrained model: dev figures by language, and the report that holds them."""

from __future__ import annotations

from pydantic import BaseModel

from components.modeling.config import Objective


class Gain(BaseModel):
    """A difference of two shares on the same items, in [-1, 1], with its 95 % interval."""

    value: float
    ci_low: float
    ci_high: float


class PretrainingMetrics(BaseModel):
    """Dev figures of one language or of all.

    ``targets`` are masked tokens, or with objective clm all that have one before them. ``loss`` in nats a target,
    ``bits_per_character`` over the characters of the targets, which compares across tokenizers; accuracies are shares
    in [0, 1]. ``tokens_per_word`` and ``unknown_share`` are the tokenizer's, over the whole of dev.
    """

    targets: int
    pairs: int
    loss: float
    bits_per_character: float
    accuracy: float
    unigram_accuracy: float
    ngram_accuracy: float
    gain_over_unigram: Gain
    gain_over_ngram: Gain
    pair_accuracy: float | None
    pair_accuracy_ci: tuple[float, float] | None
    probe_accuracy: float | None
    gain_over_probe: Gain | None
    tokens_per_word: float
    unknown_share: float


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
        pooled = self.metrics["all"]
        words, _, pairs = self.objective.partition("+")
        figures: dict[str, object] = {
            "steps": self.steps,
            "parameters": self.parameters,
            f"{words}_loss": round(pooled.loss, 4),
            f"{words}_accuracy": round(pooled.accuracy, 4),
            "unigram_accuracy": round(pooled.unigram_accuracy, 4),
            "ngram_accuracy": round(pooled.ngram_accuracy, 4),
        }
        if pairs and pooled.pair_accuracy is not None:
            figures[f"{pairs}_accuracy"] = round(pooled.pair_accuracy, 4)
        return figures
