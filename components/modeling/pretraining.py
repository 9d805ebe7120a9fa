"""Pretraining: masked words, with or without a question about sentence pairs, or the next token.

In: an encoded corpus and a tokenizer folder. Out: a Hugging Face folder (``networks.py``) with the tokenizer,
``metrics.jsonl``, ``report.json`` and the latter as a page, ``quality.html``. The loss is the mean over all targets of
a batch, plus the weighted loss on pairs. Letters: B rows, T tokens, D width, P targets, S sequences.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from components.core.errors import ContractError
from components.core.jsonfiles import write_json
from components.core.seeds import derive_seed
from components.core.store import StageReport
from components.modeling import ranks
from components.modeling.batches import PretrainingBatches
from components.modeling.config import PretrainingConfig
from components.modeling.corpus import EncodedSplit, load_split
from components.modeling.journals import JOURNAL_FILE, QUALITY_FILE
from components.modeling.loading import load_tokenizer
from components.modeling.loop_callbacks import MetricsCallback, ProgressCallback
from components.modeling.networks import PretrainingNetwork, make_network
from components.modeling.optimisation import arithmetic, make_optimizer, warmup_stable_decay
from components.modeling.pairs import NO_LABEL
from components.modeling.pretraining_metrics import PretrainingReport
from components.modeling.pretraining_report import evaluate_pretraining
from components.modeling.private_pretraining import (
    NO_TARGET,
    PrivatePretrainingBatches,
    private_pretraining_steps,
    private_step_count,
)
from components.modeling.private_training import PrivateSteps
from components.modeling.quality_page import quality_page
from components.modeling.saving import save_network
from components.modeling.step_data import Sizes
from components.modeling.training_loop import LoopSettings, StepModule, run_steps
from components.modeling.vocabulary import VocabularyIds, token_characters
from components.privacy.claim import PRIVACY_FILE, make_claim
from components.privacy.ledger import LedgerPlace


class PretrainingModule(StepModule):
    """A network under the losses of its objective."""

    def __init__(self, network: PretrainingNetwork, config: PretrainingConfig, settings: LoopSettings) -> None:
        super().__init__(network, settings)
        self.config = config
        self._arithmetic = network.arithmetic()
        self._name = "clm_loss" if config.objective == "clm" else "mlm_loss"

    def losses(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """``loss``, ``mlm_loss`` or ``clm_loss`` and, with pairs, ``nsp_loss`` or ``sop_loss``, in nats.

        The means are over the targets and labels of the whole batch: the losses of its parts sum to its own.
        """
        total, pair_logits_S2 = self.model(batch, summed=True)
        words = total / batch["targets_total"]
        if pair_logits_S2 is None:
            return {"loss": words, self._name: words.detach()}
        labels_S, count = batch["pair_labels_S"], batch["labels_total"].clamp(min=1)  # no label: 0, not NaN
        logits = pair_logits_S2.float()
        pairs = nn.functional.cross_entropy(logits, labels_S, ignore_index=NO_LABEL, reduction="sum") / count
        loss = words + self.config.nsp_weight * pairs
        return {"loss": loss, self._name: words.detach(), f"{self.model.pairs}_loss": pairs.detach()}

    def row_losses(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Mean cross entropy in nats over the targets of every row; 0 for a row without one."""
        logits_BKV = cast(PretrainingNetwork, self.model).row_logits(batch).float()
        targets_BK = batch["targets_BK"]
        losses_BK = nn.functional.cross_entropy(logits_BKV.mT, targets_BK, ignore_index=NO_TARGET, reduction="none")
        return losses_BK.sum(1) / (targets_BK != NO_TARGET).sum(1).clamp(min=1)

    def operations(self, sizes: Sizes) -> float:
        """Useful operations of a part, forward and backward."""
        return self._arithmetic.operations(sizes)

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
    ledger: LedgerPlace | None = None,
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
        ledger: Where steps are entered before they are taken, if the config asks for privacy.

    Raises:
        ConfigError: Privacy that does not fit the data, or that the scope's budget does not reach.
        IntegrityError: The ledger's chain is broken.
        ContractError: No tokens, a tokenizer that does not fit, or a loss that is not finite.
    """
    split = load_split(encoded, train_split)
    opened = load_tokenizer(tokenizer)
    vocabulary = VocabularyIds.of(opened)
    with arithmetic(_threads(config), derive_seed(config.seed, "weights")):
        network = make_network(config, vocabulary)
        network.prepare(compiled=config.compile, activation_checkpointing=config.activation_checkpointing)
        batches: Any
        private: PrivateSteps | None = None
        if config.privacy is None:
            batches = training_batches(split, vocabulary, config, network.max_tokens)
            steps = _count_steps(batches, config)
        else:
            network.ask_last_layer(False)  # it gathers the places of several rows
            batches = PrivatePretrainingBatches(
                split, vocabulary, config, config.privacy, max_tokens=network.max_tokens
            )
            steps = private_step_count(config, batches.units)
            private = private_pretraining_steps(network, config, batches.units, ledger)
        module = PretrainingModule(
            network, config, loop_settings(config, steps, f"{train_split}/{len(split.tokens_T)}")
        )
        module.private = private
        result = run_steps(module, batches, work_dir=work_dir, on_metrics=on_metrics, on_progress=on_progress)
        network = _whole(network, config, vocabulary)
        network.prepare(compiled=False, activation_checkpointing=False)
        if not ranks.is_first_rank():
            return StageReport(rows=split.documents)
        network.to("cpu").eval()
        metrics = evaluate_pretraining(
            network,
            split,
            load_split(encoded, "dev"),
            vocabulary,
            config,
            characters_V=token_characters(opened),
        )
    opened.model_max_length = network.max_tokens
    save_network(network, opened, out_dir)
    shutil.copyfile(work_dir / JOURNAL_FILE, out_dir / JOURNAL_FILE)
    if private is not None:
        claim = make_claim(private.config, private.mechanism, units=batches.units, charged=private.charged())
        write_json(claim, out_dir / PRIVACY_FILE)
    report = PretrainingReport(
        objective=config.objective,
        train_split=train_split,
        documents=split.documents,
        corpus_tokens=len(split.tokens_T),
        steps=steps,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        metrics=metrics,
    )
    write_json(report, out_dir / "report.json")
    (out_dir / QUALITY_FILE).write_text(quality_page(report), encoding="utf-8")
    rate = round(result.tokens / max(1e-9, result.seconds))
    return StageReport(rows=split.documents, summary={**report.summary(), "tokens_per_second": rate})


def _threads(config: PretrainingConfig) -> int | None:
    """Threads of this process: ranks on one machine share its cores."""
    beside = ranks.ranks_on_this_machine(distribution_of(config))
    return config.threads if config.threads or beside == 1 else max(1, torch.get_num_threads() // beside)


def _whole(network: PretrainingNetwork, config: PretrainingConfig, vocabulary: VocabularyIds) -> PretrainingNetwork:
    """The network with all its weights on the first rank, wherever they lay; every rank must call it."""
    if not distribution_of(config).shards:
        return network
    weights = ranks.gather_weights(network)
    if not ranks.is_first_rank():
        return network
    whole = make_network(config, vocabulary)
    whole.load_state_dict(weights)
    return whole


def distribution_of(config: PretrainingConfig) -> ranks.Distribution:
    """Where a training runs."""
    return ranks.Distribution(
        accelerator=config.accelerator,
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy=config.strategy,
        timeout_seconds=config.collective_timeout_seconds,
    )


def training_batches(
    split: EncodedSplit, vocabulary: VocabularyIds, config: PretrainingConfig, max_tokens: int
) -> PretrainingBatches:
    """The batches of a training, whose rows have at most ``max_tokens`` tokens and what the config allows."""
    return PretrainingBatches(
        split,
        vocabulary,
        objective=config.objective,
        max_tokens=min(config.architecture.max_tokens, max_tokens),
        tokens_per_batch=config.tokens_per_batch,
        short_share=config.short_sequence_share,
        mask_share=config.mask_share,
        seed=config.seed,
        packing=config.packing,
    )


def loop_settings(config: PretrainingConfig, steps: int, data: str) -> LoopSettings:
    """The loop of a training over named data."""
    return LoopSettings(
        total_steps=steps,
        clip_norm=config.clip_norm,
        precision=config.precision,
        log_every_steps=config.log_every_steps,
        checkpoint_every_steps=config.checkpoint_every_steps,
        seed=config.seed,
        fingerprint={"pretraining": config.identity(), "data": data, "weights": _weights_of(config)},
        keep_checkpoints=config.keep_checkpoints,
        parts=config.accumulate,
        loader_workers=config.loader_workers,
        distribution=distribution_of(config),
    )


def _weights_of(config: PretrainingConfig) -> str:
    """How a checkpoint orders its values: a run moves freely between one rank and many, not to shards and back."""
    return "shards (strategy fsdp2)" if config.strategy == "fsdp2" else "copies (strategy ddp or auto)"


def _count_steps(batches: PretrainingBatches, config: PretrainingConfig) -> int:
    per_epoch = batches.steps_in_epoch(0)
    if per_epoch == 0:
        raise ContractError("no training sequence of two tokens or more in this split; look at the encoded corpus")
    tokens = batches.tokens_in_epoch(0)
    if tokens < config.tokens_per_batch:
        raise ContractError(
            f"pretraining.tokens_per_batch is {config.tokens_per_batch}, the training split has {tokens} tokens in "
            "all, special ones included; lower it or give more text"
        )
    steps = max(1, round(config.epochs * per_epoch))
    return steps if config.max_steps is None else min(steps, config.max_steps)
