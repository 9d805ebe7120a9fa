"""Text as a reader sees it: views of a text with disguises undone, and the way back to its own offsets.

Each view is made from the one before:

1. ``folded``: NFKC and case fold, accents and other combining marks dropped, zero-width, bidirectional and variation
   selectors dropped, traditional Chinese written simplified. A character at a time.
2. ``plain``: the folded text with every run of separators as one space, or one line break where a sentence ends.
   Word boundaries survive.
3. ``squeezed``: no separators at all, digits and look-alikes (UTS 39) read as letters, stretched letters collapsed. It
   finds what the plain view misses and is never shown; a hit in it counts only if the surface looks disguised
   (``rules``).
4. ``pinyin``: the squeezed view with Han characters spelled by their readings.
5. ``worded``: the folded text with emoji as their names in a language; only where a text has emoji.

Every view exists twice: as a text, made by the interpreter's own loops in microseconds, which is all that most
messages ever need; and as a ``View`` with the way back to the original, made when something was found. The two agree
to the letter, which is tested on arbitrary text.

``repaired`` is the text a classifier reads: the plain view with spelled-out words joined, digits inside words read as
letters and stretched letters shortened.

All offsets are Unicode code points of the original text, end exclusive. Sources: see ``characters``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from components.safety.characters import (
    CONFUSABLES,
    FOLDED,
    LEET,
    LEET_SYMBOLS,
    PINYIN,
    SQUEEZED,
    emoji_words,
    is_chinese,
)

BREAK = "\n"

SENTENCE_ENDS = "。！？；，：、\n\r"
SENTENCE_ENDS_BEFORE_SPACE = ".!?;:,"
_STRETCHED = re.compile(r"([a-z])\1{2,}")
# Each of these begins with a set of characters, which is what the engine can look for without trying every place.
_SENTENCE_END = re.compile(rf"[{SENTENCE_ENDS}{SENTENCE_ENDS_BEFORE_SPACE}](?:(?<=[{SENTENCE_ENDS}])|(?=\s))")
_SEPARATORS = re.compile(r"[\W_](?:[\W_]+|(?<![ \n]))")
_SYMBOL_LETTERS = "".join(LEET_SYMBOLS)
_SYMBOL_READ_AS_LETTER = re.compile(rf"(?s)[{_SYMBOL_LETTERS}](?:(?<=[a-z0-9].)|(?=[a-z0-9]))")
_HAN_RANGES = "\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U000323af"
_HAN = re.compile(f"[{_HAN_RANGES}]")
_REPEATED = re.compile(rf"([^{_HAN_RANGES}])(?=\1)", re.DOTALL)
_LATIN = re.compile("[a-z]")
_NOT_LETTERS = re.compile(r"[\W\d_]+")
# Where emoji live; whether one of them has a name is asked only where this finds something.
_MAYBE_EMOJI = re.compile("[\u203c-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]")


@dataclass(frozen=True, slots=True)
class View:
    """A derived text; character ``i`` came from ``[starts[i], ends[i])`` of the original."""

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Original offsets of a non-empty piece of the view."""
        return self.starts[start], self.ends[end - 1]

    def before(self, inner: View) -> View:
        """``inner``, a view of this view's text, as a view of this view's own original."""
        return View(
            inner.text, [self.starts[start] for start in inner.starts], [self.ends[end - 1] for end in inner.ends]
        )


class Views:
    """All views of one text, each made when first asked for.

    ``*_text`` are texts alone; ``folded``, ``plain``, ``squeezed`` and ``pinyin`` are the same with their offsets in
    the original.
    """

    def __init__(self, original: str) -> None:
        """Nothing is computed yet."""
        self.original = original

    @cached_property
    def folded_text(self) -> str:
        """Text of the folded view."""
        return self.original.lower() if self.original.isascii() else self.original.translate(FOLDED)

    @cached_property
    def plain_text(self) -> str:
        """Text of the plain view."""
        return _plain_text(self.folded_text)

    @cached_property
    def squeezed_text(self) -> str:
        """Text of the squeezed view."""
        return _squeezed_text(self.folded_text)

    @cached_property
    def pinyin_text(self) -> str:
        """Text of the pinyin view."""
        return self.squeezed_text.translate(PINYIN)

    @cached_property
    def has_chinese(self) -> bool:
        """Whether there is a Han character, folded."""
        return not self.folded_text.isascii() and _HAN.search(self.folded_text) is not None

    @cached_property
    def has_latin(self) -> bool:
        """Whether there is a Latin letter, folded."""
        return _LATIN.search(self.folded_text) is not None

    @cached_property
    def has_emoji(self) -> bool:
        """Whether there is an emoji with a name."""
        text = self.folded_text
        if text.isascii() or not _MAYBE_EMOJI.search(text):
            return False
        return not emoji_words("en").keys().isdisjoint(map(ord, set(text)))

    @cached_property
    def folded(self) -> View:
        """Folded view with offsets."""
        return fold(self.original)

    @cached_property
    def plain(self) -> View:
        """Plain view with offsets."""
        return self.folded.before(_plain(self.folded.text))

    @cached_property
    def squeezed(self) -> View:
        """Squeezed view with offsets."""
        return self.folded.before(_squeeze(self.folded.text))

    @cached_property
    def pinyin(self) -> View:
        """Pinyin view with offsets."""
        return self.squeezed.before(_expand(self.squeezed.text, PINYIN))

    def worded(self, language: str) -> View:
        """Folded view with emoji as words of a language, with offsets."""
        return self.folded.before(_expand(self.folded.text, emoji_words(language)))


def make_views(text: str) -> Views:
    """All views of a text."""
    return Views(text)


def fold(text: str) -> View:
    """The folded view. Folding twice equals folding once; the fold of two texts joined is the two folds joined.

    What folds to nothing belongs to the character before it, so that no mark is left behind where one is cut.
    """
    if text.isascii():
        return View(text.lower(), range(len(text)), range(1, len(text) + 1))
    pieces: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    last = 0
    for index, character in enumerate(text):
        piece = FOLDED[ord(character)] or ""
        if piece:
            pieces.append(piece)
            starts.extend([index] * len(piece))
            ends.extend([index + 1] * len(piece))
            last = len(piece)
        elif last:
            ends[-last:] = [index + 1] * last
    return View("".join(pieces), starts, ends)


def plain_view(view: View) -> View:
    """The plain view of a folded view."""
    return view.before(_plain(view.text))


def squeezed_view(view: View) -> View:
    """The squeezed view of a folded view."""
    return view.before(_squeeze(view.text))


def plain_text(text: str) -> str:
    """The plain view's text alone; patterns go through it too."""
    return make_views(text).plain_text.strip()


def squeezed_text(text: str) -> str:
    """The squeezed view's text alone, without sentence breaks; patterns go through it too."""
    return make_views(text).squeezed_text.replace(BREAK, "")


def repaired(views: Views) -> str:
    """The text a classifier reads: disguises undone where a word shows one, other words as they are."""
    words = views.plain_text.replace(BREAK, " ").split()
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


def guess_language(text: str) -> str:
    """``zh`` where at least a tenth of the letters are Han (a Han character says more than a letter), else ``en``."""
    if text.isascii():
        return "en"
    han = len(_HAN.findall(text))
    return "zh" if han and han * 10 >= len(_NOT_LETTERS.sub("", text)) else "en"


def _plain_text(folded: str) -> str:
    return _SEPARATORS.sub(_one_separator, _SENTENCE_END.sub(BREAK, folded))


def _one_separator(match: re.Match[str]) -> str:
    return BREAK if BREAK in match[0] else " "


def _squeezed_text(folded: str) -> str:
    read = _SYMBOL_READ_AS_LETTER.sub(lambda match: LEET_SYMBOLS[match[0]], folded)
    return _REPEATED.sub("", _SENTENCE_END.sub(BREAK, read).translate(SQUEEZED))


def _expand(text: str, table: Mapping[int, str | None]) -> View:
    """A view with each character replaced by a table's text, if it has one."""
    pieces: list[str] = []
    starts: list[int] = []
    for index, character in enumerate(text):
        piece = character.translate(table)
        pieces.append(piece)
        starts.extend([index] * len(piece))
    return View("".join(pieces), starts, [start + 1 for start in starts])


def _plain(folded: str) -> View:
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for index, character in enumerate(folded):
        if character.isalnum():
            characters.append(character)
        else:
            separator = BREAK if _ends_sentence(folded, index) else " "
            if characters and characters[-1] in {" ", BREAK}:
                ends[-1] = index + 1
                characters[-1] = BREAK if separator == BREAK else characters[-1]
                continue
            characters.append(separator)
        starts.append(index)
        ends.append(index + 1)
    return View("".join(characters), starts, ends)


def _squeeze(folded: str) -> View:
    """The squeezed view over a folded text."""
    characters: list[str] = []
    starts: list[int] = []
    ends: list[int] = []
    for index in range(len(folded)):
        letter = _read_as_letter(folded, index)
        if not letter:
            if not _ends_sentence(folded, index) or (characters and characters[-1] == BREAK):
                continue
            letter = BREAK
        elif characters and characters[-1] == letter and not is_chinese(letter):
            ends[-1] = index + 1
            continue
        characters.append(letter)
        starts.append(index)
        ends.append(index + 1)
    return View("".join(characters), starts, ends)


def _read_as_letter(text: str, index: int) -> str:
    """The letter a character stands for in the squeezed view; empty for a separator."""
    character = text[index]
    if character in LEET_SYMBOLS:
        beside = text[max(0, index - 1) : index] + text[index + 1 : index + 2]
        character = LEET_SYMBOLS[character] if any(c.isascii() and c.isalnum() for c in beside) else ""
        return character and (SQUEEZED[ord(character)] or "")
    return "" if character == BREAK else SQUEEZED[ord(character)] or ""


def _ends_sentence(text: str, index: int) -> bool:
    character = text[index]
    if character in SENTENCE_ENDS:
        return True
    return character in SENTENCE_ENDS_BEFORE_SPACE and text[index + 1 : index + 2].isspace()


def _unleet(word: str) -> str:
    """A word with digits between its letters, read as letters; numbers and Chinese stay."""
    mixed = any(c in LEET or c in CONFUSABLES for c in word) and any("a" <= c <= "z" for c in word)
    return "".join(LEET.get(c) or CONFUSABLES.get(c) or c for c in word) if mixed else word
