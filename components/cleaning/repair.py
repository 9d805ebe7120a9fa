"""Encoding repair: text that was decoded with the wrong codec, written as it was meant.

Two families: UTF-8 read as Latin-1, Windows-1252 or MacRoman, repeatedly even (ftfy, Speer 2019, which changes text
only where the result is clearly less odd), and Chinese: UTF-8 read as GBK ("鍖椾含" for "北京") and GBK read as Latin-1
("ÖÐÎÄ" for "中文"). Chinese runs are changed only if they decode without any error to common characters.

Properties: repairing twice equals repairing once; text in order is left as it is, character by character.
"""

from __future__ import annotations

import codecs
import re
from functools import cache

# What UTF-8 read as a single-byte codec must hold: a lead byte's character, then a continuation byte's.
_MAYBE_SINGLE_BYTE = re.compile(
    "[\u00c2-\u00f4][\u0080-\u00bf\u20ac\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u017d\u2018"
    "\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u017e\u0178 ]|[\u221a\u00ac][\u0080-\u2fff]"
)
# A character whose bytes were no valid GBK was lost on the way and left a replacement character behind.
_GBK_RUN = re.compile("(?P<torn>\ufffd?)(?P<run>[^\x00-\x7f\ufffd]{3,})(?=(?P<cut>\ufffd?))")
_LATIN_RUN = re.compile("[\u00a1-\u00ff]{8,}")
_CONTINUATION = bytes(range(0x80, 0xC0))
_MIN_REPAIRED = 2
_MIN_COMMON_SHARE = 0.9
_MAX_PASSES = 4


def repair_encoding(text: str) -> str:
    """The text with wrong decodings undone; the very same text where nothing is clearly wrong."""
    if text.isascii():
        return text
    for _ in range(_MAX_PASSES):
        repaired = _LATIN_RUN.sub(_latin_to_gbk, text)
        repaired = _GBK_RUN.sub(_gbk_to_utf8, repaired)
        if _MAYBE_SINGLE_BYTE.search(repaired) is not None:
            from ftfy import fix_encoding

            repaired = fix_encoding(repaired)
        if repaired == text:
            break
        text = repaired
    return text


def _gbk_to_utf8(match: re.Match[str]) -> str:
    """A run that was UTF-8 before somebody read it as GBK: Chinese in GBK is almost never valid UTF-8 by chance."""
    run = match["run"]
    try:
        data = run.encode("gb18030")
        if match["torn"]:
            data = data.lstrip(_CONTINUATION)
        # Not final: a torn character at the end is left out rather than refused.
        decoder = codecs.getincrementaldecoder("utf-8")()
        meant = decoder.decode(data, final=not match["cut"])
    except UnicodeError:
        return match[0]
    return match["torn"] + meant if _common_han(meant) and not _common_han(run) else match[0]


def _latin_to_gbk(match: re.Match[str]) -> str:
    """A run that was GB 2312 before somebody read it as Latin-1: no language has eight accented letters in a row."""
    try:
        meant = match[0].encode("latin-1").decode("gb2312")
    except UnicodeError:
        return match[0]
    return meant if _common_han(meant) else match[0]


def _common_han(text: str) -> bool:
    """Whether there are Chinese characters, nearly all of them from the 3,755 of GB 2312's first level."""
    han = [sign for sign in text if "\u3400" <= sign <= "\u9fff"]
    if len(han) < _MIN_REPAIRED:
        return False
    odd = sum(not ("\u3000" <= sign <= "\u9fff" or "\uff00" <= sign <= "\uffef") for sign in text)
    return odd == 0 and len(_first_level().intersection(han)) >= _MIN_COMMON_SHARE * len(set(han))


@cache
def _first_level() -> frozenset[str]:
    """The characters of GB 2312 rows 16 to 55."""
    cells = (bytes([row + 0xA0, cell + 0xA0]) for row in range(16, 56) for cell in range(1, 95))
    return frozenset("".join(pair.decode("gb2312", "ignore") for pair in cells))
