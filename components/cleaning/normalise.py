"""Text normalisation: what a reader cannot see goes, what means the same is written the same.

Properties: normalising twice equals normalising once; the result is NFC and has no control or bidirectional character
and no invisible one but where it changes what is seen: a zero-width joiner inside an emoji, a joiner or non-joiner
between letters of a script that joins (Arabic, the Indic ones, RFC 5892 appendix A), one variation selector after an
emoji, a symbol or an ideograph, the tags of a flag. A run of such characters, which could carry a hidden message,
never stays (UTS 51, emoji sequences; UTS 37, ideographic variation).
"""

from __future__ import annotations

import re
import unicodedata

_SURROGATES = re.compile("[\ud800-\udfff]")
_LINE_ENDS = re.compile("\r\n?|[\x0b\x0c\x85\u2028]")
# Controls but tab and newline; soft hyphen, grapheme joiner, Arabic letter mark, Hangul fillers, zero-width space,
# directional marks, embeddings, isolates, byte-order mark, annotation marks, tags but those of flags, noncharacters.
_ALWAYS_INVISIBLE = (
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000e0000-\U000e001f\U000e0080-\U000e00ff"
    "\U000e01f0-\U000e0fff]"
)
_EMOJI = "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_HAN = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003347f"
# Arabic to Mandaic and its extensions, the Indic scripts to Sinhala, Tibetan, Myanmar, Khmer, Mongolian, Balinese and
# its neighbours, Arabic presentation forms, the historic scripts of the same families.
_JOINING = "\u0600-\u0fff\u1000-\u109f\u1780-\u18af\u1b00-\u1c4f\ufb50-\ufdff\ufe70-\ufefc\U00010a00-\U00011fff"
_VIRAMA = (
    "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d3b\u0d3c\u0d4d\u0dca\u0f84\u1039\u103a\u17d2\u1b44\u1baa\u1bab"
)
_BLACK_FLAG = "\U0001f3f4"
_TAGS = "\U000e0020-\U000e007e"
_END_TAG = "\U000e007f"
# One alternative a kind; the first group is what stays, so every other match goes.
_SELECTIVE = re.compile(
    f"({_BLACK_FLAG}[{_TAGS}]{{1,8}}{_END_TAG})|[{_TAGS}{_END_TAG}]"
    f"|(?<=[{_EMOJI}])(\u200d)(?=[{_EMOJI}])|(?<=[{_EMOJI}]\ufe0f)(\u200d)(?=[{_EMOJI}])"
    f"|(?<=[{_VIRAMA}])([\u200c\u200d])|(?<=[{_JOINING}])([\u200c\u200d])(?=[{_JOINING}])"
    f"|[\u200c\u200d]"
    f"|(?<=[{_EMOJI}0-9#*\u2010-\u2027\u2030-\u205e\u2070-\u2bff{_HAN}\u3001-\u303f])([\ufe00-\ufe0f])|(?<=[{_HAN}])([\U000e0100-\U000e01ef])"
    f"|(?<=[\u1820-\u18aa])([\u180b-\u180f])|(?<=[\u1000-\u109f\ua840-\ua87f])(\ufe00)"
    "|[\ufe00-\ufe0f\u180b-\u180f\U000e0100-\U000e01ef]"
)
_INVISIBLE = re.compile(_ALWAYS_INVISIBLE)
_JOINER_RUN = re.compile("([\u200c\u200d])[\u200c\u200d]+")
_SPACES = re.compile("[\t\xa0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_SPACE_RUN = re.compile("  +")
_LINE_EDGES = re.compile(" ?\n ?")
_MANY_LINES = re.compile("\n{3,}")
# One look that tells almost every clean text from one that needs work.
_NEEDS_WORK = re.compile(
    "[^\x20-\x7e\n\xa1-\xac\xae-\u02ff\u2010-\u2027\u2030-\u205e\u3001-\u3029\u4e00-\u9fff\uff01-\uff5e]|  | \n|\n[ \n]"
)
_MAX_PASSES = 8


def normalise_text(text: str) -> str:
    """NFC, no lone surrogates, control, zero-width or bidirectional characters; plain spaces; no two blank lines."""
    if _NEEDS_WORK.search(text) is None:
        return text.strip()
    text = _SURROGATES.sub("", text)
    text = _LINE_ENDS.sub("\n", text.replace("\u2029", "\n\n"))
    # Before NFC: a mark between a letter and its accent would otherwise keep them from composing until the next pass.
    text = unicodedata.normalize("NFC", strip_invisible(text))
    text = _SPACE_RUN.sub(" ", _SPACES.sub(" ", text))
    return _MANY_LINES.sub("\n\n", _LINE_EDGES.sub("\n", text)).strip(" \n")


def strip_invisible(text: str) -> str:
    """The text without invisible characters but those that change what is seen. Twice equals once."""
    text = _INVISIBLE.sub("", text)
    for _ in range(_MAX_PASSES):
        # What stood around a removed character is new neighbours, so look again until nothing moves.
        stripped = unicodedata.normalize("NFC", _SELECTIVE.sub(_what_stays, _JOINER_RUN.sub(r"\1", text)))
        if stripped == text:
            return text
        text = stripped
    return _SELECTIVE.sub("", text)


def _what_stays(match: re.Match[str]) -> str:
    return match[match.lastindex] if match.lastindex else ""


def strip_unusable(text: str) -> str:
    """The text without NUL and lone surrogates, otherwise as it came: what nothing downstream could store."""
    return _SURROGATES.sub("", text.replace("\x00", ""))
