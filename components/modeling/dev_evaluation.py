"""Dev scores after every epoch: when to stop, which weights to keep, and the temperature.

Letters: N records, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel

from components.modeling.batching import length_buckets, pad_rows
from components.modeling.journals import JOURNAL_FILE
from components.modeling.loop_callbacks import MetricsCallback, append_metrics

FloatArray = NDArray[np.float64]

_BATCH_TOKENS = 8192
_BEST_FILE = "best.safetensors"
_TEMPERATURES = (0.05, 20.0)


class DevScores(BaseModel):
    """Accuracy and macro F1 in [0, 1]; negative log likelihood in nats, before and after the temperature."""

    accuracy: float
    macro_f1: float
    loss: float
    calibrated_loss: float


class FinetuningReport(BaseModel):
    """What was trained and how it does on dev."""

    labels: list[str]
    train_records: dict[str, int]
    dev_records: int
    steps: int
    best_epoch: int
    temperature: float
    dev: DevScores

    def summary(self) -> dict[str, object]:
        """The figures for people."""
        return {
            "labels": len(self.labels),
            "steps": self.steps,
            "best_epoch": self.best_epoch,
            "dev_accuracy": round(self.dev.accuracy, 4),
            "dev_macro_f1": round(self.dev.macro_f1, 4),
            "temperature": round(self.temperature, 4),
        }


def negative_log_likelihood(logits_NL: FloatArray, labels_N: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Mean over records, in nats."""
    scaled_NL = logits_NL / temperature
    scaled_NL = scaled_NL - scaled_NL.max(axis=1, keepdims=True)
    normaliser_N = np.log(np.exp(scaled_NL).sum(axis=1))
    return float((normaliser_N - scaled_NL[np.arange(len(labels_N)), labels_N]).mean())


def fit_temperature(logits_NL: FloatArray, labels_N: NDArray[np.int64]) -> float:
    """The temperature in [0.05, 20] with the least loss (Guo et al. 2017, https://arxiv.org/abs/1706.04599).

    Targets are smoothed by 1 / (N + 2) as in Platt (1999): where dev is classified without an error, the plain loss
    falls for ever towards temperature 0, and N records cannot vouch for that. Convex in 1/T, so a bounded search
    finds the minimum.
    """
    from scipy.optimize import minimize_scalar

    records, labels = logits_NL.shape
    doubt = 1.0 / (records + 2)
    targets_NL = np.full((records, labels), doubt / max(1, labels - 1))
    targets_NL[np.arange(records), labels_N] = 1.0 - doubt
    scores_NL = logits_NL - logits_NL.max(axis=1, keepdims=True)

    def loss(inverse: float) -> float:
        normaliser_N = np.log(np.exp(scores_NL * inverse).sum(axis=1))
        return float((normaliser_N - (targets_NL * scores_NL).sum(axis=1) * inverse).mean())

    low, high = _TEMPERATURES
    found = minimize_scalar(loss, bounds=(1.0 / high, 1.0 / low), method="bounded", options={"xatol": 1e-6})
    return round(float(1.0 / found.x), 6)


def score(logits_NL: FloatArray, labels_N: NDArray[np.int64], temperature: float) -> DevScores:
    """Scores of logits; macro F1 is the mean over all labels, 0 for one that is neither there nor guessed."""
    guesses_N = logits_NL.argmax(axis=1)
    scores = []
    for label in range(logits_NL.shape[1]):
        right = int(((guesses_N == label) & (labels_N == label)).sum())
        there = int((guesses_N == label).sum()) + int((labels_N == label).sum())
        scores.append(2 * right / there if there else 0.0)
    return DevScores(
        accuracy=round(float((guesses_N == labels_N).mean()), 6),
        macro_f1=round(float(np.mean(scores)), 6),
        loss=round(negative_log_likelihood(logits_NL, labels_N), 6),
        calibrated_loss=round(negative_log_likelihood(logits_NL, labels_N, temperature), 6),
    )


class DevEvaluation(pl.Callback):
    """After every epoch: dev scores into the journal, the best weights to disk, a stop when patience is spent."""

    def __init__(
        self,
        rows: Sequence[Sequence[int]],
        labels_N: NDArray[np.int64],
        *,
        pad_id: int,
        steps_per_epoch: int,
        total_steps: int,
        patience: int,
        work_dir: Path,
        on_metrics: MetricsCallback | None,
    ) -> None:
        """``rows`` are token ids with special tokens."""
        self._rows, self._labels_N, self._pad_id = rows, labels_N, pad_id
        self._steps_per_epoch, self._total_steps, self._patience = steps_per_epoch, total_steps, patience
        self._work_dir, self._on_metrics = work_dir, on_metrics
        self._best_loss = float("inf")
        self._epochs_without_gain = 0
        self.best_epoch = 0

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs to decide alike."""
        return {
            "best_loss": self._best_loss,
            "epochs_without_gain": self._epochs_without_gain,
            "best_epoch": self.best_epoch,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._best_loss = float(state_dict["best_loss"])
        self._epochs_without_gain = int(state_dict["epochs_without_gain"])
        self.best_epoch = int(state_dict["best_epoch"])

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """A run killed right after its last useful epoch stops again."""
        trainer.should_stop = self._epochs_without_gain >= self._patience

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Evaluate at the end of an epoch and of the run."""
        step = trainer.global_step
        if step % self._steps_per_epoch and step != self._total_steps:
            return
        model: Any = pl_module.model
        scores = score(self.logits(model), self._labels_N, 1.0)
        metrics = {"dev_loss": scores.loss, "dev_accuracy": scores.accuracy, "dev_macro_f1": scores.macro_f1}
        append_metrics(self._work_dir / JOURNAL_FILE, step, metrics)
        if self._on_metrics is not None:
            self._on_metrics(step, metrics)
        if scores.loss < self._best_loss:
            self._best_loss, self._epochs_without_gain = scores.loss, 0
            self.best_epoch = -(-step // self._steps_per_epoch)
            self._save(model)
        else:
            self._epochs_without_gain += 1
            trainer.should_stop = self._epochs_without_gain >= self._patience

    def logits(self, model: Any) -> FloatArray:
        """Dev logits, [N, L], without dropout; the model's mode is put back."""
        training = model.training
        model.eval()
        out_NL = np.zeros((len(self._rows), int(model.config.num_labels)))
        with torch.inference_mode():
            for index_B in length_buckets([len(row) for row in self._rows], max_batch_tokens=_BATCH_TOKENS):
                ids_BT, mask_BT = pad_rows([self._rows[index] for index in index_B], value=self._pad_id)
                inputs = {"input_ids": torch.from_numpy(ids_BT), "attention_mask": torch.from_numpy(mask_BT)}
                inputs = {name: tensor.to(model.device) for name, tensor in inputs.items()}
                out_NL[index_B] = model(**inputs).logits.double().cpu().numpy()
        model.train(training)
        return out_NL

    def restore_best(self, model: Any) -> None:
        """Put the weights of the best epoch into the model, on the CPU and in evaluation mode."""
        from safetensors.torch import load_file

        model.to("cpu").load_state_dict(load_file(str(self._work_dir / _BEST_FILE)))
        model.eval()

    def _save(self, model: Any) -> None:
        from safetensors.torch import save_file

        path = self._work_dir / _BEST_FILE
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
        save_file(tensors, str(path.with_suffix(".tmp")))
        path.with_suffix(".tmp").replace(path)
