"""Text normalisation: what a reader cannot see goes, what means the same is written the same.

Properties: normalising twice equals normalising once; the result has no control, bidirectional or zero-width
character (a zero-width joiner inside an emoji stays, it is visible) and is NFC.
"""

from __future__ import annotations

import re
import unicodedata

_SURROGATES = re.compile("[\ud800-\udfff]")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028]")
# Controls but tab and newline; soft hyphen, grapheme joiner, Arabic letter mark, Hangul fillers, Mongolian separator,
# zero-width and directional marks, embeddings, isolates, byte-order mark, annotation marks, tags, noncharacters.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200c\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e0fff]"
)
_EMOJI = "[\u2190-\u2bff\u3030\u303d\U0001f000-\U0001faff]"
_JOINER_OUTSIDE_EMOJI = re.compile(f"\u200d(?!{_EMOJI})|(?<!{_EMOJI[:-1]}\ufe0f])\u200d")
_SPACES = re.compile("[\t\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_SPACE_RUN = re.compile("  +")
_LINE_EDGES = re.compile(" ?\n ?")
_MANY_LINES = re.compile("\n{3,}")
# One look that tells almost every clean text from one that needs work.
_NEEDS_WORK = re.compile(
    "[^\x20-\x7e\n\xa1-\xac\xae-\u02ff\u2010-\u2027\u2030-\u205e\u3001-\u3029\u4e00-\u9fff\uff01-\uff5e]|  | \n|\n[ \n]"
)


def normalise_text(text: str) -> str:
    """NFC, no lone surrogates, control, zero-width or bidirectional characters; plain spaces; no two blank lines."""
    if _NEEDS_WORK.search(text) is None:
        return text.strip()
    text = _SURROGATES.sub("", text)
    text = _LINE_ENDS.sub("\n", text.replace("\u2029", "\n\n"))
    # Before NFC: a mark between a letter and its accent would otherwise keep them from composing until the next pass.
    text = _JOINER_OUTSIDE_EMOJI.sub("", _INVISIBLE.sub("", text))
    text = unicodedata.normalize("NFC", text)
    text = _SPACE_RUN.sub(" ", _SPACES.sub(" ", text))
    return _MANY_LINES.sub("\n\n", _LINE_EDGES.sub("\n", text)).strip(" \n")


def strip_unusable(text: str) -> str:
    """The text without NUL and lone surrogates, otherwise as it came: what nothing downstream could store."""
    return _SURROGATES.sub("", text.replace("\x00", ""))
