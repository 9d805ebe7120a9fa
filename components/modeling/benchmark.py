"""Pretraining against the Hugging Face ``Trainer``: real tokens a second, and the held-out loss after equal tokens.

Both train the same new network on the same corpus with masked words alone, from the same weights, with batches of the
same padded size at most. Peers: the ``Trainer`` as it comes (a sequence a row, its own collator, padded to the longest
of a batch of random rows), and fed rows that are full (texts joined and cut, as in ``run_mlm.py``). Ours and theirs
take turns, and processor time is counted, which a busy machine disturbs less than the clock; medians of the turns.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import BaseModel

from components.core.errors import ContractError
from components.core.seeds import derive_seed
from components.modeling.batches import PretrainingBatch, PretrainingBatches
from components.modeling.config import PretrainingConfig
from components.modeling.corpus import EncodedSplit, load_split
from components.modeling.loading import load_tokenizer, quiet_transformers
from components.modeling.networks import PretrainingNetwork, make_network
from components.modeling.optimisation import arithmetic, resolve_precision
from components.modeling.pairs import build_sequences
from components.modeling.pretraining import PretrainingModule, loop_settings, training_batches
from components.modeling.pretraining_report import heldout_loss
from components.modeling.training_loop import run_steps
from components.modeling.vocabulary import VocabularyIds

Contender = Literal["ours", "trainer", "trainer_packed"]

_WARM_STEPS = 2  # not counted: first allocations


class ContenderFigures(BaseModel):
    """Figures of one contender; rates are real tokens (no padding) a second of processor time, medians over turns."""

    tokens_per_second: float
    turns: list[float]
    padding_share: float
    heldout_loss: float | None = None
    heldout_tokens_trained: int | None = None


class PretrainingComparison(BaseModel):
    """One shape: who did what, and ours over theirs."""

    layers: int
    hidden: int
    precision: str
    tokens_per_batch: int
    steps_a_turn: int
    contenders: dict[Contender, ContenderFigures]
    ratios: dict[Contender, float]
    heldout_loss_ratio: dict[Contender, float]


@dataclass(frozen=True)
class _Work:
    """What all contenders share."""

    split: EncodedSplit
    dev: EncodedSplit
    tokenizer: Any
    vocabulary: VocabularyIds
    config: PretrainingConfig

    def network(self) -> PretrainingNetwork:
        """The same new weights for everybody."""
        torch.manual_seed(derive_seed(self.config.seed, "weights"))
        return make_network(self.config, self.vocabulary)

    def heldout_loss(self, network: PretrainingNetwork) -> float:
        network.eval()
        return heldout_loss(network, self.dev, self.vocabulary, self.config)


@dataclass
class _Turn:
    """Processor seconds, real and padded tokens of the counted steps of one run."""

    seconds: float
    tokens: int
    padded: int


def compare_pretraining(
    encoded: Path,
    tokenizer: Path,
    config: PretrainingConfig,
    *,
    turns: int,
    steps: int,
    loss_tokens: int = 0,
    begins: Callable[[str], None] = lambda _: None,
) -> PretrainingComparison:
    """Compare on one shape.

    Args:
        encoded: Encoded corpus.
        tokenizer: Tokenizer folder.
        config: Settings; the objective must be mlm, which the ``Trainer`` knows too.
        turns: Turns of each contender.
        steps: Steps a turn that are counted.
        loss_tokens: Real tokens that each contender is trained on for the held-out loss; 0 leaves it out.
        begins: Told what begins: each turn of each contender, each training for the loss.

    Raises:
        ContractError: Another objective, or ``accelerate``, which the ``Trainer`` needs, is not installed.
    """
    if config.objective != "mlm":
        raise ContractError(f"objective {config.objective}: the comparison is about mlm, which the Trainer knows too")
    opened = load_tokenizer(tokenizer)
    work = _Work(load_split(encoded, "train"), load_split(encoded, "dev"), opened, VocabularyIds.of(opened), config)
    runners: dict[Contender, Callable[[int], tuple[PretrainingNetwork, _Turn]]] = {
        "ours": lambda count: _run_ours(work, count),
        "trainer": lambda count: _run_trainer(work, _rows(work), count),
        "trainer_packed": lambda count: _run_trainer(work, _full_rows(work), count),
    }
    with arithmetic(config.threads, config.seed):
        done: dict[Contender, list[_Turn]] = {name: [] for name in runners}
        for turn in range(1, turns + 1):
            for name, runner in runners.items():
                begins(f"turn {turn}, {name}")
                done[name].append(runner(_WARM_STEPS + steps)[1])
        contenders = {name: _figures(taken) for name, taken in done.items()}
        if loss_tokens:
            for name, runner in runners.items():
                begins(f"held-out loss, {name}")
                mean = statistics.fmean(turn.tokens / steps for turn in done[name])
                network, _ = runner(max(_WARM_STEPS + 1, round(loss_tokens / mean)))
                contenders[name].heldout_loss = round(work.heldout_loss(network), 4)
                contenders[name].heldout_tokens_trained = round(mean * round(loss_tokens / mean))
    return _comparison(config, steps, contenders)


def _run_ours(work: _Work, steps: int) -> tuple[PretrainingNetwork, _Turn]:
    network = work.network()
    batches = _Counted(training_batches(work.split, work.vocabulary, work.config, network.max_tokens))
    config = work.config.model_copy(update={"max_steps": steps, "checkpoint_every_steps": steps + 1})
    module = PretrainingModule(network, config, loop_settings(config, steps, "bench"))
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        run_steps(module, batches, work_dir=Path(folder), on_progress=lambda done, *_: clock.note(done))
    return network, clock.turn(batches.sizes[:steps])


def _run_trainer(work: _Work, rows: list[list[int]], steps: int) -> tuple[PretrainingNetwork, _Turn]:
    """The library's loop with its default optimiser; the peak rate and warm-up are ours."""
    from transformers import (
        DataCollatorForLanguageModeling,
        PrinterCallback,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    config, clock = work.config, _Clock()
    network = work.network()
    collator = DataCollatorForLanguageModeling(work.tokenizer, mlm_probability=config.mask_share)
    sizes: list[tuple[int, int]] = []

    def collate(examples: list[dict[str, Any]]) -> Any:
        batch = collator(examples)
        sizes.append((int(batch["attention_mask"].sum()), batch["attention_mask"].numel()))
        return batch

    class Noted(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, _arguments: Any, state: Any, _control: Any, **_: Any) -> None:
            clock.note(state.global_step)

    with tempfile.TemporaryDirectory() as folder, quiet_transformers(), _no_bars():
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=max(1, config.tokens_per_batch // config.architecture.max_tokens),
            learning_rate=config.learning_rate,
            warmup_steps=round(steps * config.warmup_share),
            weight_decay=config.weight_decay,
            max_grad_norm=config.clip_norm,
            bf16=resolve_precision(config.precision) == "bf16",
            use_cpu=not torch.cuda.is_available(),
            report_to="none",
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            seed=config.seed,
        )
        dataset: Any = [{"input_ids": row} for row in rows]
        trainer = Trainer(
            model=network.model, args=arguments, data_collator=collate, train_dataset=dataset, callbacks=[Noted()]
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    return network, clock.turn(sizes[:steps])


class _Clock:
    """Processor time after each step."""

    def __init__(self) -> None:
        self._after: dict[int, float] = {}

    def note(self, step: int) -> None:
        self._after[step] = time.process_time()

    def turn(self, sizes: list[tuple[int, int]]) -> _Turn:
        """The steps after the warm ones; ``sizes`` are real and padded tokens of every step."""
        counted = sizes[_WARM_STEPS:]
        seconds = self._after[len(sizes)] - self._after[_WARM_STEPS]
        return _Turn(seconds, sum(real for real, _ in counted), sum(padded for _, padded in counted))


class _Counted:
    """Our batches, their sizes noted in the order they are made."""

    def __init__(self, batches: PretrainingBatches) -> None:
        self._batches = batches
        self.documents = batches.documents
        self.sizes: list[tuple[int, int]] = []

    def parts(self, step: int, *, count: int = 1, rank: int = 0, ranks: int = 1) -> list[PretrainingBatch]:
        """The parts of a step."""
        parts = self._batches.parts(step, count=count, rank=rank, ranks=ranks)
        self.sizes.append((sum(part.tokens for part in parts), sum(part.input_ids_BT.size for part in parts)))
        return parts


def _rows(work: _Work) -> list[list[int]]:
    """The sequences of our first epoch, with their special tokens."""
    generator = np.random.default_rng(derive_seed(work.config.seed, "sequences", 0))
    sequences = build_sequences(
        work.split,
        max_tokens=work.config.architecture.max_tokens,
        pairs=None,
        short_share=work.config.short_sequence_share,
        generator=generator,
    )
    begin, end = work.vocabulary.cls, work.vocabulary.sep
    return [
        [begin, *work.split.tokens_T[np.arange(*span, dtype=np.int64)].tolist(), end] for span in sequences.first_N2
    ]


def _full_rows(work: _Work) -> list[list[int]]:
    """The same joined and cut into rows of the full width; what is left over at the end is dropped."""
    width = work.config.architecture.max_tokens
    joined = [token for row in _rows(work) for token in row]
    return [joined[start : start + width] for start in range(0, len(joined) - width + 1, width)]


def _figures(turns: list[_Turn]) -> ContenderFigures:
    rates = [turn.tokens / turn.seconds for turn in turns]
    padded = sum(turn.padded for turn in turns)
    return ContenderFigures(
        tokens_per_second=round(statistics.median(rates), 1),
        turns=[round(rate, 1) for rate in rates],
        padding_share=round(1 - sum(turn.tokens for turn in turns) / padded, 4),
    )


def _comparison(
    config: PretrainingConfig, steps: int, contenders: dict[Contender, ContenderFigures]
) -> PretrainingComparison:
    ours = contenders["ours"]
    peers = {name: figures for name, figures in contenders.items() if name != "ours"}
    return PretrainingComparison(
        layers=config.architecture.layers,
        hidden=config.architecture.hidden,
        precision=resolve_precision(config.precision),
        tokens_per_batch=config.tokens_per_batch,
        steps_a_turn=steps,
        contenders=contenders,
        ratios={name: round(_turn_ratio(ours, peer), 2) for name, peer in peers.items()},
        heldout_loss_ratio={
            name: round(ours.heldout_loss / peer.heldout_loss, 4)
            for name, peer in peers.items()
            if ours.heldout_loss is not None and peer.heldout_loss is not None
        },
    )


def _turn_ratio(ours: ContenderFigures, peer: ContenderFigures) -> float:
    """The median over turns, since neighbours in time were disturbed alike."""
    return statistics.median(one / other for one, other in zip(ours.turns, peer.turns, strict=True))


@contextmanager
def _no_bars() -> Iterator[None]:
    """The peer's warnings about our machine are not ours to show."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
