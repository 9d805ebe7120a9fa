"""Batches by step number as Lightning's data module: each rank reads its own share, and a checkpoint holds the step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any, Protocol

import lightning.pytorch as pl
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

Part = dict[str, torch.Tensor]
Sizes = dict[str, float]  # of a part, as plain numbers, which stay on the host


_BATCHES_AHEAD = 4  # a worker


class StepBatches(Protocol):
    """Batches by step number, counted from 0.

    A batch is a frozen dataclass of numpy arrays whose ``sizes()`` are at least ``tokens``, real ones.
    """

    def parts(self, step: int, *, count: int = 1, rank: int = 0, ranks: int = 1) -> Sequence[Any]:
        """One rank's share of a step's batch, in at most ``count`` parts; all parts of all ranks are the batch."""

    def documents(self, step: int) -> Sequence[str]:
        """Ids of the documents that a step's batch has text of."""


class StepDataModule(pl.LightningDataModule):
    """Batches from a step on; the checkpoint holds that step."""

    def __init__(self, batches: StepBatches, *, total_steps: int, parts: int, workers: int = 0) -> None:
        """``workers`` processes make batches ahead; any number makes the same ones, since the step decides them."""
        super().__init__()
        self._workers = workers
        self._batches, self._total, self._parts, self._start = batches, total_steps, parts, 0

    def state_dict(self) -> dict[str, Any]:
        """The next step."""
        return {"step": self.trainer.global_step if self.trainer else self._start}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint's step."""
        self._start = int(state_dict["step"])

    def train_dataloader(self) -> DataLoader[Any]:
        """In this process unless workers are asked for: a batch of a small model takes about a millisecond to make."""
        trainer = self.trainer
        if trainer is None:
            raise RuntimeError("the data module belongs to no trainer")
        steps = _Steps(self._start, self._total)
        dataset = _Shares(self._batches, self._parts, trainer.global_rank, trainer.world_size)
        return DataLoader(
            dataset,
            batch_size=None,
            sampler=steps,
            collate_fn=lambda item: item,
            num_workers=self._workers,
            prefetch_factor=_BATCHES_AHEAD if self._workers else None,
            multiprocessing_context="fork" if self._workers else None,
            pin_memory=self._workers > 0 and torch.cuda.is_available(),
        )


class _Steps(Sampler[int]):
    def __init__(self, start: int, total: int) -> None:
        self._start, self._total = start, total

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._start, self._total))

    def __len__(self) -> int:
        return self._total  # Lightning counts the steps before a resume as fetched


class _Shares(Dataset[list[tuple[Part, Sizes]]]):
    def __init__(self, batches: StepBatches, parts: int, rank: int, ranks: int) -> None:
        self._batches, self._parts, self._rank, self._ranks = batches, parts, rank, ranks

    def __getitem__(self, step: int) -> list[tuple[Part, Sizes]]:
        made = self._batches.parts(step, count=self._parts, rank=self._rank, ranks=self._ranks)
        return [(to_tensors(part), part.sizes()) for part in made]


def to_tensors(batch: Any) -> Part:
    """A batch's arrays by field name."""
    return {
        field.name: torch.from_numpy(np.require(getattr(batch, field.name), requirements="W"))
        for field in fields(batch)
    }
