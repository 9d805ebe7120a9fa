"""Phrases that a generator may not write, whichever tokens it spells them with.

In: phrases and a vocabulary as bytes. Out: for a text so far, the tokens after which the text, as it then stands,
would hold a phrase. Judged is text, not tokens, so no other segmentation, case, width, accent, zero-width character or
run of separators gets around it: a character is folded (``characters``), separators count as one space between Latin
words and as nothing between Chinese characters, and a sentence end breaks a phrase, as in the views of ``normaliser``.

The end of a text counts as the end of a word. So every prefix of what is generated is clean, generation may stop
anywhere, and nothing is ever left to be decided by a later token.

A state is what a text so far leaves open: places in the trie of phrases, one for each way a phrase may have begun. The
tokens that complete one are found by walking the trie of phrases and the trie of the vocabulary side by side, which
visits only what both have; a place is walked once and remembered. Tokens that hold a whole phrase are found beforehand.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from components.core.errors import ConfigError
from components.safety.characters import FOLDED, SQUEEZED, is_chinese
from components.safety.normaliser import (
    BREAK,
    SENTENCE_ENDS,
    SENTENCE_ENDS_BEFORE_SPACE,
    plain_text,
    squeezed_text,
)

# Symbols that a trie is spelled with, beside letters and digits.
_SPACE, _MARK, _STOP, _BREAK = " ", "-", ".", "\n"
_SEPARATORS = (_SPACE, _MARK, _STOP, _BREAK)
# What the last symbol was: part of a word, a separator, nothing or a break, a stop that a space would make a break.
_IN_WORD, _APART, _BROKEN, _STOPPED = range(4)

_ROOT = 0
_MAX_REMEMBERED = 4096  # states; beyond, memory starts afresh


class _Place(NamedTuple):
    """Phrases begun and not finished (nodes of their trie), and what the last symbol was."""

    nodes: tuple[int, ...]
    last: int


class TextState(NamedTuple):
    """What a text so far leaves open. ``pending``: bytes at its end that are no character yet."""

    latin: _Place
    chinese: _Place
    pending: bytes


START = TextState(_Place((), _BROKEN), _Place((), _BROKEN), b"")


@dataclass
class _Node:
    """Node of the vocabulary trie; its tokens are a slice of the vocabulary in trie order."""

    children: dict[str, _Node] = field(default_factory=dict)
    tokens: list[int] = field(default_factory=list)
    first: int = 0
    after_own: int = 0
    after_all: int = 0


class _PhraseTrie:
    """Phrases of one script. ``edges``: they count only between word edges."""

    def __init__(self, phrases: Iterable[str], *, edges: bool) -> None:
        self.edges = edges
        self.children: list[dict[str, int]] = [{}]
        self.complete = [False]
        for phrase in phrases:
            node = _ROOT
            for symbol in plain_text(phrase) if edges else self._without_separators(phrase):
                if symbol not in self.children[node]:
                    self.children.append({})
                    self.complete.append(False)
                    self.children[node][symbol] = len(self.children) - 1
                node = self.children[node][symbol]
            self.complete[node] = True

    def _without_separators(self, phrase: str) -> str:
        return "".join(symbol for symbol in self.symbols(phrase) if symbol not in _SEPARATORS)

    def symbols(self, text: str) -> str:
        """A text as this trie spells it; the spelling of two texts joined is the two spellings joined."""
        return "".join(map(self._symbol, text.translate(FOLDED)))

    def _symbol(self, character: str) -> str:
        if character in SENTENCE_ENDS:
            return _BREAK
        if character.isalnum():
            return (_BREAK if is_chinese(character) else character) if self.edges else SQUEEZED[ord(character)] or ""
        if character.isspace():
            return _SPACE
        return _STOP if character in SENTENCE_ENDS_BEFORE_SPACE else _MARK

    def step(self, place: _Place, symbol: str) -> _Place:
        """The place after one more symbol."""
        if symbol in _SEPARATORS:
            last = _after_separator(place.last, symbol)
            if last == _BROKEN:
                return _Place((), _BROKEN)
            if self.edges and place.last == _IN_WORD:
                return _Place(self._along(place.nodes, _SPACE), last)
            return _Place(place.nodes, last)
        begun = (*place.nodes, _ROOT) if not self.edges or place.last != _IN_WORD else place.nodes
        return _Place(self._along(begun, symbol), _IN_WORD)

    def _along(self, nodes: tuple[int, ...], symbol: str) -> tuple[int, ...]:
        return tuple(child for node in nodes if (child := self.children[node].get(symbol)) is not None)

    def run(self, place: _Place, symbols: str) -> tuple[_Place, bool]:
        """The place after some symbols, and whether a phrase was completed, the end counting as a word's end."""
        found = False
        for symbol in symbols:
            if self.edges and symbol in _SEPARATORS:
                found = found or self._is_complete(place)
            place = self.step(place, symbol)
            found = found or (not self.edges and self._is_complete(place))
        return place, found or (bool(symbols) and self._is_complete(place))

    def _is_complete(self, place: _Place) -> bool:
        return place.last == _IN_WORD and any(self.complete[node] for node in place.nodes)


def _after_separator(last: int, symbol: str) -> int:
    if symbol == _BREAK or last == _BROKEN or (last == _STOPPED and symbol == _SPACE):
        return _BROKEN
    return _STOPPED if symbol == _STOP else _APART


class _Lookup:
    """Which tokens complete a phrase of one trie, by place."""

    def __init__(self, trie: _PhraseTrie, spelled: Iterable[tuple[int, str]]) -> None:
        """``spelled``: token ids with their symbols."""
        self.trie = trie
        self._root = _Node()
        in_word = _Place((), _IN_WORD)
        whole = []
        for token, symbols in spelled:
            node = self._root
            for symbol in symbols:
                node = node.children.setdefault(symbol, _Node())
            node.tokens.append(token)
            if trie.run(in_word, symbols)[1]:
                whole.append(token)
        self._order = np.array(list(_number(self._root)), dtype=np.int64)
        self.whole = np.array(whole, dtype=np.int64)
        self._known: dict[tuple[int, int], NDArray[np.int64]] = {}

    def completing(self, place: _Place) -> list[NDArray[np.int64]]:
        """Tokens that complete what the place has open, beside ``whole``; one may come twice."""
        starts = [_ROOT] if self.trie.edges and place.last != _IN_WORD else []
        return [self._from(node, place.last) for node in (*place.nodes, *starts)]

    def _from(self, node: int, last: int) -> NDArray[np.int64]:
        if (node, last) not in self._known:
            slices = [self._order[low:high] for low, high in self._walk(self._root, node, last)]
            self._known[node, last] = np.concatenate(slices) if slices else np.empty(0, dtype=np.int64)
        return self._known[node, last]

    def _walk(self, place: _Node, node: int, last: int) -> Iterator[tuple[int, int]]:
        """Slices of the vocabulary that complete a phrase from a node of the phrases' trie."""
        children = self.trie.children[node]
        for symbol in children.keys() & place.children.keys():
            if symbol == _SPACE:  # a separator, below
                continue
            below, further = place.children[symbol], children[symbol]
            if self.trie.complete[further]:
                yield from self._ended(below)
            yield from self._walk(below, further, _IN_WORD)
        if node == _ROOT:  # a phrase that begins after a separator of the token itself is in ``whole``
            return
        for symbol in place.children.keys() & set(_SEPARATORS):
            after = _after_separator(last, symbol)
            further_node = children.get(_SPACE) if self.trie.edges and last == _IN_WORD else node
            if after != _BROKEN and further_node is not None:
                yield from self._walk(place.children[symbol], further_node, after)

    def _ended(self, node: _Node) -> Iterator[tuple[int, int]]:
        """Slices of the tokens in which what was completed at a node also ends as a word."""
        if not self.trie.edges:
            yield node.first, node.after_all
            return
        yield node.first, node.after_own
        for symbol in node.children.keys() & set(_SEPARATORS):
            yield node.children[symbol].first, node.children[symbol].after_all


def _number(root: _Node) -> Iterator[int]:
    """Tokens in trie order; notes at every node where its own and all of its tokens lie."""
    count = 0
    stack: list[tuple[_Node, bool]] = [(root, False)]
    while stack:
        node, done = stack.pop()
        if done:
            node.after_all = count
            continue
        node.first = count
        yield from node.tokens
        count += len(node.tokens)
        node.after_own = count
        stack.append((node, True))
        stack.extend((child, False) for child in node.children.values())


class TokenBan:
    """Banned phrases over one vocabulary. Remembers what it worked out; safe to share between generations."""

    def __init__(self, phrases: Iterable[str], pieces: Sequence[bytes], *, joined_bytes: Sequence[int] = ()) -> None:
        """Prepare.

        Args:
            phrases: What may not be written.
            pieces: The bytes each token adds to the text; none for tokens that are not shown.
            joined_bytes: Tokens of one byte, whose runs become text together or not at all (byte fallback). Where
                there are none, every token is bytes and characters may be cut anywhere (byte-level vocabularies).

        Raises: ConfigError for a phrase without letters or no phrase at all.
        """
        phrases = list(phrases)
        if not phrases or any(not squeezed_text(phrase) or BREAK in plain_text(phrase) for phrase in phrases):
            raise ConfigError("banned phrases: at least one, each with a letter or digit and without a sentence end")
        chinese = [phrase for phrase in phrases if any(map(is_chinese, phrase))]
        self._pieces = tuple(pieces)
        self._joined = frozenset(joined_bytes)
        self._alone = self._joined or {
            token for token, piece in enumerate(pieces) if piece and 0x80 <= piece[0] <= 0xBF
        }
        texts = [
            (token, _decode(piece)[0]) for token, piece in enumerate(pieces) if piece and token not in self._joined
        ]
        self._lookups = tuple(
            _Lookup(trie, [(token, trie.symbols(text)) for token, text in texts])
            for trie in (
                _PhraseTrie([phrase for phrase in phrases if phrase not in chinese], edges=True),
                _PhraseTrie(chinese, edges=False),
            )
        )
        self._banned: dict[TextState, NDArray[np.int64]] = {}
        self._steps: dict[tuple[TextState, int], TextState] = {}

    def after(self, state: TextState, token: int) -> TextState:
        """The state after one more token."""
        if (state, token) not in self._steps:
            _make_room(self._steps)
            self._steps[state, token] = self._run(state, token)[0]
        return self._steps[state, token]

    def banned(self, state: TextState) -> NDArray[np.int64]:
        """Ids of the tokens after which the text would hold a phrase, [n] int64, ascending."""
        if state not in self._banned:
            _make_room(self._banned)
            self._banned[state] = self._find(state)
        return self._banned[state]

    def _find(self, state: TextState) -> NDArray[np.int64]:
        settled = self._settled(state)
        parts = [lookup.whole for lookup in self._lookups]
        for lookup, place in zip(self._lookups, settled[:2], strict=True):
            parts += lookup.completing(place)
        found = np.unique(np.concatenate(parts))
        if not self._joined and not state.pending:
            return found
        alone = np.array(sorted(self._alone), dtype=np.int64)
        again = np.array([token for token in alone.tolist() if self._run(state, token)[1]], dtype=np.int64)
        return np.union1d(np.setdiff1d(found, alone), again)

    def _settled(self, state: TextState) -> TextState:
        """The state once its pending bytes are taken for what they are if nothing completes them."""
        if not state.pending:
            return state
        return self._read(state, _whole(state.pending) if self._joined else _decode(state.pending, final=True)[0])[0]

    def _run(self, state: TextState, token: int) -> tuple[TextState, bool]:
        """The state after a token, and whether the text as it then stands holds a new phrase."""
        piece = self._pieces[token]
        if not piece:
            return state, False
        if self._joined:
            if token in self._joined:
                pending = state.pending + piece
                return state._replace(pending=pending), self._read(state, _whole(pending))[1]
            return self._read(self._settled(state), piece.decode("utf-8", "replace"))
        text, pending = _decode(state.pending + piece)
        after, found = self._read(state, text)
        return after._replace(pending=pending), found

    def _read(self, state: TextState, text: str) -> tuple[TextState, bool]:
        (latin, in_latin), (chinese, in_chinese) = (
            lookup.trie.run(place, lookup.trie.symbols(text))
            for lookup, place in zip(self._lookups, (state.latin, state.chinese), strict=True)
        )
        return TextState(latin, chinese, b""), in_latin or in_chinese


def _make_room(memory: dict[Any, Any]) -> None:
    if len(memory) >= _MAX_REMEMBERED:
        memory.clear()


def _decode(data: bytes, *, final: bool = False) -> tuple[str, bytes]:
    """The characters of some bytes, and what is left of the last one. What is no character becomes U+FFFD."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(data, final)
    return text, decoder.getstate()[0]


def _whole(run: bytes) -> str:
    """A run of byte tokens as byte fallback decodes it: all of it, or one U+FFFD a byte."""
    try:
        return run.decode("utf-8")
    except UnicodeDecodeError:
        return "\ufffd" * len(run)
