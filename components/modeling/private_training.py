"""Private steps in the loop: Poisson batches by unit, charges before steps, clipped sums, noise.

Where a training is private its journal holds no loss, no number of rows and no tokens of a step: they are figures of
the people's data that no noise was added to. Letters: N records, R rows, U units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from components.modeling.batching import pad_rows
from components.modeling.classification_batches import ClassificationBatch
from components.modeling.step_data import Part
from components.privacy.accounting import Mechanism, solve_noise
from components.privacy.clipping import make_clipper
from components.privacy.config import PrivacyConfig
from components.privacy.ledger import Account, LedgerPlace, open_ledger
from components.privacy.mechanism import draw_units, fresh_noise, fresh_sampler, micro_batches, release_gradients


class UnitLosses(Protocol):
    """A module that knows the loss of every row."""

    model: nn.Module

    def row_losses(self, batch: Part) -> torch.Tensor:
        """Losses in nats, [R], each of its row alone."""


@dataclass(frozen=True)
class PrivateBatch(ClassificationBatch):
    """Rows of units that have as many rows as each other, those of a unit side by side."""

    rows_per_unit: NDArray[np.int64]


class PrivateBatches:
    """Micro-batches of a step, whose units are drawn when it is asked for: never the same twice."""

    def __init__(
        self,
        rows: Sequence[Sequence[int]],
        labels_N: NDArray[np.int64],
        rows_of_unit: Sequence[Sequence[int]],
        *,
        pad_id: int,
        sampling_rate: float,
        micro_batch_rows: int,
        generator: np.random.Generator | None = None,
    ) -> None:
        """``rows`` are token ids with special tokens; ``generator`` is the operating system's unless given."""
        self._rows, self._labels_N, self._rows_of_unit = rows, labels_N, rows_of_unit
        self._pad_id, self._rate, self._rows_at_once = pad_id, sampling_rate, micro_batch_rows
        self._generator = generator or fresh_sampler()

    def parts(self, step: int, *, count: int = 1, rank: int = 0, ranks: int = 1) -> list[PrivateBatch]:
        """The drawn units, in micro-batches; none where nobody was drawn. Raises ValueError for several ranks."""
        del step, count
        if ranks != 1 or rank:
            raise ValueError(f"{ranks} ranks: private training runs on one")
        chosen = draw_units(len(self._rows_of_unit), self._rate, self._generator)
        return [self._batch(*batch) for batch in micro_batches(chosen.tolist(), self._rows_of_unit, self._rows_at_once)]

    def documents(self, step: int) -> list[str]:
        """Nobody: who was drawn stays secret."""
        del step
        return []

    def _batch(self, rows: list[int], rows_per_unit: int) -> PrivateBatch:
        ids_RT, mask_RT = pad_rows([self._rows[row] for row in rows], value=self._pad_id)
        weights_R = np.ones(len(rows), dtype=np.float32)
        return PrivateBatch(ids_RT, mask_RT, self._labels_N[rows], weights_R, np.asarray(rows_per_unit))


def plan_mechanism(config: PrivacyConfig, population: int, steps: int) -> Mechanism:
    """So many steps over a population at the noise that the config's epsilon asks for."""
    rate = config.expected_units / population
    return Mechanism(rate, solve_noise(rate, steps, epsilon=config.epsilon, delta=config.delta), steps)


class PrivateSteps:
    """Charges, clips and adds noise; one object is one attempt of a training."""

    def __init__(
        self,
        model: nn.Module,
        config: PrivacyConfig,
        mechanism: Mechanism,
        place: LedgerPlace,
        *,
        noise: torch.Generator | None = None,
    ) -> None:
        """``mechanism`` is the whole training; ``noise`` is the operating system's generator unless given."""
        self.config, self.mechanism, self.place = config, mechanism, place
        self._clipper = make_clipper(config.clipping, model, config.clip_norm)
        self._noise = noise
        self._account: Account | None = None
        self._may_take = 0  # steps, counted from the start of the training, that the ledger holds

    def charge(self, step: int) -> None:
        """Have a step in the ledger before anything of it is computed.

        Raises:
            IntegrityError: The ledger's chain is broken.
            ConfigError: The scope's lifetime budget does not reach.
        """
        left = self.mechanism.steps - step
        if self._account is None:
            plan = replace(self.mechanism, steps=left)
            self._account = open_ledger(self.place).open_account(
                self.config, plan, run=self.place.run, actor=self.place.actor
            )
            self._may_take = step
        if step >= self._may_take:
            ahead = min(self.config.charge_steps, left)
            self._account.reserve(ahead)
            self._may_take = step + ahead

    def compute(self, module: UnitLosses, parts: Sequence[Part], device: torch.device) -> float:
        """Leave the noisy gradient at the parameters; returns its norm, which is as private as the weights."""
        for part in parts:
            rows_per_unit = int(part["rows_per_unit"])
            units = len(part["input_ids_BT"]) // rows_per_unit
            with self._clipper.watching(units):
                self._clipper.add(module.row_losses(part).reshape(units, rows_per_unit).mean(1))
        sums = self._clipper.take()
        if self._noise is None:
            self._noise = fresh_noise(device)
        release_gradients(
            sums,
            clip_norm=self.config.clip_norm,
            noise_multiplier=self.mechanism.noise_multiplier,
            expected_units=self.config.expected_units,
            generator=self._noise,
        )
        gradients = [parameter.grad for parameter in sums if parameter.grad is not None]
        return float(nn.utils.get_total_norm(gradients))

    def charged(self) -> list[Mechanism]:
        """Everything that was entered for this training, attempts before this one too."""
        records: Any = open_ledger(self.place).trusted_records()
        mine = (record for record in records if record.scope == self.config.scope and record.run == self.place.run)
        return [record.mechanism() for record in mine]
