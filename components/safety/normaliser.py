"""Text as a reader sees it: views of a text with disguises undone, and the way back to its own offsets.

Three views, each made from the one before:

1. ``folded``: NFKC and case fold, accents and other combining marks dropped, zero-width, bidirectional and variation
   selectors dropped, traditional Chinese written simplified.
2. ``plain``: the folded text with every run of separators as one space, or one line break where a sentence ends.
   Word boundaries survive.
3. ``squeezed``: no separators at all, digits and look-alikes read as letters, stretched letters collapsed. It finds
   what the plain view misses and is never shown; a hit in it counts only if the surface looks disguised (``rules``).

``repaired`` is the text a classifier reads: the plain view with spelled-out words joined, digits inside words read as
letters and stretched letters shortened.

All offsets are Unicode code points of the original text, end exclusive. Sources: Unicode TR15 (NFKC), UTS 39 (a small
hand-made subset of its confusables: Cyrillic and Greek letters that look Latin), OpenCC's character table.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

BREAK = "\n"

_SENTENCE_ENDS = "。！？；，：、\n\r"
_ENDS_BEFORE_SPACE = ".!?;:,"
_LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g"}
_LEET_SYMBOLS = {"@": "a", "$": "s", "!": "i", "|": "i", "€": "e"}
_CONFUSABLES = dict(zip("авеіјкмнорстухѕɡαεικνορτυχ", "abeijkmhopctyxsgaeiknoptux", strict=True))
_SKELETON_ONLY = {"l": "i"}  # one and ell and i look alike; both sides of a match are folded
# Drawn as nothing, though not in the category Cf: Hangul fillers, combining grapheme joiner, Mongolian selectors.
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u3164\uffa0\u2800")
_STRETCHED = re.compile(r"([a-z])\1{2,}")


@dataclass(frozen=True, slots=True)
class View:
    """A derived text; character ``i`` came from ``[starts[i], ends[i])`` of the original."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Original offsets of a non-empty piece of the view."""
        return self.starts[start], self.ends[end - 1]


@dataclass(frozen=True, slots=True)
class Views:
    """All views of one text. ``squeezed`` maps to the folded view, the others to the original."""

    original: str
    folded: View
    plain: View
    squeezed: View


def make_views(text: str) -> Views:
    """All views of a text."""
    folded = fold(text)
    return Views(original=text, folded=folded, plain=_plain(folded), squeezed=_squeeze(folded.text))


def fold(text: str) -> View:
    """The folded view. Folding twice equals folding once."""
    if text.isascii():
        return View(text.lower(), range(len(text)), range(1, len(text) + 1))
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    index, size = 0, len(text)
    while index < size:
        start = index
        index += 1
        if _is_invisible(text[start]):
            continue
        while index < size and (unicodedata.combining(text[index]) or _is_invisible(text[index])):
            index += 1
        piece = _fold_piece(text[start:index]) if index - start > 1 else _fold_character(text[start])
        pieces.append(piece)
        starts.extend([start] * len(piece))
        ends.extend([index] * len(piece))
    return View("".join(pieces), starts, ends)


def plain_text(text: str) -> str:
    """The plain view's text alone; patterns go through it too."""
    return _plain(fold(text)).text.strip()


def squeezed_text(text: str) -> str:
    """The squeezed view's text alone, without sentence breaks; patterns go through it too."""
    return _squeeze(fold(text).text).text.replace(BREAK, "")


def repaired(views: Views) -> str:
    """The text a classifier reads: disguises undone where a word shows one, other words as they are."""
    words = views.plain.text.replace(BREAK, " ").split()
    joined: list[str] = []
    letters: list[str] = []
    for word in [*words, ""]:
        if len(word) == 1 and word.isascii() and word.isalnum():
            letters.append(word)
            continue
        joined.extend(["".join(letters)] if len(letters) > 2 else letters)
        letters = []
        joined.append(word)
    return _STRETCHED.sub(r"\1", " ".join(_unleet(word) for word in joined if word))


def is_chinese(character: str) -> bool:
    """Whether a character is a Han ideograph."""
    code = ord(character)
    return 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or 0x20000 <= code <= 0x323AF


def guess_language(text: str) -> str:
    """``zh`` where at least a tenth of the letters are Han (a Han character says more than a letter), else ``en``."""
    han = sum(map(is_chinese, text))
    letters = sum(map(str.isalpha, text))
    return "zh" if han and han * 10 >= letters else "en"


def _is_invisible(character: str) -> bool:
    if character.isascii():
        return False
    code = ord(character)
    return (
        unicodedata.category(character) == "Cf"
        or 0xFE00 <= code <= 0xFE0F
        or 0xE0100 <= code <= 0xE01EF
        or character in _BLANK_LETTERS
    )


@lru_cache(maxsize=1 << 15)
def _fold_character(character: str) -> str:
    return _fold_piece(character)


def _fold_piece(piece: str) -> str:
    visible = "".join(c for c in piece if not _is_invisible(c))
    lowered = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    # Case folding leaves marks of its own (dotted capital I), and strike-through hides a word behind marks.
    bare = "".join(c for c in unicodedata.normalize("NFKD", lowered) if unicodedata.category(c) not in {"Mn", "Me"})
    composed = unicodedata.normalize("NFKC", bare).casefold()
    return "".join(_simplified(c) if is_chinese(c) else c for c in composed if not _is_invisible(c))


@cache
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")


def _simplified(character: str) -> str:
    """One character at a time keeps offsets one to one; phrases that differ are spelled out in the lexicons."""
    converted: str = _converter().convert(character)
    return converted if len(converted) == 1 else character


def _plain(folded: View) -> View:
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for index, character in enumerate(folded.text):
        if character.isalnum():
            characters.append(character)
        else:
            separator = BREAK if _ends_sentence(folded.text, index) else " "
            if characters and characters[-1] in {" ", BREAK}:
                ends[-1] = folded.ends[index]
                characters[-1] = BREAK if separator == BREAK else characters[-1]
                continue
            characters.append(separator)
        starts.append(folded.starts[index])
        ends.append(folded.ends[index])
    return View("".join(characters), starts, ends)


def _squeeze(folded: str) -> View:
    """The squeezed view over a folded text; its offsets are those of the folded text."""
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for index, character in enumerate(folded):
        letter = _read_as_letter(folded, index)
        if not letter:
            if not _ends_sentence(folded, index) or (characters and characters[-1] == BREAK):
                continue
            letter = BREAK
        elif characters and characters[-1] == letter and not is_chinese(character):
            ends[-1] = index + 1
            continue
        characters.append(letter)
        starts.append(index)
        ends.append(index + 1)
    return View("".join(characters), starts, ends)


def _read_as_letter(text: str, index: int) -> str:
    """The letter a character stands for in the squeezed view; empty for a separator."""
    character = text[index]
    if character in _LEET_SYMBOLS:
        beside = text[max(0, index - 1) : index] + text[index + 1 : index + 2]
        character = _LEET_SYMBOLS[character] if any(c.isascii() and c.isalnum() for c in beside) else ""
    if not character.isalnum():
        return ""
    letter = _LEET.get(character) or _CONFUSABLES.get(character) or character
    return _SKELETON_ONLY.get(letter, letter)


def _ends_sentence(text: str, index: int) -> bool:
    character = text[index]
    if character in _SENTENCE_ENDS:
        return True
    return character in _ENDS_BEFORE_SPACE and text[index + 1 : index + 2].isspace()


def _unleet(word: str) -> str:
    """A word with digits between its letters, read as letters; numbers and Chinese stay."""
    mixed = any(c in _LEET or c in _CONFUSABLES for c in word) and any("a" <= c <= "z" for c in word)
    return "".join(_LEET.get(c) or _CONFUSABLES.get(c) or c for c in word) if mixed else word
