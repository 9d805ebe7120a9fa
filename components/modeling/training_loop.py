"""One training loop for both stages: Lightning, steps counted from the start, exact resuming, a journal.

The batch of a step is a function of its number (``batches.py``) and dropout is seeded by step, so the state of a run
is weights, optimiser, schedule, journal window and the step itself. ``work_dir`` holds the last checkpoints
(``checkpoints.py``) and ``metrics.jsonl``; a run that is killed and started again with the same folder goes on from
the last checkpoint and ends with the same bytes. A batch may be computed in parts, whose gradients add up to its own.
Nothing is printed; progress goes to callbacks.
"""

from __future__ import annotations

import json
import logging
import math
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import lightning.pytorch as pl
import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

from components.core.errors import ContractError
from components.core.jsonfiles import read_jsonl, write_jsonl
from components.core.seeds import derive_seed
from components.modeling.checkpoints import Checkpoints
from components.modeling.config import Precision
from components.modeling.optimisation import resolve_precision

logger = logging.getLogger(__name__)

MetricsCallback = Callable[[int, dict[str, float]], None]
ProgressCallback = Callable[[int, int, str, dict[str, float]], None]

JOURNAL_FILE = "metrics.jsonl"


class StepBatch(Protocol):
    """A frozen dataclass of numpy arrays."""

    def parts(self, count: int, /) -> Sequence[Any]:
        """At most ``count`` batches that together are this one."""


class StepBatches(Protocol):
    """Batches by step number."""

    def batch(self, step: int) -> StepBatch:
        """The batch of a step, counted from 0."""


@dataclass(frozen=True)
class LoopSettings:
    """What the loop needs to know.

    ``fingerprint`` names what is trained: a checkpoint of another one is not continued.
    """

    total_steps: int
    clip_norm: float
    precision: Precision
    log_every_steps: int
    checkpoint_every_steps: int
    seed: int
    fingerprint: str
    keep_checkpoints: int = 2
    parts: int = 1


@dataclass(frozen=True)
class LoopResult:
    """Steps in total, and what this process did: seconds and tokens since start or resume."""

    steps: int
    seconds: float
    tokens: int


class StepModule(pl.LightningModule):
    """A model with its loss; subclasses say how a batch becomes losses and which optimiser is used.

    Optimisation is by hand, because the parts of a batch make one step.
    """

    def __init__(self, model: nn.Module, settings: LoopSettings) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.settings = settings
        self.step_losses: dict[str, float] = {}
        self.gradient_norm = 0.0
        self.learning_rate = 0.0

    def losses(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Named losses of a part, which sum to those of the batch; ``loss`` is the one that is minimised."""
        raise NotImplementedError

    def training_step(self, parts: list[dict[str, torch.Tensor]], _batch_index: int) -> None:
        """One step; dropout depends on seed and step alone."""
        step = self.trainer.global_step
        _seed_dropout(derive_seed(self.settings.seed, "dropout", step))
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        sums: dict[str, float] = {}
        for part in parts:
            losses = self.losses(part)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach())
            self._refuse_non_finite("loss", sums["loss"], step)
            self.manual_backward(losses["loss"])
        self._clip(optimizer, step)
        optimizer.step()
        schedule: Any = self.lr_schedulers()
        schedule.step()
        self.step_losses = sums

    def _clip(self, optimizer: Any, step: int) -> None:
        """Clip, and keep the norm and the rate of this step for the journal."""
        self.learning_rate = max(group["lr"] for group in optimizer.param_groups)
        self.gradient_norm = float(nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm))
        self._refuse_non_finite("gradient norm", self.gradient_norm, step)

    def _refuse_non_finite(self, what: str, value: float, step: int) -> None:
        if not math.isfinite(value):
            raise ContractError(
                f"training stopped at step {step + 1}: {what} is {value}, must be finite; lower learning_rate or "
                "clip_norm, or set precision to fp32"
            )


def _seed_dropout(seed: int) -> None:
    """Seed the generators that dropout draws from.

    ``torch.manual_seed`` also notes the seed, with a stack trace, for every kind of accelerator that has not started
    yet: a millisecond a step, and the notes are never dropped.
    """
    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed_all(seed)


class StepDataModule(pl.LightningDataModule):
    """Batches from a step on; the checkpoint holds that step."""

    def __init__(self, batches: StepBatches, settings: LoopSettings) -> None:
        super().__init__()
        self._batches, self._total, self._parts, self._start = batches, settings.total_steps, settings.parts, 0

    def state_dict(self) -> dict[str, Any]:
        """The next step."""
        return {"step": self.trainer.global_step if self.trainer else self._start}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint's step."""
        self._start = int(state_dict["step"])

    def train_dataloader(self) -> DataLoader[Any]:
        """In this process: a batch takes about a millisecond to make, less than handing it over would."""
        steps = _Steps(self._start, self._total)
        dataset = _BatchDataset(self._batches, self._parts)
        return DataLoader(dataset, batch_size=None, sampler=steps, collate_fn=lambda item: item)


class _Steps(Sampler[int]):
    def __init__(self, start: int, total: int) -> None:
        self._start, self._total = start, total

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._start, self._total))

    def __len__(self) -> int:
        return self._total  # Lightning counts the steps before a resume as fetched


class _BatchDataset(Dataset[list[dict[str, torch.Tensor]]]):
    def __init__(self, batches: StepBatches, parts: int) -> None:
        self._batches, self._parts = batches, parts

    def __getitem__(self, step: int) -> list[dict[str, torch.Tensor]]:
        return [to_tensors(part) for part in self._batches.batch(step).parts(self._parts)]


def to_tensors(batch: Any) -> dict[str, torch.Tensor]:
    """A batch's arrays by field name."""
    return {
        field.name: torch.from_numpy(np.require(getattr(batch, field.name), requirements="W"))
        for field in fields(batch)
    }


class _Journal(pl.Callback):
    """Means over the last ``log_every_steps`` steps, a line each; the window is part of the checkpoint."""

    def __init__(
        self,
        path: Path,
        settings: LoopSettings,
        on_metrics: MetricsCallback | None,
        on_progress: ProgressCallback | None,
    ) -> None:
        self._path, self._settings = path, settings
        self._on_metrics, self._on_progress = on_metrics, on_progress
        self._sums: dict[str, float] = {}
        self._count = 0
        self._started = time.perf_counter()
        self.tokens = 0

    def state_dict(self) -> dict[str, Any]:
        return {"sums": dict(self._sums), "count": self._count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._sums, self._count = dict(state_dict["sums"]), int(state_dict["count"])

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        kept = list(read_jsonl(self._path)) if self._path.is_file() else []
        write_jsonl([row for row in kept if row["step"] <= trainer.global_step], self._path)
        self._started = time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, _outputs: Any, batch: Any, *_: Any) -> None:
        step, total = trainer.global_step, self._settings.total_steps
        self.tokens += sum(int(part["attention_mask_BT"].sum()) for part in batch)
        for name, value in pl_module.step_losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._sums["gradient_norm"] = self._sums.get("gradient_norm", 0.0) + pl_module.gradient_norm
        self._count += 1
        if step % self._settings.log_every_steps == 0 or step == total:
            metrics = {name: value / self._count for name, value in self._sums.items()}
            metrics["learning_rate"] = pl_module.learning_rate
            self._sums, self._count = {}, 0
            append_metrics(self._path, step, metrics, self._on_metrics)
        if self._on_progress is not None:
            rate = self.tokens / max(1e-9, time.perf_counter() - self._started)
            self._on_progress(step, total, "steps", {"loss": pl_module.step_losses["loss"], "tokens_per_second": rate})


class _Checkpoint(pl.Callback):
    """A checkpoint every so many steps; also when the process is asked to end, which it then does."""

    def __init__(self, checkpoints: Checkpoints, settings: LoopSettings, asked_to_end: threading.Event) -> None:
        self._checkpoints, self._settings, self._asked_to_end = checkpoints, settings, asked_to_end

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        step = trainer.global_step
        if step >= self._settings.total_steps:
            return
        if step % self._settings.checkpoint_every_steps == 0 or self._asked_to_end.is_set():
            self._checkpoints.save(step, trainer.save_checkpoint)
        if self._asked_to_end.is_set():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    def on_save_checkpoint(self, *hook: Any) -> None:
        checkpoint: dict[str, Any] = hook[2]
        checkpoint["fingerprint"] = self._checkpoints.fingerprint


def append_metrics(path: Path, step: int, metrics: dict[str, float], on_metrics: MetricsCallback | None) -> None:
    """One line of the journal; also handed to the caller."""
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps({"step": step, **metrics}, sort_keys=True) + "\n")
    if on_metrics is not None:
        on_metrics(step, metrics)


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
    work_dir.mkdir(parents=True, exist_ok=True)
    journal = _Journal(work_dir / JOURNAL_FILE, settings, on_metrics, on_progress)
    checkpoints = Checkpoints(work_dir, fingerprint=settings.fingerprint, keep=settings.keep_checkpoints)
    resume_from = checkpoints.latest()
    if resume_from is None:
        checkpoints.discard()
        (work_dir / JOURNAL_FILE).unlink(missing_ok=True)
    module.model.train()
    started = time.perf_counter()
    with _quiet_lightning(), _noted_end() as asked_to_end:
        trainer = _trainer(settings, work_dir, [journal, *callbacks, _Checkpoint(checkpoints, settings, asked_to_end)])
        with _plain_interrupts():
            trainer.fit(
                module,
                datamodule=StepDataModule(batches, settings),
                ckpt_path=None if resume_from is None else str(resume_from),
                weights_only=True,
            )
    return LoopResult(int(trainer.global_step), time.perf_counter() - started, journal.tokens)


def _trainer(settings: LoopSettings, work_dir: Path, callbacks: list[pl.Callback]) -> pl.Trainer:
    return pl.Trainer(
        accelerator="gpu" if torch.cuda.is_available() else "cpu",
        devices=1,
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
    if threading.current_thread() is not threading.main_thread():
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
    main = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT) if main else None
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
