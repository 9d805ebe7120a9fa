"""The plan of a private fine-tuning: units, noise, account, and the canaries that audit it.

Canaries are rows of random words under a random label, which nobody wrote; each is in the training by the flip of a
coin and counts as a unit of its own. How much more the loss fell on those that were in tells how much the training
lets through (``components.privacy.audit``). Coins and rows lie in the work folder, so that a resumed run has the same
ones. Letters: M canaries, N records.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from components.core.corpus import read_records
from components.core.errors import ConfigError
from components.core.jsonfiles import read_json, write_json
from components.modeling.batching import pad_rows
from components.modeling.config import FinetuningConfig
from components.modeling.private_training import PrivateBatches, PrivateSteps, plan_mechanism
from components.modeling.vocabulary import VocabularyIds
from components.privacy.audit import Coins, PrivacyAudit, audit
from components.privacy.claim import PrivacyClaim, make_claim
from components.privacy.ledger import LedgerPlace
from components.privacy.mechanism import fresh_sampler
from components.privacy.units import rows_by_unit

_CANARY_WORDS = 8
_CANARIES_FILE = "canaries.json"
_ROWS_AT_ONCE = 64


@dataclass(frozen=True)
class Canaries:
    """Token ids with special tokens, labels and coins."""

    rows: list[list[int]]
    labels_M: NDArray[np.int64]
    coins: Coins

    def losses(self, module: Any, pad_id: int) -> NDArray[np.float64]:
        """The loss of every canary in nats, [M], without dropout; the model's mode is put back."""
        training = module.model.training
        module.model.eval()
        found = []
        with torch.no_grad():
            for start in range(0, len(self.rows), _ROWS_AT_ONCE):
                part = slice(start, start + _ROWS_AT_ONCE)
                ids_RT, mask_RT = pad_rows(self.rows[part], value=pad_id)
                batch = {"input_ids_BT": ids_RT, "attention_mask_BT": mask_RT, "labels_B": self.labels_M[part]}
                tensors = {name: torch.from_numpy(value).to(module.device) for name, value in batch.items()}
                found.append(module.row_losses(tensors).double().cpu().numpy())
        module.model.train(training)
        return np.concatenate(found)


@dataclass(frozen=True)
class PrivatePlan:
    """A private training: its batches, its steps, how many units there are, and its canaries, if any."""

    batches: PrivateBatches
    steps: PrivateSteps
    steps_per_epoch: int
    units: int
    canaries: Canaries | None
    pad_id: int

    def canary_losses(self, module: Any) -> NDArray[np.float64] | None:
        """Losses of the canaries under the model as it is, None where there are none."""
        return None if self.canaries is None else self.canaries.losses(module, self.pad_id)

    def audited(self, before_M: NDArray[np.float64] | None, after_M: NDArray[np.float64] | None) -> PrivacyAudit | None:
        """The audit by how far each canary's loss fell."""
        if self.canaries is None or before_M is None or after_M is None:
            return None
        return audit(before_M - after_M, self.canaries.coins, delta=self.steps.config.delta)

    def claim(self, steps: int, found: PrivacyAudit | None) -> PrivacyClaim:
        """What may be said of the model after so many steps."""
        taken = replace(self.steps.mechanism, steps=steps)
        return make_claim(self.steps.config, taken, units=self.units, charged=self.steps.charged(), found=found)


def plan_private(
    network: Any,
    rows: Sequence[Sequence[int]],
    labels_N: NDArray[np.int64],
    config: FinetuningConfig,
    *,
    corpus: Path,
    tokenizer: Any,
    work_dir: Path,
    ledger: LedgerPlace | None,
) -> PrivatePlan | None:
    """Units, noise, account and canaries of a private training, or None.

    Raises:
        ConfigError: No ledger, or settings that do not fit so many units.
        ContractError: Records that do not say whose they are, or have weights.
    """
    privacy = config.privacy
    if privacy is None:
        return None
    if ledger is None:
        raise ConfigError("finetuning.privacy: no ledger to enter the steps in; run it through the pipeline")
    rows_of_unit = rows_by_unit(list(read_records(corpus)), privacy, corpus)
    people = len(rows_of_unit)
    canaries = None
    if privacy.audit_canaries:
        canaries = _canaries(privacy.audit_canaries, int(labels_N.max()) + 1, tokenizer, work_dir)
        # One that is out is a unit without rows, so that rate and steps do not depend on the coins.
        rows_of_unit += [
            [len(rows) + place] if inside else [] for place, inside in enumerate(canaries.coins.included_M)
        ]
        rows, labels_N = [*rows, *canaries.rows], np.concatenate([labels_N, canaries.labels_M])
    per_epoch = -(-len(rows_of_unit) // privacy.expected_units)
    mechanism = plan_mechanism(privacy, len(rows_of_unit), total_steps(config, per_epoch))
    batches = PrivateBatches(
        rows,
        labels_N,
        rows_of_unit,
        pad_id=tokenizer.pad_token_id,
        sampling_rate=mechanism.sampling_rate,
        micro_batch_rows=privacy.micro_batch_rows,
    )
    steps = PrivateSteps(network, privacy, mechanism, ledger)
    return PrivatePlan(batches, steps, per_epoch, people, canaries, tokenizer.pad_token_id)


def total_steps(config: FinetuningConfig, steps_per_epoch: int) -> int:
    """Steps of a whole training."""
    total = config.epochs * steps_per_epoch
    return total if config.max_steps is None else min(total, config.max_steps)


def _canaries(count: int, labels: int, tokenizer: Any, work_dir: Path) -> Canaries:
    """The canaries of a training, those of the attempt before where there was one."""
    path = work_dir / _CANARIES_FILE
    if not path.is_file():
        vocabulary, generator = VocabularyIds.of(tokenizer), fresh_sampler()
        words_MT = generator.choice(vocabulary.real(), (count, _CANARY_WORDS))
        work_dir.mkdir(parents=True, exist_ok=True)
        values = {
            "rows": [[vocabulary.cls, *row, vocabulary.sep] for row in words_MT.tolist()],
            "labels": generator.integers(0, labels, count).tolist(),
            "included": Coins.throw(count, generator).included_M.tolist(),
        }
        write_json(values, path)
    found = read_json(path)
    return Canaries(
        found["rows"], np.asarray(found["labels"], dtype=np.int64), Coins(np.asarray(found["included"], dtype=bool))
    )
