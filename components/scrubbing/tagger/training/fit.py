"""Fit the network: two convolutions over hashed embeddings, rounded to eight bits while it learns.

Letters: ``T`` tokens, ``R`` rows a token, ``D`` embedding width, ``H`` hidden width, ``G`` tags.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from components.scrubbing.tagger.features import NO_ROW, SHAPE_ROWS, Lexicon, context_rows
from components.scrubbing.tagger.labels import OUTSIDE, TAG_COUNT, TAGGER_LABELS, begin_tag
from components.scrubbing.tagger.network import DILATION, EMBEDDING_LIMIT, HIDDEN_LIMIT, LEVELS, SIDE
from components.scrubbing.tagger.tokens import DIGITS, LETTERS, PAD, PAD_COUNT, tokenise
from components.scrubbing.tagger.training.documents import Document
from components.scrubbing.tagger.types_table import TypeTable, padded


@dataclass(frozen=True)
class TrainingConfig:
    """Sizes and lengths of a training run; ``n_templates`` documents a language are made from templates."""

    seed: int = 20240229
    table_size: int = 65536
    embedding_width: int = 32
    hidden_width: int = 64
    epochs: int = 5
    batch_tokens: int = 6000
    learning_rate: float = 6e-3
    n_templates: int = 6000
    word_dropout: float = 0.3
    pair_dropout: float = 0.5
    dropout: float = 0.2


@dataclass
class Encoded:
    """Documents as arrays: a stream of tokens and where each document lies in it."""

    type_rows: NDArray[np.int32]
    types_T: NDArray[np.int32]
    context_TC: NDArray[np.int32]
    tags_T: NDArray[np.int64]
    allowed_T: NDArray[np.int64]
    allowed_sets: NDArray[np.bool_]
    weights_T: NDArray[np.float32]
    bounds: list[tuple[int, int]]
    is_word_T: NDArray[np.bool_]


def encode(documents: Sequence[Document], types: TypeTable, lexicon: Lexicon, table_size: int) -> Encoded:
    """Tokens, rows and gold tags of all documents."""
    tokens = tokenise([document.text for document in documents])
    types_T = types.number(tokens)
    identities_T = np.array(types.identities, dtype=np.uint32)[types_T]
    context_TC = context_rows(tokens, identities_T, lexicon, table_size, np.arange(len(tokens)))
    tags_T = np.zeros(len(tokens), dtype=np.int64)
    allowed_T = np.zeros(len(tokens), dtype=np.int64)
    sets: dict[frozenset[int], int] = {frozenset({OUTSIDE}): 0}
    every = frozenset(range(TAG_COUNT))
    bounds: list[tuple[int, int]] = []
    for document, offset in zip(documents, tokens.text_starts.tolist(), strict=True):
        low, high = np.searchsorted(tokens.starts_T, [offset, offset + len(document.text)])
        bounds.append((int(low), int(high)))
        outside = frozenset({OUTSIDE}) | {
            tag
            for label in TAGGER_LABELS
            if label not in document.known
            for tag in (begin_tag(label), begin_tag(label) + 1)
        }
        allowed_T[low:high] = sets.setdefault(outside, len(sets))
        for span in document.spans:
            first = int(np.searchsorted(tokens.ends_T, offset + span.start, side="right"))
            last = int(np.searchsorted(tokens.starts_T, offset + span.end))
            if span.label is None:
                allowed_T[first:last] = sets.setdefault(every, len(sets))
                continue
            for at in range(first, last):
                tags_T[at] = begin_tag(span.label) + (at > first)
                allowed_T[at] = sets.setdefault(frozenset({int(tags_T[at])}), len(sets))
    masks = np.zeros((len(sets), TAG_COUNT), dtype=bool)
    for tags, number in sets.items():
        masks[number, sorted(tags)] = True
    judged_T = ~masks[allowed_T].all(axis=1) & (tokens.classes_T != PAD)
    is_word_T = (tokens.classes_T == LETTERS) | (tokens.classes_T == DIGITS)
    return Encoded(
        padded(types.rows),
        types_T,
        context_TC,
        tags_T,
        allowed_T,
        masks,
        judged_T.astype(np.float32),
        bounds,
        is_word_T,
    )


def _rounded(values: torch.Tensor, limit: float, *, low: float) -> torch.Tensor:
    """``values`` clipped to [low, limit] and rounded to eight bits; the gradient passes through the rounding."""
    step = limit / LEVELS
    clipped = values.clamp(low, limit)
    return clipped + (torch.round(clipped / step) * step - clipped).detach()


class Network(nn.Module):
    """The float twin of ``components.scrubbing.tagger.network``."""

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        width, hidden = config.embedding_width, config.hidden_width
        self.table = nn.Embedding(config.table_size, width, padding_idx=NO_ROW)
        self.first = nn.Conv1d(width, hidden, 2 * SIDE + 1, padding=SIDE)
        self.second = nn.Conv1d(hidden, hidden, 2 * SIDE + 1, padding=SIDE * DILATION, dilation=DILATION)
        self.out = nn.Linear(hidden, TAG_COUNT)
        self.dropout = nn.Dropout(config.dropout)
        nn.init.normal_(self.table.weight, std=0.2)
        with torch.no_grad():
            self.table.weight[NO_ROW] = 0

    def forward(self, seen_TD: torch.Tensor) -> torch.Tensor:
        """Scores (T, G) of a stream of embedded tokens."""
        seen_DT = self.dropout(_rounded(seen_TD, EMBEDDING_LIMIT, low=-EMBEDDING_LIMIT)).t()[None]
        hidden_HT = self.dropout(_rounded(self.first(seen_DT), HIDDEN_LIMIT, low=0.0))
        hidden_HT = _rounded(self.second(hidden_HT), HIDDEN_LIMIT, low=0.0)
        scores: torch.Tensor = self.out(hidden_HT[0].t())
        return scores

    def embed(self, type_rows_UR: torch.Tensor, uses_T: torch.Tensor, context_TC: torch.Tensor) -> torch.Tensor:
        """Sums (T, D) of embedding rows: those of the distinct spellings, used again and again, and of each place."""
        weight = self.table.weight
        types_UD = nn.functional.embedding_bag(type_rows_UR, weight, mode="sum", padding_idx=NO_ROW)
        places_TD = nn.functional.embedding_bag(context_TC, weight, mode="sum", padding_idx=NO_ROW)
        return types_UD[uses_T] + places_TD

    def read(self, encoded: Encoded, at: slice) -> torch.Tensor:
        """Scores (T, G) of a stretch of the stream, nothing left out."""
        types_U, uses_T = np.unique(encoded.types_T[at], return_inverse=True)
        rows_UR = torch.from_numpy(encoded.type_rows[types_U].astype(np.int64))
        context_TC = torch.from_numpy(encoded.context_TC[at].astype(np.int64))
        scores: torch.Tensor = self(self.embed(rows_UR, torch.from_numpy(uses_T), context_TC))
        return scores


def _batches(encoded: Encoded, batch_tokens: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Token positions of each batch: whole documents in random order, with their padding."""
    batches: list[NDArray[np.int64]] = []
    open_batch: list[NDArray[np.int64]] = []
    size = 0
    for index in rng.permutation(len(encoded.bounds)):
        low, high = encoded.bounds[index]
        open_batch.append(np.arange(low - PAD_COUNT, high + PAD_COUNT))
        size += high - low + 2 * PAD_COUNT
        if size >= batch_tokens:
            batches.append(np.concatenate(open_batch))
            open_batch, size = [], 0
    if open_batch:
        batches.append(np.concatenate(open_batch))
    return batches


def train(encoded: Encoded, config: TrainingConfig, *, log: Callable[[int, float], None] | None = None) -> Network:
    """Fit with Adam and a linear decay. One thread and one seed: the same weights every time."""
    torch.manual_seed(config.seed)
    rng = np.random.default_rng(config.seed)
    network = Network(config)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=config.learning_rate, weight_decay=1e-3, betas=(0.9, 0.99), fused=True
    )
    per_epoch = len(_batches(encoded, config.batch_tokens, np.random.default_rng(0)))
    total, step = config.epochs * per_epoch + 1, 0
    masks = torch.from_numpy(encoded.allowed_sets)
    for epoch in range(config.epochs):
        losses = 0.0
        for at_T in _batches(encoded, config.batch_tokens, rng):
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * min(1.0, step / 100 + 0.05) * (1 - step / total)
            scores_TG = network(network.embed(*_dropped_rows(encoded, at_T, config, rng)))
            mask_TG = masks[torch.from_numpy(encoded.allowed_T[at_T])]
            allowed_T = torch.logsumexp(scores_TG.masked_fill(~mask_TG, -1e9), dim=1)
            loss_T = torch.logsumexp(scores_TG, dim=1) - allowed_T
            weights_T = torch.from_numpy(encoded.weights_T[at_T])
            loss = (loss_T * weights_T).sum() / weights_T.sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses += loss.item()
            step += 1
        if log:
            log(epoch, losses / per_epoch)
    return network.eval()


def _dropped_rows(
    encoded: Encoded, at_T: NDArray[np.int64], config: TrainingConfig, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rows for ``Network.embed``, with some words reduced to their shape and some pairs left out."""
    forget_T = encoded.is_word_T[at_T] & (rng.random(len(at_T)) < config.word_dropout)
    keys_U, uses_T = np.unique(2 * encoded.types_T[at_T].astype(np.int64) + forget_T, return_inverse=True)
    rows_UR = encoded.type_rows[keys_U // 2].astype(np.int64)
    rows_UR[keys_U % 2 == 1, SHAPE_ROWS:] = NO_ROW
    context_TC = encoded.context_TC[at_T].astype(np.int64)
    context_TC[rng.random(len(at_T)) < config.pair_dropout, 1] = NO_ROW
    return torch.from_numpy(rows_UR), torch.from_numpy(uses_T), torch.from_numpy(context_TC)
