"""One spelling for characters that look alike, so that every expression is written once.

Full-width letters and digits, digits of other scripts, dashes and spaces become ASCII, a zero-width character becomes
U+200B. One character for one: offsets into the folded text are offsets into the text.
"""

from __future__ import annotations

import unicodedata

ZERO_WIDTH = "\u200b"
_ZERO_WIDTH = "\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\ufeff\u00ad\u180e\u034f\u202a\u202c\u2066\u2069"
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_SPACES = "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000\t"
# Full-width punctuation that stands inside identifiers; the rest of it is Chinese punctuation and stays.
_WIDE_PUNCTUATION = "\uff03\uff0b\uff0e\uff0f\uff20\uff3f"

# Digits that people write out: 一三八…; 幺, 两 and 廿 are how numbers are read aloud or avoided.
NUMERALS = {
    numeral: str(value)
    for value, spellings in enumerate(
        ("零〇", "一壹幺", "二贰兩两貳", "三叁參", "四肆", "五伍", "六陆陸", "七柒", "八捌", "九玖")
    )
    for numeral in spellings
}

_AFTER_LAST_DIGIT = 0x20000  # no plane above the first has decimal digits


def _table() -> dict[str, str]:
    table = dict.fromkeys(_ZERO_WIDTH, ZERO_WIDTH) | dict.fromkeys(_DASHES, "-") | dict.fromkeys(_SPACES, " ")
    for code in [*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B), *map(ord, _WIDE_PUNCTUATION)]:
        table[chr(code)] = chr(code - 0xFEE0)
    for character in map(chr, range(0x80, _AFTER_LAST_DIGIT)):
        if character.isdecimal():
            table.setdefault(character, str(unicodedata.decimal(character)))
    for code in range(0x24B6, 0x24EA):  # circled letters
        table[chr(code)] = unicodedata.normalize("NFKC", chr(code))
    for first, value in ((0x2460, 1), (0x2776, 1), (0x2780, 1)):  # circled digits one to nine
        table |= {chr(first + offset): str(value + offset) for offset in range(9)}
    table |= {"\u24ea": "0", "\u24ff": "0"}
    return table


FOLDED = _table()
_FOLDABLE = frozenset(FOLDED)


def fold(text: str) -> str:
    """``text`` with look-alikes in their ASCII spelling, of the same length."""
    for character in _FOLDABLE.intersection(text):
        text = text.replace(character, FOLDED[character])
    return text
