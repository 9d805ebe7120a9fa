from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import ConfigError
from components.safety.banning import START, TextState, TokenBan
from components.safety.normaliser import make_views
from components.safety.readings import Match, Term, readings

PHRASES = ("kill you", "bad", "ab ba", "杀了你", "打死")
LETTERS = "kilyoubad "


def _oracle(text: str, phrases: Sequence[str] = PHRASES) -> list[Match]:
    """Another road: the rules' own plain view with pyahocorasick for Latin, substrings of squeezed text for Chinese."""
    terms = [Term("threat", "en", phrase, False) for phrase in phrases]
    views = make_views(text)
    found = readings([term for term in terms if not term.is_chinese])[0].matches(views)
    return found + [Match(t, 0, 0) for t in terms if t.is_chinese and t.phrase in views.squeezed_text]


def _text(pieces: Sequence[bytes]) -> str:
    return b"".join(pieces).decode("utf-8", "replace")


def _vocabulary() -> list[bytes]:
    texts = [
        *LETTERS,
        "ki",
        "kill",
        " kill",
        "ll yo",
        " you",
        "you",
        "YOU",
        "your",
        "u",
        "ur",
        "ba",
        "d",
        "bad",
        "bade",
    ]
    texts += [" bad", "a b", "b a", "ab", "ba ", "-", ". ", ".", "\n", "！", "。", "\u200b", "\u0301", "Ｋ", "K", "é"]
    texts += [
        "kill you",
        " x kill you now",
        "杀",
        "了",
        "你",
        "杀了",
        "了你",
        "打",
        "死",
        "打 死",
        "殺",
        "，",
        "x杀了你",
        "a打",
    ]
    pieces = [text.encode() for text in texts]
    return [*pieces, *[bytes([byte]) for byte in "杀死\u200b".encode()], "死k".encode()[1:], "a打".encode()[:-1], b""]


VOCABULARY = _vocabulary()
BAN = TokenBan(PHRASES, VOCABULARY)


def _check(ban: TokenBan, state: TextState, written: list[int], vocabulary: list[bytes]) -> None:
    """Exactly the tokens after which the oracle finds something are banned."""
    expected = [
        token
        for token, piece in enumerate(vocabulary)
        if piece and _oracle(_text([*(vocabulary[index] for index in written), piece]))
    ]
    assert ban.banned(state).tolist() == expected, [vocabulary[index] for index in written]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_banned_is_what_would_make_the_text_hold_a_phrase(data: st.DataObject) -> None:
    state, written = START, []
    for _ in range(data.draw(st.integers(0, 7))):
        allowed = sorted(set(range(len(VOCABULARY))) - set(BAN.banned(state).tolist()))
        token = data.draw(st.sampled_from(allowed))
        state, written = BAN.after(state, token), [*written, token]
    assert not _oracle(_text([VOCABULARY[index] for index in written]))
    _check(BAN, state, written, VOCABULARY)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_byte_fallback_decodes_a_run_of_bytes_whole_or_not_at_all(data: st.DataObject) -> None:
    from tokenizers.decoders import ByteFallback, Fuse
    from tokenizers.decoders import Sequence as Decoders

    texts = ["kill", " you", "k", " ", "ad", "杀", "了你", "x"]
    data_bytes = [*b"bad ou", *"了".encode()]
    pieces = [text.encode() for text in texts] + [bytes([byte]) for byte in data_bytes]
    names = [*texts, *[f"<0x{byte:02X}>" for byte in data_bytes]]
    decoder = Decoders([ByteFallback(), Fuse()])
    ban = TokenBan(PHRASES, pieces, joined_bytes=range(len(texts), len(pieces)))
    state, written = START, []
    for _ in range(data.draw(st.integers(0, 8))):
        banned = set(ban.banned(state).tolist())
        for token in range(len(pieces)):
            text = decoder.decode([names[index] for index in [*written, token]])
            assert (token in banned) == bool(_oracle(text)), (text, token)
        token = data.draw(st.sampled_from(sorted(set(range(len(pieces))) - banned)))
        state, written = ban.after(state, token), [*written, token]


def test_no_segmentation_spells_a_phrase() -> None:
    """Every way of cutting every phrase into pieces, exhaustively: the last piece is always banned."""
    for phrase in ("bad", "ab ba", "杀了你"):
        cuts = range(1, len(phrase))
        for chosen in itertools.chain.from_iterable(itertools.combinations(cuts, n) for n in range(len(phrase))):
            bounds = [0, *chosen, len(phrase)]
            pieces = [phrase[a:b].encode() for a, b in itertools.pairwise(bounds)]
            ban = TokenBan(PHRASES, pieces)
            state = START
            for token in range(len(pieces) - 1):
                assert token not in ban.banned(state)
                state = ban.after(state, token)
            assert len(pieces) - 1 in ban.banned(state)


def test_longer_words_may_be_written_whole() -> None:
    ban = TokenBan(["kill you"], [b"kill", b" you", b" your", b" young", b" you!"])
    assert ban.banned(ban.after(START, 0)).tolist() == [1, 4]


@pytest.mark.parametrize("phrases", [[], ["..."], ["stop. now"], [" "]])
def test_a_phrase_that_cannot_be_banned_is_refused(phrases: list[str]) -> None:
    with pytest.raises(ConfigError, match="banned phrases"):
        TokenBan(phrases, [b"a"])


def test_what_is_remembered_is_bounded_and_the_same_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.safety.banning._MAX_REMEMBERED", 2)
    ban = TokenBan(PHRASES, VOCABULARY)
    generator = np.random.default_rng(0)
    state, written = START, []
    for _ in range(40):
        _check(ban, state, written, VOCABULARY)
        allowed = np.setdiff1d(np.arange(len(VOCABULARY)), ban.banned(state))
        token = int(generator.choice(allowed))
        state, written = ban.after(state, token), [*written, token]
        assert len(ban._banned) <= 2
