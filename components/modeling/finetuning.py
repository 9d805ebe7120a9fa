"""Fine-tuning: a classifier of texts from a pretrained folder, calibrated on dev.

In: a pretrained model folder (ours or any local BERT-style Hugging Face checkpoint with its tokenizer) and labelled
splits. Out: a Hugging Face folder of ``AutoModelForSequenceClassification``, ``calibration.json`` with the temperature,
``metrics.jsonl`` and ``report.json``. The loss weighs a record by its ``weight`` (1 if absent) and by its class; dev
decides when to stop and how far to cool. Test is left to the evaluation. Letters: N records, B rows, L labels.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from components.core.corpus import read_records
from components.core.errors import ContractError
from components.core.jsonfiles import read_json, write_json
from components.core.seeds import derive_seed
from components.core.store import StageReport
from components.modeling.classification_batches import ClassificationBatches
from components.modeling.config import FinetuningConfig
from components.modeling.dev_evaluation import DevEvaluation, DevScores, FinetuningReport, fit_temperature, score
from components.modeling.inference import CALIBRATION_FILE
from components.modeling.journals import JOURNAL_FILE
from components.modeling.loading import architectures, load_model, load_tokenizer
from components.modeling.loop_callbacks import MetricsCallback, ProgressCallback
from components.modeling.optimisation import arithmetic, make_optimizer, warmup_stable_decay
from components.modeling.private_finetuning import PrivatePlan, plan_private, total_steps
from components.modeling.saving import save_model
from components.modeling.training_loop import LoopResult, LoopSettings, StepModule, run_steps
from components.privacy.audit import PrivacyAudit
from components.privacy.claim import PRIVACY_FILE
from components.privacy.ledger import LedgerPlace

# Heads that a checkpoint of another task does not have; everything else must come from the checkpoint.
_NEW_TENSORS = ("classifier", "pre_classifier", "pooler", "bert.pooler", "score")

# How BERT-like configs call dropout.
_DROPOUTS = ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout")


@dataclass(frozen=True)
class LabelledRecords:
    """Token ids, label numbers and weights of one split."""

    rows: Sequence[Sequence[int]]
    labels_N: NDArray[np.int64]
    weights_N: NDArray[np.float32]


class FinetuningModule(StepModule):
    """A sequence classifier under a weighted cross entropy."""

    model: Any  # one of the library's

    def __init__(self, model: Any, config: FinetuningConfig, settings: LoopSettings) -> None:
        super().__init__(model, settings)
        self.config = config

    def losses(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """``loss`` in nats: the weights have mean 1 over the split, so batches of light records count less."""
        outputs = self.model(input_ids=batch["input_ids_BT"], attention_mask=batch["attention_mask_BT"])
        losses_B = nn.functional.cross_entropy(outputs.logits.float(), batch["labels_B"], reduction="none")
        return {"loss": (losses_B * batch["weights_B"]).mean()}

    def row_losses(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Cross entropy in nats of every row."""
        inputs = {"input_ids": batch["input_ids_BT"], "attention_mask": batch["attention_mask_BT"]}
        if self.model.config.model_type == "bert":  # whose own positions would be one row for all
            places_T = torch.arange(inputs["input_ids"].shape[1], device=self.device)
            inputs["position_ids"] = places_T.expand_as(inputs["input_ids"]).contiguous()
            inputs["token_type_ids"] = torch.zeros_like(inputs["input_ids"])
        logits = self.model(**inputs).logits.float()
        return nn.functional.cross_entropy(logits, batch["labels_B"], reduction="none")

    def configure_optimizers(self) -> Any:
        """AdamW, lower layers slower; linear up, then linear down to the end."""
        config, total = self.config, self.settings.total_steps
        optimizer = make_optimizer(
            self.model,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            layerwise_decay=config.layerwise_decay,
        )

        def factor(step: int) -> float:
            decay_share = 1.0 - config.warmup_share
            return warmup_stable_decay(step, total=total, warmup_share=config.warmup_share, decay_share=decay_share)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def finetune(
    model: Path,
    splits: Path,
    config: FinetuningConfig,
    *,
    out_dir: Path,
    work_dir: Path,
    on_metrics: MetricsCallback | None = None,
    on_progress: ProgressCallback | None = None,
    ledger: LedgerPlace | None = None,
) -> StageReport:
    """Fine-tune on ``splits/train``, stop and calibrate on ``splits/dev``.

    Args:
        model: Checkpoint folder with tokenizer.
        splits: Labelled splits.
        config: Settings.
        out_dir: Where the model goes.
        work_dir: Checkpoints; the same folder continues a killed run.
        on_metrics: Called with (step, metrics) for every line of the journal.
        on_progress: Called with (done, total, "steps", {"loss", "tokens_per_second"}) after every step.
        ledger: Where steps are entered before they are taken, if the config asks for privacy.

    Raises:
        ConfigError: Privacy that does not fit the data or the model, or that the scope's budget does not reach.
        IntegrityError: The ledger's chain is broken.
        ContractError: A record lacks its label or has one that train lacks, fewer than two labels, or a loss that is
            not finite.
    """
    tokenizer = load_tokenizer(model)
    labels = read_labels(splits / "train")
    with arithmetic(config.threads, derive_seed(config.seed, "head")):
        network = _load_classifier(model, labels, config)
        max_tokens = min(config.max_tokens, int(network.config.max_position_embeddings), tokenizer.model_max_length)
        train = _read(splits / "train", labels, tokenizer, max_tokens, config.balance_classes)
        dev = _read(splits / "dev", labels, tokenizer, max_tokens, balance_classes=False)
        private = plan_private(
            network,
            train.rows,
            train.labels_N,
            config,
            corpus=splits / "train",
            tokenizer=tokenizer,
            work_dir=work_dir,
            ledger=ledger,
        )
        result, evaluation, found = _train(
            network,
            tokenizer,
            train,
            dev,
            config,
            private=private,
            labels=labels,
            work_dir=work_dir,
            on_metrics=on_metrics,
            on_progress=on_progress,
        )
        logits_NL = evaluation.logits(network)
    temperature = fit_temperature(logits_NL, dev.labels_N)
    tokenizer.model_max_length = max_tokens
    save_model(network, tokenizer, out_dir)
    write_json({"temperature": temperature}, out_dir / CALIBRATION_FILE)
    shutil.copyfile(work_dir / JOURNAL_FILE, out_dir / JOURNAL_FILE)
    report = _report(
        labels,
        train,
        dev,
        steps=result.steps,
        best_epoch=evaluation.best_epoch,
        temperature=temperature,
        scores=score(logits_NL, dev.labels_N, temperature),
        counts=private is None,
    )
    write_json(report, out_dir / "report.json")
    if private is not None:
        write_json(private.claim(result.steps, found), out_dir / PRIVACY_FILE)
    rate = round(result.tokens / max(1e-9, result.seconds))
    return StageReport(rows=len(train.rows), summary={**report.summary(), "tokens_per_second": rate})


def _train(
    network: Any,
    tokenizer: Any,
    train: LabelledRecords,
    dev: LabelledRecords,
    config: FinetuningConfig,
    *,
    private: PrivatePlan | None,
    labels: tuple[str, ...],
    work_dir: Path,
    on_metrics: MetricsCallback | None,
    on_progress: ProgressCallback | None,
) -> tuple[LoopResult, DevEvaluation, PrivacyAudit | None]:
    """Run the steps and leave the network at its best epoch, or at its last one where choosing would be a release."""
    batches: Any = (
        private.batches
        if private is not None
        else ClassificationBatches(
            train.rows,
            train.labels_N,
            train.weights_N,
            pad_id=tokenizer.pad_token_id,
            batch_size=config.batch_size,
            seed=config.seed,
        )
    )
    steps_per_epoch = private.steps_per_epoch if private is not None else batches.steps_per_epoch
    settings = _settings(config, steps_per_epoch, labels, len(train.rows))
    evaluation = DevEvaluation(
        dev.rows,
        dev.labels_N,
        pad_id=tokenizer.pad_token_id,
        steps_per_epoch=steps_per_epoch,
        total_steps=settings.total_steps,
        patience=config.patience_epochs if private is None else config.epochs + 1,
        work_dir=work_dir,
        on_metrics=on_metrics,
    )
    module = FinetuningModule(network, config, settings)
    before_M = None
    if private is not None:
        module.private = private.steps
        before_M = private.canary_losses(module)
    result = run_steps(
        module, batches, work_dir=work_dir, on_metrics=on_metrics, on_progress=on_progress, callbacks=[evaluation]
    )
    if private is None:
        evaluation.restore_best(network)
    network.to("cpu").eval()
    found = None if private is None else private.audited(before_M, private.canary_losses(module))
    return result, evaluation, found


def read_labels(corpus: Path) -> tuple[str, ...]:
    """The labels of a corpus, sorted. Raises ContractError if a record has none or there are fewer than two."""
    names = [record.get("label") for record in read_records(corpus)]
    missing = sum(name is None or name == "" for name in names)
    if missing:
        raise ContractError(
            f"{corpus}: {missing} of {len(names)} records have no label; map ingestion.columns or drop them"
        )
    labels = tuple(sorted({str(name) for name in names}))
    if len(labels) < 2:
        raise ContractError(
            f"{corpus}: {len(labels)} different labels among {len(names)} records, at least 2 are needed"
        )
    return labels


def class_weights(labels_N: NDArray[np.int64], weights_N: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """Weight of each class, [L]: its records' weights then sum to the same for every class. 0 where it has none."""
    mass_L = np.bincount(labels_N, weights=weights_N, minlength=count)
    return np.asarray(np.divide(mass_L.sum() / count, mass_L, out=np.zeros(count), where=mass_L > 0))


def _load_classifier(model: Path, labels: tuple[str, ...], config: FinetuningConfig) -> Any:
    from transformers import AutoModelForSequenceClassification

    architectures(model)  # refuses a folder that is no checkpoint
    return load_model(
        AutoModelForSequenceClassification,
        model,
        may_lack=_NEW_TENSORS,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        problem_type="single_label_classification",
        **{name: config.dropout for name in _DROPOUTS if name in read_json(model / "config.json")},
        ignore_mismatched_sizes=True,  # a checkpoint fine-tuned for other labels
    )


def _read(
    corpus: Path, labels: tuple[str, ...], tokenizer: Any, max_tokens: int, balance_classes: bool
) -> LabelledRecords:
    numbers = {label: index for index, label in enumerate(labels)}
    records = list(read_records(corpus))
    if not records:
        raise ContractError(f"{corpus}: no records; give the split labelled records")
    wrong = sum(str(record.get("label")) not in numbers for record in records)
    if wrong:
        raise ContractError(
            f"{corpus}: {wrong} of {len(records)} records have no label or one train lacks; look at the split stage"
        )
    rows = tokenizer(
        [record["text"] for record in records], truncation=True, max_length=max_tokens, return_attention_mask=False
    )["input_ids"]
    labels_N = np.asarray([numbers[str(record["label"])] for record in records], dtype=np.int64)
    weights_N = np.asarray([record.get("weight", 1.0) for record in records], dtype=np.float32)
    if not np.isfinite(weights_N).all() or (weights_N < 0).any() or not weights_N.any():
        raise ContractError(f"{corpus}: record weights must be finite, not negative and not all 0; balance again")
    if balance_classes:
        weights_N = (weights_N * class_weights(labels_N, weights_N, len(labels))[labels_N]).astype(np.float32)
    return LabelledRecords(rows, labels_N, (weights_N / weights_N.mean()).astype(np.float32))


def _settings(config: FinetuningConfig, steps_per_epoch: int, labels: tuple[str, ...], rows: int) -> LoopSettings:
    return LoopSettings(
        total_steps=total_steps(config, steps_per_epoch),
        clip_norm=config.clip_norm,
        precision=config.precision,
        log_every_steps=config.log_every_steps,
        checkpoint_every_steps=steps_per_epoch,
        seed=config.seed,
        fingerprint={"finetuning": config.model_dump(mode="json"), "records": rows, "labels": "|".join(labels)},
    )


def _report(
    labels: tuple[str, ...],
    train: LabelledRecords,
    dev: LabelledRecords,
    *,
    steps: int,
    best_epoch: int,
    temperature: float,
    scores: DevScores,
    counts: bool,
) -> FinetuningReport:
    """Without ``counts`` it does not say how many records have which label: that is a figure of the people's data."""
    counts_L = np.bincount(train.labels_N, minlength=len(labels))
    return FinetuningReport(
        labels=list(labels),
        train_records={label: int(n) for label, n in zip(labels, counts_L, strict=True)} if counts else {},
        dev_records=len(dev.rows),
        steps=steps,
        best_epoch=best_epoch,
        temperature=temperature,
        dev=scores,
    )
