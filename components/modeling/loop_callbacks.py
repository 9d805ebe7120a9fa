"""What happens after every step beside the arithmetic: the journal, the checkpoints, and the end when asked for."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl

from components.core.jsonfiles import read_jsonl, write_jsonl
from components.modeling.checkpoints import Checkpoints
from components.modeling.journals import JOURNAL_FILE, PERFORMANCE_FILE
from components.modeling.performance import Performance

MetricsCallback = Callable[[int, dict[str, float]], None]
ProgressCallback = Callable[[int, int, str, dict[str, float]], None]


class Journal(pl.Callback):
    """Means over the last ``every`` steps, a line each, by the first rank; the window is part of the checkpoint.

    Beside it ``performance.jsonl`` gets a line at the same steps: rates belong to the machine, not to the result.
    """

    def __init__(
        self,
        work_dir: Path,
        *,
        total: int,
        every: int,
        peak: float,
        on_metrics: MetricsCallback | None,
        on_progress: ProgressCallback | None,
    ) -> None:
        self._path, self._total, self._every = work_dir / JOURNAL_FILE, total, every
        self._on_metrics, self._on_progress = on_metrics, on_progress
        self._sums: dict[str, float] = {}
        self._count = self._steps = 0
        self.performance = Performance(work_dir / PERFORMANCE_FILE, peak=peak)

    def state_dict(self) -> dict[str, Any]:
        """The window that has no line yet."""
        return {"sums": dict(self._sums), "count": self._count}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with a checkpoint's window."""
        self._sums, self._count = dict(state_dict["sums"]), int(state_dict["count"])

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Drop the lines after the checkpoint that training goes on from."""
        if trainer.is_global_zero:
            kept = list(read_jsonl(self._path)) if self._path.is_file() and trainer.global_step else []
            write_jsonl([row for row in kept if row["step"] <= trainer.global_step], self._path)
            self.performance.begin(trainer.global_step)

    def on_train_batch_start(self, *_: Any) -> None:
        """The batch is here."""
        self.performance.step_begins()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        """Add a step to the window, and say how far training is."""
        step = trainer.global_step
        self._steps += 1
        self.performance.step_ends(pl_module.step_tokens, pl_module.step_operations)
        for name, value in {**pl_module.step_losses, "gradient_norm": pl_module.gradient_norm}.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        now = self.performance.now(self._steps, self._total - step)
        if step % self._every == 0 or step == self._total:
            metrics = {name: value / self._count for name, value in self._sums.items()}
            metrics["learning_rate"] = pl_module.learning_rate
            self._sums, self._count = {}, 0
            if trainer.is_global_zero:
                append_metrics(self._path, step, metrics)
                told = metrics | self.performance.line(step)
                if self._on_metrics is not None:
                    self._on_metrics(step, told)
        if self._on_progress is not None and trainer.is_global_zero:
            loss = {name: value for name, value in pl_module.step_losses.items() if name == "loss"}  # none if private
            self._on_progress(step, self._total, "steps", {**loss, **now})


class CheckpointCallback(pl.Callback):
    """A checkpoint every so many steps; also when any rank's process is asked to end, which all then do."""

    def __init__(self, checkpoints: Checkpoints, asked_to_end: threading.Event, *, total: int, every: int) -> None:
        self._checkpoints, self._asked_to_end = checkpoints, asked_to_end
        self._total, self._every = total, every

    def on_train_start(self, trainer: pl.Trainer, *_: Any) -> None:
        """Remove what is damaged where training starts over; hear signals instead of Lightning.

        Its handler calls a collective in the middle of whatever else the ranks exchange, and ends without a checkpoint.
        """
        if is_main_thread():
            signal.signal(signal.SIGTERM, lambda *_: self._asked_to_end.set())
        if trainer.is_global_zero and trainer.global_step == 0:
            self._checkpoints.discard()  # by now every rank has passed them over

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: Any, *_: Any) -> None:
        """Save when it is time, and end when asked."""
        step = trainer.global_step
        if step >= self._total:
            return
        ends = pl_module.ends or (trainer.world_size == 1 and self._asked_to_end.is_set())
        if step % self._every == 0 or ends:
            self._save(trainer, step)
        if ends:
            trainer.strategy.barrier()  # nobody leaves while the first rank still writes
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    def on_save_checkpoint(self, *hook: Any) -> None:
        """What the checkpoint is of."""
        checkpoint: dict[str, Any] = hook[2]
        checkpoint["fingerprint"] = dict(self._checkpoints.fingerprint)

    def _save(self, trainer: pl.Trainer, step: int) -> None:
        if trainer.is_global_zero:
            self._checkpoints.save(step, trainer.save_checkpoint)
        else:
            trainer.save_checkpoint(self._checkpoints.temporary)  # gathering takes every rank; the first one writes


def append_metrics(path: Path, step: int, metrics: Mapping[str, float]) -> None:
    """One line of the journal."""
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps({"step": step, **metrics}, sort_keys=True) + "\n")


def never() -> bool:
    """Nobody asks this process to end."""
    return False


def is_main_thread() -> bool:
    """Whether signals can be handled here."""
    return threading.current_thread() is threading.main_thread()
