"""Pretraining: masked words, and whether B follows A.

In: an encoded corpus and a tokenizer folder. Out: a Hugging Face folder of ``BertForPreTraining`` with the tokenizer,
``metrics.jsonl`` and ``report.json``. Vocabulary logits are computed at masked positions only; the loss is the mean
over all masked tokens of a batch, plus the weighted next-sentence loss. Letters: B rows, T tokens, D width, P targets.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from components.core.errors import ContractError
from components.core.jsonfiles import write_json
from components.core.seeds import derive_seed
from components.core.store import StageReport
from components.modeling.batches import PretrainingBatches, VocabularyIds
from components.modeling.config import PretrainingConfig
from components.modeling.corpus import EncodedSplit, load_split
from components.modeling.loading import load_model, load_tokenizer
from components.modeling.optimisation import arithmetic, make_optimizer, warmup_stable_decay
from components.modeling.pairs import NO_LABEL
from components.modeling.pretraining_report import (
    PretrainingReport,
    evaluate_pretraining,
    masked_logits,
    most_frequent_token,
)
from components.modeling.saving import save_model
from components.modeling.training_loop import (
    JOURNAL_FILE,
    LoopSettings,
    MetricsCallback,
    ProgressCallback,
    StepModule,
    run_steps,
)

logger = logging.getLogger(__name__)

# BERT base draws weights with deviation 0.02 at width 768. Kept at that, attention of a narrow model starts flat and
# needs thousands of steps to leave the unigram plateau; scaling with 1/sqrt(width) keeps the logits' spread.
_REFERENCE_DEVIATION, _REFERENCE_WIDTH = 0.02, 768


class PretrainingModule(StepModule):
    """``BertForPreTraining`` with sparse vocabulary logits."""

    def __init__(self, model: Any, config: PretrainingConfig, settings: LoopSettings) -> None:
        super().__init__(model, settings)
        self.config = config

    def losses(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """``loss``, ``mlm_loss`` and, with pairs, ``nsp_loss``, in nats."""
        targets_P = batch["targets_P"]
        logits_PV, pooled_BD = masked_logits(self.model, batch)
        mlm = nn.functional.cross_entropy(logits_PV.float(), targets_P)
        if self.config.objective == "mlm":
            return {"loss": mlm, "mlm_loss": mlm.detach()}
        labels_B = batch["next_sentence_labels_B"]
        heads: Any = self.model.cls
        nsp_logits_B2 = heads.seq_relationship(pooled_BD).float()
        total = nn.functional.cross_entropy(nsp_logits_B2, labels_B, ignore_index=NO_LABEL, reduction="sum")
        nsp = total / (labels_B != NO_LABEL).sum().clamp(min=1)  # a batch of single segments has no label: 0, not NaN
        return {"loss": mlm + self.config.nsp_weight * nsp, "mlm_loss": mlm.detach(), "nsp_loss": nsp.detach()}

    def configure_optimizers(self) -> Any:
        """AdamW under warm-up, plateau, decay; by step."""
        config, total = self.config, self.settings.total_steps
        optimizer = make_optimizer(self.model, learning_rate=config.learning_rate, weight_decay=config.weight_decay)

        def factor(step: int) -> float:
            shares = {"warmup_share": config.warmup_share, "decay_share": config.decay_share}
            return warmup_stable_decay(step, total=total, **shares)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def pretrain(
    encoded: Path,
    tokenizer: Path,
    config: PretrainingConfig,
    *,
    out_dir: Path,
    work_dir: Path,
    train_split: str = "train",
    on_metrics: MetricsCallback | None = None,
    on_progress: ProgressCallback | None = None,
) -> StageReport:
    """Pretrain on one split and evaluate on dev.

    Args:
        encoded: Encoded corpus.
        tokenizer: Tokenizer folder.
        config: Settings.
        out_dir: Where the model goes.
        work_dir: Checkpoints; the same folder continues a killed run, to the same bytes on a CPU.
        train_split: Split to train on; ``holdout`` gives a reference model for a membership attack.
        on_metrics: Called with (step, means since the last call) whenever the journal gets a line.
        on_progress: Called with (done, total, "steps", {"loss", "tokens_per_second"}) after every step.

    Raises:
        ContractError: No tokens, a tokenizer that does not fit, or a loss that is not finite.
    """
    split = load_split(encoded, train_split)
    opened = load_tokenizer(tokenizer)
    vocabulary = VocabularyIds.of(opened)
    with arithmetic(config.threads, derive_seed(config.seed, "weights")):
        model = make_model(config, vocabulary)
        batches = _batches(split, vocabulary, config, model.config.max_position_embeddings)
        steps = _count_steps(batches, config)
        settings = LoopSettings(
            total_steps=steps,
            clip_norm=config.clip_norm,
            precision=config.precision,
            log_every_steps=config.log_every_steps,
            checkpoint_every_steps=config.checkpoint_every_steps,
            seed=config.seed,
            fingerprint=f"{config.digest()}/{train_split}/{len(split.tokens_T)}",
        )
        module = PretrainingModule(model, config, settings)
        result = run_steps(module, batches, work_dir=work_dir, on_metrics=on_metrics, on_progress=on_progress)
        model.to("cpu").eval()
        metrics = evaluate_pretraining(
            model, load_split(encoded, "dev"), vocabulary, config, common_token=most_frequent_token(split, vocabulary)
        )
    opened.model_max_length = model.config.max_position_embeddings
    save_model(model, opened, out_dir)
    shutil.copyfile(work_dir / JOURNAL_FILE, out_dir / JOURNAL_FILE)
    report = PretrainingReport.of(split, train_split, steps, model, metrics)
    write_json(report, out_dir / "report.json")
    rate = round(result.tokens / max(1e-9, result.seconds))
    return StageReport(rows=split.documents, summary={**report.summary(), "tokens_per_second": rate})


def make_model(config: PretrainingConfig, vocabulary: VocabularyIds) -> Any:
    """A ``BertForPreTraining``: new under torch's random state, or that of ``config.initial``.

    Raises:
        ContractError: The checkpoint has fewer embeddings than the tokenizer has tokens.
    """
    from transformers import BertConfig, BertForPreTraining

    shape = config.architecture
    if config.initial is not None:
        model = load_model(
            BertForPreTraining,
            Path(config.initial),
            may_lack=("cls.seq_relationship", "bert.pooler"),
            hidden_dropout_prob=shape.dropout,
            attention_probs_dropout_prob=shape.dropout,
        )
        if model.config.vocab_size < vocabulary.size:
            raise ContractError(
                f"{config.initial}: {model.config.vocab_size} token embeddings, the tokenizer has {vocabulary.size} "
                "tokens; use the checkpoint's own tokenizer"
            )
        return model
    return BertForPreTraining(
        BertConfig(
            vocab_size=vocabulary.size,
            hidden_size=shape.hidden,
            num_hidden_layers=shape.layers,
            num_attention_heads=shape.heads,
            intermediate_size=shape.intermediate,
            max_position_embeddings=shape.max_tokens,
            hidden_dropout_prob=shape.dropout,
            attention_probs_dropout_prob=shape.dropout,
            initializer_range=shape.initial_deviation
            or _REFERENCE_DEVIATION * (_REFERENCE_WIDTH / shape.hidden) ** 0.5,
            pad_token_id=vocabulary.pad,
        )
    )


def _batches(
    split: EncodedSplit, vocabulary: VocabularyIds, config: PretrainingConfig, max_tokens: int
) -> PretrainingBatches:
    return PretrainingBatches(
        split,
        vocabulary,
        max_tokens=min(config.architecture.max_tokens, max_tokens),
        tokens_per_batch=config.tokens_per_batch,
        pairs=config.objective == "mlm+nsp",
        short_share=config.short_sequence_share,
        mask_share=config.mask_share,
        seed=config.seed,
    )


def _count_steps(batches: PretrainingBatches, config: PretrainingConfig) -> int:
    per_epoch = batches.steps_in_epoch(0)
    if per_epoch == 0:
        raise ContractError("no training sequence of two tokens or more in this split; look at the encoded corpus")
    steps = max(1, round(config.epochs * per_epoch))
    return steps if config.max_steps is None else min(steps, config.max_steps)
