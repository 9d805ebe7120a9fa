"""One pass over a text for the anchors of every pattern at once, by Hyperscan.

An anchor is the part of a pattern that is cheap to recognise and rare in ordinary text; what surrounds it is looked at
only there. Anchors may report too much and never too little, so they hold no look-around.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from components.scrubbing.detectors.folding import FOLDED

_Hit = tuple[int, int]


def utf8_class(characters: str) -> str:
    """An expression over bytes that matches any of the characters: a class of last bytes per prefix."""
    last_bytes: dict[bytes, list[int]] = {}
    for character in sorted(set(characters)):
        *prefix, last = character.encode()
        last_bytes.setdefault(bytes(prefix), []).append(last)
    classes = (_escaped(prefix) + "[" + _escaped(bytes(last)) + "]" for prefix, last in last_bytes.items())
    return "(?:" + "|".join(classes) + ")"


def utf8_words(words: tuple[str, ...]) -> str:
    """An expression over bytes that matches any of the words."""
    return "(?:" + "|".join(_escaped(word.encode()) for word in words) + ")"


def _escaped(raw: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in raw)


class Scanner:
    """Finds where anchors stand. Several threads may use one: each gets Hyperscan's scratch space of its own."""

    def __init__(self, expressions: Mapping[int, str]) -> None:
        """``expressions``: by number of the kind, matched without case against the UTF-8 bytes."""
        import hyperscan

        self._database = hyperscan.Database()
        flags = hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_SOM_LEFTMOST | hyperscan.HS_FLAG_DOTALL
        self._database.compile(
            expressions=[expression.encode("ascii") for expression in expressions.values()],
            ids=list(expressions),
            flags=[flags] * len(expressions),
        )
        self._scratch = threading.local()

    def _scratch_of_thread(self) -> Any:
        scratch = getattr(self._scratch, "own", None)
        if scratch is None:
            scratch = self._scratch.own = self._database.scratch.clone()
        return scratch

    def scan(self, text: str) -> list[_Hit]:
        """``(offset, kind)`` of every anchor, by offset in code points, each once."""
        hits: list[_Hit] = []
        # A lone surrogate has no UTF-8 form; "?" keeps the count of characters.
        data = text.encode("utf-8", "replace")
        self._database.scan(data, match_event_handler=_note, context=hits, scratch=self._scratch_of_thread())
        if len(hits) > 1:
            hits = sorted(set(hits))
        return hits if len(data) == len(text) else _in_characters(data, hits)


def _note(kind: int, start: int, _end: int, _flags: int, hits: Any) -> None:
    """Hyperscan's callback; its context is the list that the hits go to."""
    hits.append((start, kind))


def _in_characters(data: bytes, hits: list[_Hit]) -> list[_Hit]:
    """Byte offsets as code point offsets, in one walk over the bytes."""
    found: list[_Hit] = []
    position = characters = 0
    for start, kind in hits:
        first = start  # an anchor may begin inside a character, which then is meant
        while first > position and data[first] & 0xC0 == 0x80:
            first -= 1
        characters += len(data[position:first].decode("utf-8"))
        position = first
        found.append((characters, kind))
    return found


_ALIKE = "".join(FOLDED)
_ALNUM_ALIKE = utf8_class("".join(character for character, plain in FOLDED.items() if plain.isalnum() or plain in "@"))
_JOINING_ALIKE = utf8_class("".join(character for character, plain in FOLDED.items() if not plain.isalnum()))
# Where this stands, the text is folded and scanned once more: a look-alike letter or digit, or a look-alike separator
# beside a digit.
LOOKALIKE = rf"{_ALNUM_ALIKE}|[0-9.@]{_JOINING_ALIKE}|{_JOINING_ALIKE}[0-9.@]"
