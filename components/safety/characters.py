"""Tables of single characters: how each is folded, what it looks like, how it is read aloud, what it is made of.

Every table maps one code point to a short text, whatever stands beside it. So a view of two texts joined is the join
of their views, which is what lets a stream be judged piece by piece. Tables fill themselves as characters are met.

Sources: Unicode TR15 (NFKC), UTS 39 confusables (data of the package ``confusable-homoglyphs``), OpenCC (traditional
to simplified), pypinyin (commonest reading), CLDR names of emoji (the package ``emoji``), and ``characters.yaml`` of
this room (split and look-alike Han characters).
"""

from __future__ import annotations

import json
import string
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import yaml

_MAX_ENTRIES = 1 << 16  # far more than a living language uses; what is beyond is computed anew each time

# Drawn as nothing, though not in the category Cf: Hangul fillers, combining grapheme joiner, Mongolian selectors.
_BLANK_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u3164\uffa0\u2800")

LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "9": "g"}
LEET_SYMBOLS = {"@": "a", "$": "s", "!": "i", "|": "i", "€": "e"}
# Letters that readers take for Latin ones though UTS 39 pairs them with none.
CONFUSABLES = dict(zip("авеіјкмнорстухѕɡαεικνορτυχ", "abeijkmhopctyxsgaeiknoptux", strict=True))
_SKELETON_ONLY = {"l": "i"}  # one and ell and i look alike; both sides of a match are folded

CHARACTERS_FILE = Path(__file__).parent / "characters.yaml"


class CharacterTable(dict[int, str | None]):
    """What ``str.translate`` reads: code point to text; an unknown one is computed and, up to a bound, kept."""

    def __init__(self, compute: Callable[[str], str]) -> None:
        """``compute`` takes one character; an empty result drops it."""
        super().__init__()
        self._compute = compute

    def __missing__(self, code: int) -> str | None:
        value = self._compute(chr(code)) or None  # None lets str.translate stay on its quick path for ASCII
        if len(self) < _MAX_ENTRIES:
            self[code] = value
        return value


def is_chinese(character: str) -> bool:
    """Whether a character is a Han ideograph."""
    code = ord(character)
    return 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or 0x20000 <= code <= 0x323AF


def is_invisible(character: str) -> bool:
    """Whether a character is drawn as nothing: zero-width, bidirectional controls, variation selectors, fillers."""
    if character.isascii():
        return False
    code = ord(character)
    return (
        unicodedata.category(character) == "Cf"
        or 0xFE00 <= code <= 0xFE0F
        or 0xE0100 <= code <= 0xE01EF
        or character in _BLANK_LETTERS
    )


def _fold_once(character: str) -> str:
    if is_invisible(character):
        return ""
    lowered = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", character).casefold())
    # Case folding leaves marks of its own (dotted capital I), and strike-through hides a word behind marks.
    bare = "".join(c for c in unicodedata.normalize("NFKD", lowered) if unicodedata.category(c) not in {"Mn", "Me"})
    composed = unicodedata.normalize("NFKC", bare).casefold()
    return "".join(_simplified(c) if is_chinese(c) else c for c in composed if not is_invisible(c))


def _fold(character: str) -> str:
    """Folded until nothing changes, so that folding twice equals folding once."""
    piece = _fold_once(character)
    while (again := "".join(map(_fold_once, piece))) != piece:
        piece = again
    return piece


@cache
def _converter() -> Any:
    from opencc import OpenCC

    return OpenCC("t2s")


def _simplified(character: str) -> str:
    """One character at a time keeps offsets one to one; phrases that differ are spelled out in the lexicons."""
    converted: str = _converter().convert(character)
    return converted if len(converted) == 1 else character


def skeleton_letter(character: str) -> str:
    """The Latin letter that a folded letter or digit is read as; itself for all others. For detection, never shown."""
    letter = LEET.get(character) or CONFUSABLES.get(character) or character
    if not letter.isascii() and not is_chinese(letter):
        letter = _latin_looks().get(character, letter)
    return _SKELETON_ONLY.get(letter, letter)


@cache
def _latin_looks() -> dict[str, str]:
    """UTS 39: characters beyond ASCII that look like one Latin letter, and letters drawn in boxes and flags."""
    import confusable_homoglyphs

    path = Path(confusable_homoglyphs.__file__).with_name("confusables.json")
    looks: dict[str, str] = {}
    for character, alike in json.loads(path.read_text(encoding="utf-8")).items():
        letters = [other["c"].lower() for other in alike if other["c"] in string.ascii_letters]
        if letters and len(character) == 1 and not character.isascii():
            looks[character] = letters[0]
    for first in (0x1F150, 0x1F170, 0x1F1E6):  # circled, boxed, and the letters that flags are spelled with
        looks.update({chr(first + index): letter for index, letter in enumerate(string.ascii_lowercase)})
    return looks


def _squeeze(character: str) -> str:
    """Folded character to its place in the squeezed view: a letter, a kept sentence break, or nothing."""
    if character == "\n":
        return character
    if character.isalnum() or character in _boxed():
        return skeleton_letter(character)
    return ""


@cache
def _boxed() -> frozenset[str]:
    return frozenset(character for character in _latin_looks() if ord(character) >= 0x1F100)


def _pinyin(character: str) -> str:
    """Toneless letters of a Han character's commonest reading, as the squeezed view spells them; others as they are."""
    if not is_chinese(character):
        return character
    from pypinyin import lazy_pinyin

    (syllable,) = lazy_pinyin(character, v_to_u=False, errors="default")
    letters = "".join(c for c in unicodedata.normalize("NFKD", syllable) if c.isalnum())
    return "".join(map(skeleton_letter, letters)) or character


FOLDED = CharacterTable(_fold)
SQUEEZED = CharacterTable(_squeeze)
PINYIN = CharacterTable(_pinyin)


@cache
def emoji_words(language: str) -> dict[int, str]:
    """Emoji of one code point to their CLDR short names in ``en`` or ``zh``, a space on both sides."""
    import emoji

    if language != "en":
        emoji.config.load_language(language)
    return {
        ord(symbol): f" {_folded_name(data[language])} "
        for symbol, data in emoji.EMOJI_DATA.items()
        if len(symbol) == 1 and not symbol.isascii() and not symbol.isalnum() and language in data
    }


def _folded_name(name: str) -> str:
    return name.strip(":").replace("_", " ").replace("-", " ").translate(FOLDED)


@cache
def rewritten_characters(path: Path = CHARACTERS_FILE) -> dict[str, tuple[str, ...]]:
    """Han character to what people write in its place: its parts side by side, and single look-alikes."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    found: dict[str, tuple[str, ...]] = {}
    for key in ("splits", "alike"):
        for character, others in document[key].items():
            found[character] = (*found.get(character, ()), *others)
    return found
