"""One training loop for both stages: Lightning, steps counted from the start, exact resuming, one rank or many.

The batch of a step is a function of its number (``batches.py``) and dropout is seeded by step, so the state of a run
is weights, optimiser, schedule, journal window and the step itself. ``work_dir`` holds the last checkpoints
(``checkpoints.py``) and ``metrics.jsonl``; a run that is killed and started again with the same folder goes on from
the last checkpoint and ends with the same bytes. A batch may be computed in parts, whose gradients add up to its own,
and shared out among ranks, which changes the result by rounding only. Nothing is printed; progress goes to callbacks.
"""

from __future__ import annotations

import logging
import math
import secrets
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import nn

from components.core.errors import ContractError
from components.core.seeds import derive_seed
from components.modeling import ranks
from components.modeling.checkpoints import Checkpoints
from components.modeling.config import Precision
from components.modeling.loop_callbacks import (
    CheckpointCallback,
    Journal,
    MetricsCallback,
    ProgressCallback,
    is_main_thread,
    never,
)
from components.modeling.optimisation import resolve_precision
from components.modeling.performance import peak_operations
from components.modeling.private_training import PrivateSteps
from components.modeling.step_data import Part, Sizes, StepBatches, StepDataModule

_TOTAL = "_total"  # ending of the names of what is counted over the whole batch
_IDS_IN_AN_ERROR = 8


@dataclass(frozen=True)
class LoopSettings:
    """What the loop needs to know.

    ``fingerprint`` says what is trained, in plain values: a checkpoint of something else is refused.
    """

    total_steps: int
    clip_norm: float
    precision: Precision
    log_every_steps: int
    checkpoint_every_steps: int
    seed: int
    fingerprint: Mapping[str, Any]
    keep_checkpoints: int = 2
    parts: int = 1
    loader_workers: int = 0
    distribution: ranks.Distribution = field(default_factory=ranks.Distribution)


@dataclass(frozen=True)
class LoopResult:
    """Steps in total, and what this process did: seconds and tokens since start or resume."""

    steps: int
    seconds: float
    tokens: int


class StepModule(pl.LightningModule):
    """A model with its loss; subclasses say how a batch becomes losses and which optimiser is used.

    Optimisation is by hand, because the parts of a batch make one step. After a step, ``step_losses``, ``step_tokens``
    and ``step_operations`` are those of the whole batch, and ``ends`` says whether any rank was asked to end.
    """

    def __init__(self, model: nn.Module, settings: LoopSettings) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.settings = settings
        self.step_losses: dict[str, float] = {}
        self.step_tokens = 0
        self.step_operations = 0.0
        self.gradient_norm = 0.0
        self.learning_rate = 0.0
        self.ends = False
        self.asked_to_end: Callable[[], bool] = never
        self.documents: Callable[[int], Sequence[str]] = _no_documents
        self.private: PrivateSteps | None = None

    def losses(self, batch: Part) -> dict[str, torch.Tensor]:
        """Named losses of a part, which sum to those of the batch; ``loss`` is the one that is minimised."""
        raise NotImplementedError

    def configure_model(self) -> None:
        """Share the weights out where the strategy wants that."""
        if self.device_mesh is not None:
            ranks.shard_layers(self.model, self.device_mesh["data_parallel"])

    def training_step(self, parts: list[tuple[Part, Sizes]], _batch_index: int) -> None:
        """One step; dropout depends on seed, step and rank alone."""
        if self.private is not None:
            self._private_step(self.private, [part for part, _ in parts])
            return
        step = self.trainer.global_step
        rank = (self.global_rank,) if self.global_rank else ()
        _seed_dropout(derive_seed(self.settings.seed, "dropout", step, *rank))
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self._count_whole_batch([part for part, _ in parts])
        sums: dict[str, torch.Tensor] = {}
        for number, (part, _) in enumerate(parts, start=1):
            losses = self.losses(part)
            for name, value in losses.items():
                sums[name] = sums[name] + value.detach() if name in sums else value.detach()
            # Ranks average their gradients; those of a batch are the sum.
            with ranks.synchronise_gradients(self.trainer.strategy, self.model, number == len(parts)):
                self.manual_backward(losses["loss"] * self.trainer.world_size)
        numbers = self._clip(sums, optimizer, step)
        optimizer.step()
        schedule: Any = self.lr_schedulers()
        schedule.step()
        self._agree(numbers, [sizes for _, sizes in parts])

    def row_losses(self, batch: Part) -> torch.Tensor:
        """The loss of every row, for private steps."""
        raise NotImplementedError

    def _private_step(self, private: PrivateSteps, parts: list[Part]) -> None:
        """One step that the ledger holds before it is taken; dropout is nobody's to foresee, like the noise."""
        private.charge(self.trainer.global_step)
        _seed_dropout(secrets.randbits(63))
        optimizer: Any = self.optimizers()
        self.learning_rate = max(group["lr"] for group in optimizer.param_groups)
        self.gradient_norm = private.compute(self, parts, self.device)
        optimizer.step()
        optimizer.zero_grad()
        schedule: Any = self.lr_schedulers()
        schedule.step()
        self.ends = self.asked_to_end()

    def _count_whole_batch(self, parts: list[Part]) -> None:
        """Add up over the ranks what their parts count, so that means are over the whole batch."""
        names = [name for name in parts[0] if name.endswith(_TOTAL)]
        if self.trainer.world_size == 1 or not names:
            return
        counts = ranks.sum_over_ranks([float(parts[0][name]) for name in names], self.device)
        for name, count in zip(names, counts, strict=True):
            for part in parts:
                part[name] = torch.full_like(part[name], int(count))

    def _clip(self, sums: dict[str, torch.Tensor], optimizer: Any, step: int) -> dict[str, float]:
        """Clip; note norm and rate of this step; give the losses as numbers, all fetched from the device at once."""
        self.learning_rate = max(group["lr"] for group in optimizer.param_groups)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm)
        *losses, self.gradient_norm = torch.stack([*sums.values(), ranks.whole(norm)]).tolist()
        numbers = dict(zip(sums, losses, strict=True))
        for what, value in (("loss", numbers["loss"]), ("gradient norm", self.gradient_norm)):
            self._refuse_non_finite(what, value, step)
        return numbers

    def operations(self, sizes: Sizes) -> float:
        """Useful operations of a part, forward and backward; 0 where nobody counts them."""
        del sizes
        return 0.0

    def _agree(self, losses: Mapping[str, float], sizes: Sequence[Sizes]) -> None:
        """What the journal gets, from all ranks, and whether one of them was asked to end."""
        tokens = sum(size["tokens"] for size in sizes)
        operations = sum(self.operations(size) for size in sizes)
        told = [*losses.values(), tokens, operations, float(self.asked_to_end())]
        *summed, tokens_of_all, operations_of_all, asked = ranks.sum_over_ranks(told, self.device)
        self.step_losses = dict(zip(losses, summed, strict=True))
        self.step_tokens, self.step_operations, self.ends = int(tokens_of_all), operations_of_all, asked > 0

    def _refuse_non_finite(self, what: str, value: float, step: int) -> None:
        if math.isfinite(value):
            return
        ids = list(self.documents(step))
        more = f" and {len(ids) - _IDS_IN_AN_ERROR} more" if len(ids) > _IDS_IN_AN_ERROR else ""
        of = f" of documents {', '.join(ids[:_IDS_IN_AN_ERROR])}{more}" if ids else ""
        raise ContractError(
            f"training stopped at step {step + 1}: {what} is {value}, must be finite; look at the batch{of}, lower "
            "learning_rate or clip_norm, or set precision to fp32"
        )


def _no_documents(_step: int) -> Sequence[str]:
    return ()


def _seed_dropout(seed: int) -> None:
    """Seed the generators that dropout draws from.

    ``torch.manual_seed`` also notes the seed, with a stack trace, for every kind of accelerator that has not started
    yet: a millisecond a step, and the notes are never dropped.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)


def run_steps(
    module: StepModule,
    batches: StepBatches,
    *,
    work_dir: Path,
    on_metrics: MetricsCallback | None = None,
    on_progress: ProgressCallback | None = None,
    callbacks: Sequence[pl.Callback] = (),
) -> LoopResult:
    """Train to ``total_steps`` (or until a callback stops), continuing from ``work_dir`` where it was left.

    Raises:
        ContractError: The loss or the gradient stops being finite.
    """
    settings = module.settings
    settings.distribution.check()
    work_dir.mkdir(parents=True, exist_ok=True)
    steps = {"total": settings.total_steps}
    journal = Journal(
        work_dir,
        **steps,
        every=settings.log_every_steps,
        peak=_peak(settings),
        on_metrics=on_metrics,
        on_progress=on_progress,
    )
    checkpoints = Checkpoints(work_dir, fingerprint=settings.fingerprint, keep=settings.keep_checkpoints)
    resume_from = checkpoints.latest()
    module.model.train()
    module.documents = batches.documents
    started = time.perf_counter()
    with _quiet_lightning(), _noted_end() as asked_to_end:
        module.asked_to_end = asked_to_end.is_set
        saving = CheckpointCallback(checkpoints, asked_to_end, **steps, every=settings.checkpoint_every_steps)
        trainer = _trainer(settings, work_dir, [journal, *callbacks, saving])
        with _plain_interrupts():
            trainer.fit(
                module,
                datamodule=StepDataModule(
                    batches,
                    total_steps=settings.total_steps,
                    parts=settings.parts,
                    workers=settings.loader_workers,
                ),
                ckpt_path=None if resume_from is None else str(resume_from),
                weights_only=True,
            )
    return LoopResult(int(trainer.global_step), time.perf_counter() - started, journal.performance.tokens)


def _peak(settings: LoopSettings) -> float:
    """Operations a second that all devices could do in the precision of the training."""
    device = torch.device("cuda" if settings.distribution.device_type() == "gpu" else "cpu")
    dtype = torch.bfloat16 if resolve_precision(settings.precision) == "bf16" else torch.float32
    return peak_operations(device, dtype) * settings.distribution.ranks


def _trainer(settings: LoopSettings, work_dir: Path, callbacks: list[pl.Callback]) -> pl.Trainer:
    where = settings.distribution
    return pl.Trainer(
        accelerator=where.device_type(),
        devices=where.devices,
        num_nodes=where.num_nodes,
        strategy=where.lightning_strategy(),
        precision="bf16-mixed" if resolve_precision(settings.precision) == "bf16" else "32-true",
        max_steps=settings.total_steps,
        min_epochs=0,
        logger=False,
        callbacks=callbacks,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
        default_root_dir=str(work_dir),
    )


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """No device table, tips or hints: the loader runs in this process on purpose and there is no validation loop."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [item.level for item in loggers]
    for item in loggers:
        item.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"lightning\.")
            warnings.filterwarnings("ignore", message=r".*(num_workers|log_every_n_steps|val_dataloader).*")
            yield
    finally:
        for item, level in zip(loggers, levels, strict=True):
            item.setLevel(level)


@contextmanager
def _noted_end() -> Iterator[threading.Event]:
    """SIGTERM sets the event instead of ending the process, where this is the main thread."""
    asked = threading.Event()
    if not is_main_thread():
        yield asked
        return
    handler = signal.signal(signal.SIGTERM, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, handler)


@contextmanager
def _plain_interrupts() -> Iterator[None]:
    """Lightning turns Ctrl+C into exit code 1 and leaves SIGINT ignored; give back the interrupt and the handler."""
    handler = signal.getsignal(signal.SIGINT) if is_main_thread() else None
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
