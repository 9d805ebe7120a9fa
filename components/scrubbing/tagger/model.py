"""The tagger at work: texts in, spans out, many texts a call.

1. ``tokens``: one stream of tokens for all texts.
2. A gate, a handful of gathers a token, keeps the few tokens that may bear a label.
3. The network scores those, and computes only the neighbours that it needs for it.
4. ``decode``: the best tags, as spans.

Whole numbers throughout (``network``), so a text gets the same spans alone and among others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.scrubbing.tagger.decode import decode
from components.scrubbing.tagger.features import CONTEXT_ROWS, HASHED_ROW, NO_ROW, HashedLexicon, Lexicon, context_rows
from components.scrubbing.tagger.hashing import Hashes, mix
from components.scrubbing.tagger.labels import TAGGER_LABELS
from components.scrubbing.tagger.network import DILATION, LEVELS, REACH, SIDE, Floats, Layer, convolve
from components.scrubbing.tagger.tokens import PAD, Tokens, tokenise
from components.scrubbing.tagger.types_table import TypeTable, padded

_BMP = 0x10000
# What the gate looks at: the rows of the tokens at these distances, and of the pairs that end at these.
GATE_REACH = 2
GATE_WIDTH = 2 * GATE_REACH + 1
GATE_PAIRS = (GATE_WIDTH, GATE_WIDTH + 1)  # columns of the gate's table for a pair that ends here, and one further
GATE_COLUMNS = GATE_WIDTH + len(GATE_PAIRS)
_BATCH_CHARACTERS = 20_000
# A longer text is read in pieces, cut at white space where there is any near; memory stays bounded on any line.
_PIECE_CHARACTERS = 100_000
_BLANK = re.compile(r"\s(?=\S*\Z)")
_NEAR = 400
_HOLE = 0xFFFC
# Twice what the network sees to one side, and what a span may reach beyond it.
_HOLE_REACH = 2 * REACH + 4

TaggedSpan = tuple[int, int, str, float]


@dataclass(frozen=True)
class Parameters:
    """Everything that was learnt, as stored."""

    table: NDArray[np.int8]  # rows, embedding width
    gate: NDArray[np.int8]  # rows, GATE_COLUMNS
    gate_threshold: float
    first: Layer
    second: Layer
    out: Layer
    lexicon: Lexicon
    folds: NDArray[np.uint16]


class Tagger:
    """Finds names and the like. Holds the spellings met so far, so use one a thread."""

    def __init__(self, parameters: Parameters) -> None:
        """``parameters`` as ``artifact.load`` returns them."""
        self._parameters = parameters
        self._table = parameters.table.astype(np.float32)
        self._gate = parameters.gate.astype(np.float32)
        self._lexicon = HashedLexicon(parameters.lexicon)
        self._types = TypeTable(parameters.lexicon, parameters.folds, len(parameters.table))
        self._forget()

    def tag(self, texts: Sequence[str], *, recall_bias: float, near_holes: bool = False) -> list[list[TaggedSpan]]:
        """Spans (start, end, label, score) of each text, sorted; the scores are probabilities under the bias.

        ``near_holes``: only where a U+FFFC is near enough to have changed what was found before it stood there.
        """
        found: list[list[TaggedSpan]] = [[] for _ in texts]
        batch: list[tuple[int, int, str]] = []
        size = 0
        for index, text in enumerate(texts):
            for at, piece in _pieces(text):
                batch.append((index, at, piece))
                size += len(piece)
                if size >= _BATCH_CHARACTERS:
                    self._tag_batch(batch, recall_bias, found, near_holes)
                    batch, size = [], 0
        if batch:
            self._tag_batch(batch, recall_bias, found, near_holes)
        return found

    def scores(self, tokens: Tokens, *, near_holes: bool = False) -> tuple[Floats, NDArray[np.int64]]:
        """Scores (N, tags) of the tokens that pass the gate, and their positions (N,)."""
        types_T, identities_T = self._number(tokens)
        pairs_T = self._pair_rows(identities_T)
        wanted_T = self._open(types_T, pairs_T) & (tokens.classes_T != PAD)
        wanted_T = _widened(wanted_T, 1) & (tokens.classes_T != PAD)
        if near_holes:
            wanted_T &= _widened(tokens.code_points[tokens.starts_T] == _HOLE, _HOLE_REACH)
        out_N = np.flatnonzero(wanted_T)
        if not len(out_N):
            return np.zeros((0, self._parameters.out.weights.shape[1]), dtype=np.float32), out_N
        second_T = _widened(wanted_T, SIDE, step=DILATION)
        first_T = _widened(second_T, SIDE)
        second_N, first_N = np.flatnonzero(second_T), np.flatnonzero(first_T)
        parameters = self._parameters
        seen_ND = self._see(tokens, types_T, identities_T, first_N)
        hidden_NH = convolve(seen_ND, _around(first_T, second_N, step=1), parameters.first)
        hidden_NH = convolve(hidden_NH, _around(second_T, out_N, step=DILATION), parameters.second)
        return parameters.out.sums(hidden_NH) * parameters.out.factors, out_N

    def _tag_batch(
        self,
        batch: Sequence[tuple[int, int, str]],
        recall_bias: float,
        found: list[list[TaggedSpan]],
        near_holes: bool,
    ) -> None:
        """Add the spans of each piece (text number, offset in the text, piece) to those of its text."""
        tokens = tokenise([piece for _, _, piece in batch])
        scores_NG, positions_N = self.scores(tokens, near_holes=near_holes)
        spans = decode(scores_NG, positions_N, recall_bias)
        starts, ends = tokens.starts_T[spans.first], tokens.ends_T[spans.last]
        owners = np.searchsorted(tokens.text_starts, starts, side="right") - 1
        offsets = tokens.text_starts[owners]
        columns = (owners, starts - offsets, ends - offsets, spans.label, spans.score)
        for owner, start, end, label, score in zip(*(column.tolist() for column in columns), strict=True):
            index, at, _ = batch[owner]
            found[index].append((at + start, at + end, TAGGER_LABELS[label], score))

    def _forget(self) -> None:
        self._generation = self._types.generation
        width = self._table.shape[1]
        self._vectors = np.zeros((0, width), dtype=np.float32)
        self._gates = np.zeros((0, GATE_WIDTH), dtype=np.float32)
        self._identities = np.zeros(0, dtype=np.uint32)

    def _number(self, tokens: Tokens) -> tuple[NDArray[np.int32], Hashes]:
        """Types and identities of all tokens; what is kept a type is computed for the new ones."""
        types_T = self._types.number(tokens)
        if self._types.generation != self._generation:
            self._forget()
        known = len(self._vectors)
        if len(self._types) > known:
            rows = padded(self._types.rows[known:])
            self._vectors = np.concatenate([self._vectors, self._table[rows].sum(axis=1)])
            self._gates = np.concatenate([self._gates, self._gate[rows, :GATE_WIDTH].sum(axis=1)])
            new = np.array(self._types.identities[known:], dtype=np.uint32)
            self._identities = np.concatenate([self._identities, new])
        return types_T, self._identities[types_T]

    def _pair_rows(self, identities_T: Hashes) -> NDArray[np.int32]:
        pairs_T = mix(np.concatenate([identities_T[:1], identities_T[:-1]]), identities_T)
        return (HASHED_ROW + pairs_T % np.uint32(len(self._table) - HASHED_ROW)).astype(np.int32)

    def _open(self, types_T: NDArray[np.int32], pairs_T: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which tokens may bear a label."""
        gates_TK = self._gates[types_T]
        sums_T = gates_TK[:, GATE_REACH].copy()
        for column in range(GATE_WIDTH):
            shift = column - GATE_REACH
            if shift < 0:
                sums_T[-shift:] += gates_TK[:shift, column]
            elif shift > 0:
                sums_T[:-shift] += gates_TK[shift:, column]
        here, further = GATE_PAIRS
        sums_T += self._gate[pairs_T, here]
        sums_T[:-1] += self._gate[pairs_T[1:], further]
        return np.asarray(sums_T >= self._parameters.gate_threshold)

    def _see(self, tokens: Tokens, types_T: NDArray[np.int32], identities_T: Hashes, at_N: NDArray[np.int64]) -> Floats:
        """Levels of the embedded tokens at ``at_N``."""
        seen_ND = self._vectors[types_T[at_N]]
        rows_NC = context_rows(tokens, identities_T, self._lexicon, len(self._table), at_N)
        for column in range(CONTEXT_ROWS):
            used = rows_NC[:, column] != NO_ROW
            if used.all():
                seen_ND += self._table[rows_NC[:, column]]
            elif used.any():
                seen_ND[used] += self._table[rows_NC[used, column]]
        return np.clip(seen_ND, -LEVELS, LEVELS, out=seen_ND)


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """Offset and text of each piece; nearly always the text itself."""
    at = 0
    while len(text) - at > _PIECE_CHARACTERS:
        end = at + _PIECE_CHARACTERS
        blank = _BLANK.search(text, end - _NEAR, end)
        end = blank.end() if blank else end
        yield at, text[at:end]
        at = end
    yield at, text[at:] if at else text


def _widened(wanted_T: NDArray[np.bool_], reach: int, *, step: int = 1) -> NDArray[np.bool_]:
    """Every position at most ``reach`` steps of ``step`` tokens from a wanted one."""
    wide_T = wanted_T.copy()
    for shift in range(step, step * reach + 1, step):
        wide_T[shift:] |= wanted_T[:-shift]
        wide_T[:-shift] |= wanted_T[shift:]
    return wide_T


def _around(held_T: NDArray[np.bool_], at_M: NDArray[np.int64], *, step: int) -> NDArray[np.int64]:
    """Rows of each position and of those every ``step`` beside it (M, 5), in an array with a row for each held one."""
    places_T = np.cumsum(held_T) - 1
    return np.asarray(places_T[at_M[:, None] + step * np.arange(-SIDE, SIDE + 1)])


def as_parameters(tensors: Mapping[str, NDArray[np.generic]], gate_threshold: float) -> Parameters:
    """Stored arrays, typed."""

    def layer(name: str) -> Layer:
        return Layer(*(tensors[f"{name}.{part}"].astype(np.float32) for part in ("weights", "biases", "factors")))

    folds = np.arange(_BMP, dtype=np.uint16)
    pairs = tensors["folds"].astype(np.uint16)
    folds[pairs[:, 0]] = pairs[:, 1]
    return Parameters(
        table=tensors["table"].astype(np.int8),
        gate=tensors["gate"].astype(np.int8),
        gate_threshold=gate_threshold,
        first=layer("first"),
        second=layer("second"),
        out=layer("out"),
        lexicon=Lexicon(tensors["lexicon.hashes"].astype(np.uint32), tensors["lexicon.values"].astype(np.uint8)),
        folds=folds,
    )
