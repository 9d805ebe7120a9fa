"""Pretraining against the Hugging Face ``Trainer``: real tokens a second, and the held-out loss after equal tokens.

Both train the same new network on the same corpus with masked words alone, from the same weights. Peers: the
``Trainer`` as it comes (a sequence a row, its own collator, padded to the longest of a batch of random rows), and fed
rows that are full (texts joined and cut, as in ``run_mlm.py``); each in its default precision, and in bf16 where that
is asked for. Our batch has as many real tokens as one of the first peer's, which fewer than fill a full row's batch:
larger batches would buy speed with quality. All take turns, and processor time is counted, which a busy machine
disturbs less than the clock; medians of the turns.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel

from components.core.errors import ContractError, InfrastructureError
from components.modeling.benchmark_contenders import WARM_STEPS, Peer, Turn, Work, run_ours, run_trainer
from components.modeling.config import PretrainingConfig
from components.modeling.networks import PretrainingNetwork
from components.modeling.optimisation import arithmetic, resolve_precision

Contender = Literal["ours", "trainer", "trainer_packed", "trainer_bf16", "trainer_packed_bf16"]
Runner = Callable[[int], tuple[PretrainingNetwork, Turn]]

PEERS: dict[Contender, Peer] = {
    "trainer": Peer(full_rows=False, bf16=False),
    "trainer_packed": Peer(full_rows=True, bf16=False),
    "trainer_bf16": Peer(full_rows=False, bf16=True),
    "trainer_packed_bf16": Peer(full_rows=True, bf16=True),
}


class ContenderFigures(BaseModel):
    """Figures of one contender; rates are real tokens (no padding) a second of processor time, medians over turns.

    ``operations_per_token`` is the arithmetic of its matrix products over its real tokens: what it computes on padding
    and at positions without a target counts. ``loader_share`` is the part of a step spent waiting for its batch.
    """

    tokens_per_second: float
    turns: list[float]
    tokens_per_step: float
    padding_share: float
    operations_per_token: float
    loader_share: float
    peak_memory_megabytes: float | None = None
    heldout_loss: float | None = None
    heldout_tokens_trained: int | None = None
    heldout_loss_equal_time: float | None = None


class PretrainingComparison(BaseModel):
    """One shape: who did what, and ours over theirs.

    ``arithmetic_ratios`` are what computing less alone gives; a ratio of rates above it is work around the matrix
    products that is spared too, one below it is work that everybody does alike. ``precision`` is ours.
    """

    layers: int
    hidden: int
    vocabulary: int
    parameters: int
    precision: str
    tokens_per_batch: int
    steps_a_turn: int
    contenders: dict[Contender, ContenderFigures]
    ratios: dict[Contender, float]
    arithmetic_ratios: dict[Contender, float]
    heldout_loss_ratio: dict[Contender, float]
    heldout_loss_ratio_equal_time: dict[Contender, float]


def compare_pretraining(
    encoded: Path,
    tokenizer: Path,
    config: PretrainingConfig,
    *,
    turns: int,
    steps: int,
    loss_tokens: int = 0,
    loss_seconds: float = 0.0,
    memory: bool = False,
    bf16: bool = False,
    peer_dropout: float = 0.0,
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
        loss_seconds: Processor seconds that each contender trains for a held-out loss of its own; 0 leaves it out.
        memory: Whether each contender runs once more in a process of its own, whose peak is noted.
        bf16: Whether the ``Trainer`` runs in bf16 too; held-out losses are of its default precision alone.
        peer_dropout: Dropout of the library's network; its own configuration says 0.1, ours has none in pretraining.
        begins: Told what begins: each turn of each contender, each training for the loss.

    Raises:
        ContractError: Another objective, or ``accelerate``, which the ``Trainer`` needs, is not installed.
    """
    if config.objective != "mlm":
        raise ContractError(f"objective {config.objective}: the comparison is about mlm, which the Trainer knows too")
    work = Work.of(encoded, tokenizer, config, peer_dropout)
    runners: dict[Contender, Runner] = {"ours": lambda count: run_ours(work, count)}
    for name, peer in PEERS.items():
        if bf16 or not peer.bf16:
            runners[name] = partial(run_trainer, work, peer)
    with arithmetic(config.threads, config.seed):
        done: dict[Contender, list[Turn]] = {name: [] for name in runners}
        for turn in range(1, turns + 1):
            for name, runner in runners.items():
                begins(f"turn {turn}, {name}")
                done[name].append(runner(WARM_STEPS + steps)[1])
        contenders = {name: _figures(taken, steps) for name, taken in done.items()}
        for name, figures in contenders.items():
            if name == "ours" or not PEERS[name].bf16:
                said = partial(_begin, begins, name)
                _note_losses(
                    work, runners[name], figures, loss_tokens=loss_tokens, loss_seconds=loss_seconds, begins=said
                )
    if memory:
        for name, figures in contenders.items():
            begins(f"memory, {name}")
            figures.peak_memory_megabytes = _memory_of(
                {
                    "name": name,
                    "encoded": str(encoded),
                    "tokenizer": str(tokenizer),
                    "steps": WARM_STEPS + steps,
                    "config": config.model_dump(mode="json"),
                    "peer_dropout": peer_dropout,
                }
            )
    network = work.network()
    return _comparison(
        config,
        contenders,
        steps_a_turn=steps,
        vocabulary=work.vocabulary.size,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
    )


def run_contender(name: Contender, work: Work, steps: int) -> None:
    """Train one contender for so many steps; for a process whose memory is looked at."""
    config = work.config
    with arithmetic(config.threads, config.seed):
        if name == "ours":
            run_ours(work, steps)
        else:
            run_trainer(work, PEERS[name], steps)


def _begin(begins: Callable[[str], None], name: str, what: str) -> None:
    begins(f"{what}, {name}")


def _note_losses(
    work: Work,
    runner: Runner,
    figures: ContenderFigures,
    *,
    loss_tokens: int,
    loss_seconds: float,
    begins: Callable[[str], None],
) -> None:
    """Held-out losses after so many tokens, and after so many processor seconds at the rate that was measured."""
    if loss_tokens:
        begins("held-out loss")
        steps = loss_tokens / figures.tokens_per_step
        figures.heldout_loss = _loss_after(work, runner, steps)
        figures.heldout_tokens_trained = round(figures.tokens_per_step * round(steps))
    if loss_seconds:
        begins("held-out loss after equal time")
        steps = loss_seconds * figures.tokens_per_second / figures.tokens_per_step
        figures.heldout_loss_equal_time = _loss_after(work, runner, steps)


def _loss_after(work: Work, runner: Runner, steps: float) -> float:
    network, _ = runner(max(WARM_STEPS + 1, round(steps)))
    return round(work.heldout_loss(network), 4)


def _memory_of(job: dict[str, Any]) -> float:
    """Peak resident megabytes of a fresh process that trains a contender, as ``benchmark_memory.py`` is told."""
    command = [sys.executable, "-W", "ignore", "-m", "components.modeling.benchmark_memory"]
    done = subprocess.run(command, input=json.dumps(job), capture_output=True, text=True, check=False)  # noqa: S603 - ours
    if done.returncode:
        raise InfrastructureError(f"the process that measures the memory of {job['name']} ended with {done.returncode}")
    return float(done.stdout.splitlines()[-1])


def _figures(turns: list[Turn], steps: int) -> ContenderFigures:
    rates = [turn.tokens / turn.seconds for turn in turns]
    padded = sum(turn.padded for turn in turns)
    return ContenderFigures(
        tokens_per_second=round(statistics.median(rates), 1),
        turns=[round(rate, 1) for rate in rates],
        tokens_per_step=round(statistics.fmean(turn.tokens / steps for turn in turns), 1),
        padding_share=round(1 - sum(turn.tokens for turn in turns) / padded, 4),
        operations_per_token=round(sum(turn.operations for turn in turns) / sum(turn.tokens for turn in turns)),
        loader_share=round(statistics.median(turn.loader_share for turn in turns), 4),
    )


def _comparison(
    config: PretrainingConfig, contenders: dict[Contender, ContenderFigures], **counts: int
) -> PretrainingComparison:
    ours = contenders["ours"]
    peers: dict[Contender, ContenderFigures] = {name: side for name, side in contenders.items() if name != "ours"}
    return PretrainingComparison(
        layers=config.architecture.layers,
        hidden=config.architecture.hidden,
        precision=resolve_precision(config.precision),
        tokens_per_batch=config.tokens_per_batch,
        contenders=contenders,
        **counts,
        ratios={name: round(_turn_ratio(ours, peer), 2) for name, peer in peers.items()},
        arithmetic_ratios={
            name: round(peer.operations_per_token / ours.operations_per_token, 2) for name, peer in peers.items()
        },
        heldout_loss_ratio=_loss_ratios(ours, peers, "heldout_loss"),
        heldout_loss_ratio_equal_time=_loss_ratios(ours, peers, "heldout_loss_equal_time"),
    )


def _loss_ratios(
    ours: ContenderFigures,
    peers: dict[Contender, ContenderFigures],
    name: Literal["heldout_loss", "heldout_loss_equal_time"],
) -> dict[Contender, float]:
    """Ours over theirs where both were measured."""
    mine: float | None = getattr(ours, name)
    theirs: dict[Contender, float | None] = {peer: getattr(figures, name) for peer, figures in peers.items()}
    return {peer: round(mine / loss, 4) for peer, loss in theirs.items() if mine is not None and loss is not None}


def _turn_ratio(ours: ContenderFigures, peer: ContenderFigures) -> float:
    """The median over turns, since neighbours in time were disturbed alike."""
    return statistics.median(one / other for one, other in zip(ours.turns, peer.turns, strict=True))
