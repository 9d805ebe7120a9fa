"""The contenders of the pretraining comparison: our loop, and the library's on rows as it pads them or on full ones."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.core.jsonfiles import read_jsonl
from components.core.seeds import derive_seed
from components.modeling.batches import PretrainingBatch, PretrainingBatches
from components.modeling.config import PretrainingConfig
from components.modeling.corpus import EncodedSplit, load_split
from components.modeling.journals import PERFORMANCE_FILE
from components.modeling.loading import load_tokenizer, quiet_transformers
from components.modeling.networks import PretrainingNetwork, make_network
from components.modeling.pairs import Sequences, build_sequences
from components.modeling.performance import Arithmetic
from components.modeling.pretraining import PretrainingModule, loop_settings, training_batches
from components.modeling.pretraining_report import heldout_loss
from components.modeling.training_loop import run_steps
from components.modeling.vocabulary import VocabularyIds

WARM_STEPS = 2  # not counted: first allocations


@dataclass(frozen=True)
class Work:
    """What all contenders share."""

    split: EncodedSplit
    dev: EncodedSplit
    tokenizer: Any
    vocabulary: VocabularyIds
    config: PretrainingConfig
    peer_dropout: float = 0.0

    @classmethod
    def of(cls, encoded: Path, tokenizer: Path, config: PretrainingConfig, peer_dropout: float = 0.0) -> Work:
        """The work on an encoded corpus."""
        opened = load_tokenizer(tokenizer)
        train, dev = load_split(encoded, "train"), load_split(encoded, "dev")
        return cls(train, dev, opened, VocabularyIds.of(opened), config, peer_dropout)

    @cached_property
    def sequences(self) -> Sequences:
        """Those of our first epoch."""
        return build_sequences(
            self.split,
            max_tokens=self.config.architecture.max_tokens,
            pairs=None,
            short_share=self.config.short_sequence_share,
            generator=np.random.default_rng(derive_seed(self.config.seed, "sequences", 0)),
        )

    def network(self, *, dropout: float = 0.0) -> PretrainingNetwork:
        """The same new weights for everybody."""
        shape = self.config.architecture.model_copy(update={"dropout": dropout})
        torch.manual_seed(derive_seed(self.config.seed, "weights"))
        return make_network(self.config.model_copy(update={"architecture": shape}), self.vocabulary)

    def heldout_loss(self, network: PretrainingNetwork) -> float:
        """Nats a target on dev."""
        network.eval()
        return heldout_loss(network, self.dev, self.vocabulary, self.config)


@dataclass
class Turn:
    """Processor seconds, real and padded tokens, arithmetic and waiting of the counted steps of one run."""

    seconds: float
    tokens: int
    padded: int
    operations: float
    loader_share: float


@dataclass(frozen=True)
class _Size:
    """A batch: real and padded tokens, and what is computed on it."""

    tokens: int
    padded: int
    operations: float


@dataclass(frozen=True)
class Peer:
    """How the library is used: rows as they come or joined to full ones; in its default precision or in bf16."""

    full_rows: bool
    bf16: bool


def run_ours(work: Work, steps: int) -> tuple[PretrainingNetwork, Turn]:
    """Our loop; a batch has as many real tokens as one of the library's as it comes."""
    config, network = work.config, work.network()
    budget = max(config.architecture.max_tokens, round(float(work.sequences.lengths().mean()) * peer_rows(config)))
    changes = {
        "max_steps": steps,
        "checkpoint_every_steps": steps + 1,
        "log_every_steps": steps,
        "tokens_per_batch": budget,
    }
    config = config.model_copy(update=changes)
    counted = training_batches(work.split, work.vocabulary, config, network.max_tokens)
    batches = _Counted(counted, network.arithmetic())
    module = PretrainingModule(network, config, loop_settings(config, steps, "bench"))
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        run_steps(module, batches, work_dir=Path(folder), on_progress=lambda done, *_: clock.note(done))
        (rates,) = read_jsonl(Path(folder) / PERFORMANCE_FILE)
    return network, clock.turn(batches.sizes[:steps], rates["loader_share"])


def run_trainer(work: Work, peer: Peer, steps: int) -> tuple[PretrainingNetwork, Turn]:
    """The library's loop with its default optimiser; the peak rate and warm-up are ours."""
    from transformers import PrinterCallback, Trainer, TrainerCallback

    clock, network = _Clock(), work.network(dropout=work.peer_dropout)
    network.ask_last_layer(False)  # the library computes all of it
    collate = _Collator(work, network.arithmetic())

    class Noted(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            clock.begin()

        def on_step_end(self, _arguments: Any, state: Any, _control: Any, **_: Any) -> None:
            clock.note(state.global_step)

    with tempfile.TemporaryDirectory() as folder, quiet_transformers(), _no_warnings():
        trainer = Trainer(
            model=network.model,
            args=_arguments(work.config, peer, steps, folder),
            data_collator=collate,
            train_dataset=_Rows(work, full=peer.full_rows),
            callbacks=[Noted()],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    network.ask_last_layer(True)
    return network, clock.turn(collate.sizes[:steps])


class _Collator:
    """The library's collator, the sizes of its batches noted in the order they are made."""

    def __init__(self, work: Work, computes: Arithmetic) -> None:
        from transformers import DataCollatorForLanguageModeling

        self._collate = DataCollatorForLanguageModeling(work.tokenizer, mlm_probability=work.config.mask_share)
        self._computes = computes
        self.sizes: list[_Size] = []

    def __call__(self, examples: list[dict[str, Any]]) -> Any:
        batch = self._collate(examples)
        rows, width = batch["attention_mask"].shape
        everywhere = {"tokens": rows * width, "targets": rows * width, "pairs": rows * width**2}
        operations = self._computes.operations(everywhere)
        self.sizes.append(_Size(int(batch["attention_mask"].sum()), rows * width, operations))
        return batch


def _arguments(config: PretrainingConfig, peer: Peer, steps: int, folder: str) -> Any:
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=folder,
        max_steps=steps,
        per_device_train_batch_size=peer_rows(config),
        learning_rate=config.learning_rate,
        warmup_steps=round(steps * config.warmup_share),
        weight_decay=config.weight_decay,
        max_grad_norm=config.clip_norm,
        bf16=peer.bf16,
        use_cpu=not torch.cuda.is_available(),
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        seed=config.seed,
    )


def peer_rows(config: PretrainingConfig) -> int:
    """Rows of a batch of the library's: as many as fill the budget at full width."""
    return max(1, config.tokens_per_batch // config.architecture.max_tokens)


class _Clock:
    """Processor time after each step, and the time between steps where these are said to begin."""

    def __init__(self) -> None:
        self._after: dict[int, float] = {}
        self._started = self._ended = time.perf_counter()
        self._waited = 0.0

    def begin(self) -> None:
        self._waited += time.perf_counter() - self._ended if self._after else 0.0

    def note(self, step: int) -> None:
        if not self._after:
            self._started = time.perf_counter()
        self._after[step] = time.process_time()
        self._ended = time.perf_counter()

    def turn(self, sizes: list[_Size], loader_share: float | None = None) -> Turn:
        """The steps after the warm ones; ``sizes`` are those of every step."""
        counted = sizes[WARM_STEPS:]
        share = self._waited / max(1e-9, self._ended - self._started) if loader_share is None else loader_share
        return Turn(
            seconds=self._after[len(sizes)] - self._after[WARM_STEPS],
            tokens=sum(size.tokens for size in counted),
            padded=sum(size.padded for size in counted),
            operations=sum(size.operations for size in counted),
            loader_share=share,
        )


class _Counted:
    """Our batches, their sizes noted in the order they are made."""

    def __init__(self, batches: PretrainingBatches, computes: Arithmetic) -> None:
        self._batches, self._computes = batches, computes
        self.documents = batches.documents
        self.sizes: list[_Size] = []

    def parts(self, step: int, *, count: int = 1, rank: int = 0, ranks: int = 1) -> list[PretrainingBatch]:
        """The parts of a step."""
        parts = self._batches.parts(step, count=count, rank=rank, ranks=ranks)
        padded = [
            {
                "tokens": part.input_ids_BT.size,
                "targets": len(part.positions_P),
                "pairs": part.input_ids_BT.size * part.input_ids_BT.shape[1],
            }
            for part in parts
        ]
        operations = sum(self._computes.operations(size) for size in padded)
        self.sizes.append(_Size(sum(part.tokens for part in parts), sum(size["tokens"] for size in padded), operations))
        return parts


class _Rows:
    """Rows as the library's loop reads them, made when they are asked for, so that they take no memory of their own."""

    def __init__(self, work: Work, *, full: bool) -> None:
        self._split, self._vocabulary = work.split, work.vocabulary
        self._width = work.config.architecture.max_tokens if full else 0
        self._spans_N2 = work.sequences.first_N2
        self._ends_N = np.cumsum(work.sequences.lengths())

    def __len__(self) -> int:
        """What is left over at the end of full rows is dropped."""
        return int(self._ends_N[-1]) // self._width if self._width else len(self._spans_N2)

    def __getitem__(self, row: int) -> dict[str, list[int]]:
        """Token ids: a sequence with its special tokens, or so many of all joined."""
        if not self._width:
            return {"input_ids": self._sequence(row)}
        start, end = row * self._width, (row + 1) * self._width
        first, last = np.searchsorted(self._ends_N, [start, end - 1], side="right")
        joined = [token for number in range(int(first), int(last) + 1) for token in self._sequence(number)]
        offset = start - (int(self._ends_N[first - 1]) if first else 0)
        return {"input_ids": joined[offset : offset + self._width]}

    def _sequence(self, number: int) -> list[int]:
        tokens = self._split.tokens_T[np.arange(*self._spans_N2[number], dtype=np.int64)].tolist()
        return [self._vocabulary.cls, *tokens, self._vocabulary.sep]


@contextmanager
def _no_warnings() -> Iterator[None]:
    """The peer's warnings about our machine are not ours to show."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
