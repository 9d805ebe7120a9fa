"""Asking a pretrained network about dev: its guesses, what stood before each target, and a pair probe's guesses.

Masks cover the evaluation's share under a seed that is not the training's. Letters: B rows, T tokens, P targets,
K tokens of context, S sequences.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from components.core.seeds import derive_seed
from components.modeling.baselines import CONTEXT, PairProbe
from components.modeling.batches import PAIRS, PretrainingBatch, PretrainingBatches
from components.modeling.config import Objective, PretrainingConfig
from components.modeling.corpus import EncodedSplit
from components.modeling.networks import PretrainingNetwork
from components.modeling.pairs import NO_LABEL
from components.modeling.step_data import to_tensors
from components.modeling.vocabulary import VocabularyIds

IntArray = NDArray[np.int64]

_SEED = 15  # fixed: masks must not change with the run's seed


@dataclass
class Answers:
    """What was asked in one language and answered; an entry a batch, of arrays over its targets or labelled pairs."""

    targets: list[IntArray] = field(default_factory=list)
    right: list[NDArray[np.bool_]] = field(default_factory=list)
    contexts_PK: list[IntArray] = field(default_factory=list)
    sequences: list[IntArray] = field(default_factory=list)
    pair_right: list[NDArray[np.bool_]] = field(default_factory=list)
    probe_right: list[NDArray[np.bool_]] = field(default_factory=list)
    loss: float = 0.0

    @property
    def count(self) -> int:
        """Targets."""
        return sum(len(batch) for batch in self.targets)


def ask(
    network: PretrainingNetwork,
    dev: EncodedSplit,
    vocabulary: VocabularyIds,
    config: PretrainingConfig,
    *,
    languages: int,
    train: EncodedSplit | None = None,
) -> Answers:
    """The network's answers, and the pair probe's where there are pairs and a split for it to learn from."""
    max_tokens = min(config.architecture.max_tokens, network.max_tokens)
    batches = PretrainingBatches(
        dev,
        vocabulary,
        objective=config.objective,
        max_tokens=max_tokens,
        tokens_per_batch=config.tokens_per_batch,
        short_share=0.0,
        mask_share=config.eval_mask_share,
        seed=derive_seed(_SEED, "evaluation"),
    )
    pairs, probe = PAIRS[config.objective], None
    if pairs is not None and train is not None:
        of_language = np.flatnonzero(train.languages_D == dev.languages_D[0])
        probe = PairProbe(train.of(_some(of_language)), pairs=pairs, max_tokens=max_tokens, vocabulary=vocabulary.size,
                          seed=_SEED)  # fmt: skip
    answers, tokens = Answers(), 0
    with torch.inference_mode():
        for step in range(batches.steps_in_epoch(0)):
            batch = batches.batch(step)
            _answer(network, batch, vocabulary, config.objective, answers)
            if probe is not None:
                sequences, chosen_S = batches.sequences(step)
                chosen_S = chosen_S[batch.pair_labels_S != NO_LABEL]
                guesses = probe.predict(dev, sequences, chosen_S)
                answers.probe_right.append(guesses == sequences.labels_N[chosen_S])
            tokens += batch.tokens
            if tokens >= config.evaluation_tokens // max(1, languages):
                break
    return answers


def _some(documents: IntArray, most: int = 2000) -> IntArray:
    """At most so many, evenly spread."""
    return documents[np.unique(np.linspace(0, max(0, len(documents) - 1), most).astype(np.int64))]


def _answer(
    network: PretrainingNetwork,
    batch: PretrainingBatch,
    vocabulary: VocabularyIds,
    objective: Objective,
    answers: Answers,
) -> None:
    tensors = to_tensors(batch)
    logits_PV, pair_logits_S2 = network(tensors)
    answers.loss += float(torch.nn.functional.cross_entropy(logits_PV, tensors["targets_P"], reduction="sum"))
    answers.right.append((logits_PV.argmax(1) == tensors["targets_P"]).numpy())
    answers.targets.append(batch.targets_P)
    answers.contexts_PK.append(_contexts(batch, vocabulary, ahead=objective == "clm"))
    answers.sequences.append(batch.positions_P // batch.input_ids_BT.shape[1])
    if pair_logits_S2 is not None:
        labelled_S = batch.pair_labels_S != NO_LABEL
        guesses_S = pair_logits_S2.argmax(1).numpy()
        answers.pair_right.append((guesses_S == batch.pair_labels_S)[labelled_S])


def _contexts(batch: PretrainingBatch, vocabulary: VocabularyIds, *, ahead: bool) -> IntArray:
    """The tokens before each target as the network sees them, the nearest last; -1 from a special token on.

    [MASK] is one. ``ahead`` says that a target is the token after its position, not the one there.
    """
    width = batch.input_ids_BT.shape[1]
    hidden = (vocabulary.cls, vocabulary.sep, vocabulary.pad, vocabulary.mask or vocabulary.pad)
    places_P = batch.positions_P + 1 if ahead else batch.positions_P
    out_PK = np.full((len(places_P), CONTEXT), -1, np.int64)
    going_P = np.ones(len(places_P), bool)
    for shift in range(1, CONTEXT + 1):
        before_P = places_P - shift
        going_P &= (before_P >= 0) & (before_P // width == (places_P - 1) // width)
        tokens_P = batch.input_ids_BT.reshape(-1)[np.maximum(before_P, 0)]
        going_P &= ~np.isin(tokens_P, hidden)
        out_PK[going_P, CONTEXT - shift] = tokens_P[going_P]
    return out_PK
