"""The contenders of the pretraining comparison: our loop, and the library's on rows as it pads them or on full ones."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from components.core.jsonfiles import read_jsonl
from components.core.seeds import derive_seed
from components.modeling.batches import PretrainingBatch, PretrainingBatches
from components.modeling.config import PretrainingConfig
from components.modeling.corpus import EncodedSplit
from components.modeling.loading import quiet_transformers
from components.modeling.networks import PretrainingNetwork, make_network
from components.modeling.optimisation import resolve_precision
from components.modeling.pairs import build_sequences
from components.modeling.performance import PERFORMANCE_FILE, Arithmetic
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

    def network(self) -> PretrainingNetwork:
        """The same new weights for everybody."""
        torch.manual_seed(derive_seed(self.config.seed, "weights"))
        return make_network(self.config, self.vocabulary)

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


def run_ours(work: Work, steps: int) -> tuple[PretrainingNetwork, Turn]:
    """Our loop."""
    network = work.network()
    counted = training_batches(work.split, work.vocabulary, work.config, network.max_tokens)
    batches = _Counted(counted, network.arithmetic())
    changes = {"max_steps": steps, "checkpoint_every_steps": steps + 1, "log_every_steps": steps}
    config = work.config.model_copy(update=changes)
    module = PretrainingModule(network, config, loop_settings(config, steps, "bench"))
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        run_steps(module, batches, work_dir=Path(folder), on_progress=lambda done, *_: clock.note(done))
        (rates,) = read_jsonl(Path(folder) / PERFORMANCE_FILE)
    return network, clock.turn(batches.sizes[:steps], rates["loader_share"])


def run_trainer(work: Work, rows: list[list[int]], steps: int) -> tuple[PretrainingNetwork, Turn]:
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
    sizes: list[_Size] = []
    computes = network.arithmetic()

    def collate(examples: list[dict[str, Any]]) -> Any:
        batch = collator(examples)
        rows, width = batch["attention_mask"].shape
        everywhere = {"tokens": rows * width, "targets": rows * width, "pairs": rows * width**2}
        sizes.append(_Size(int(batch["attention_mask"].sum()), rows * width, computes.operations(everywhere)))
        return batch

    class Noted(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            clock.begin()

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


def rows_of(work: Work) -> list[list[int]]:
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


def full_rows(work: Work) -> list[list[int]]:
    """The same joined and cut into rows of the full width; what is left over at the end is dropped."""
    width = work.config.architecture.max_tokens
    joined = [token for row in rows_of(work) for token in row]
    return [joined[start : start + width] for start in range(0, len(joined) - width + 1, width)]


@contextmanager
def _no_bars() -> Iterator[None]:
    """The peer's warnings about our machine are not ours to show."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
