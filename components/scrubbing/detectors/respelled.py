"""Numbers that somebody spelled so that a pattern would miss them: 1 3 8, 1.3.8, 一三八.

The spelling is undone in a short copy of the text, the number finders judge that copy, and what they find goes back
to the offsets of the text. Such a number counts only whole, and only if it is named or proven.
"""

from __future__ import annotations

import re

from components.scrubbing.detectors.folding import NUMERALS, ZERO_WIDTH
from components.scrubbing.detectors.numbers import NumberFinder, read_run
from components.scrubbing.spans import Span

NAME = "patterns"
_NUMERAL = "".join(NUMERALS)
_SEPARATOR = r"[ .\u00b7\u200b,，、_*/|~-]"
_SPREAD = re.compile(rf"[0-9xX](?:{_SEPARATOR}{{1,3}}[0-9xX])+(?![0-9A-Za-z])")
_NUMERALS = re.compile(rf"[{_NUMERAL}0-9](?:[ \u00b7\u200b、-]?[{_NUMERAL}0-9])+[xX]?")
_MAX_LENGTH = 120
_RESPELLED = 0.9  # how sure a find in another spelling is, of what it would be in plain digits
_CONTEXT_BEFORE, _CONTEXT_BEHIND = 56, 28
# A mobile number, which needs no word: nothing else has this shape.
_MOBILE = re.compile(r"1[3-9]\d{9}")


class RespelledFinder:
    """Judges numbers in another spelling with the finders for plain ones."""

    def __init__(self, numbers: NumberFinder) -> None:
        self._numbers = numbers

    def find_run(self, text: str, at: int, out: list[Span]) -> int:
        """A number in its plain spelling; ``at`` is its first digit or the character before."""
        run = read_run(text, at)
        if run is None:
            return at + 1
        if ZERO_WIDTH in text and ZERO_WIDTH in text[run.start : run.end]:
            visible = [offset for offset in range(run.start, run.end) if text[offset] != ZERO_WIDTH]
            self._judge_copy(text, visible, "".join(text[offset] for offset in visible), 0.5, out)
        else:
            self._numbers.judge(run, out)
        return run.end

    def find_spread(self, text: str, at: int, out: list[Span]) -> int:
        """Single digits with separators between; ``at`` is the first or the character before."""
        start = at if text[at : at + 1].isdigit() else at + 1
        if start and text[start - 1].isascii() and text[start - 1].isalnum():
            return at + 1
        return self._judge(text, _SPREAD.match(text, start, start + _MAX_LENGTH), out) or at + 1

    def find_numerals(self, text: str, at: int, out: list[Span]) -> int:
        """Digits in Chinese numerals, also mixed with others; ``at`` is a numeral."""
        start = at
        while start and start > at - 20 and (text[start - 1] in NUMERALS or "0" <= text[start - 1] <= "9"):
            start -= 1
        return self._judge(text, _NUMERALS.match(text, start, start + _MAX_LENGTH), out) or at + 1

    def _judge(self, text: str, match: re.Match[str] | None, out: list[Span]) -> int | None:
        if match is None:
            return None
        offsets = [o for o in range(match.start(), match.end()) if text[o] in NUMERALS or text[o] in "0123456789xX"]
        digits = "".join(NUMERALS.get(text[offset], text[offset]) for offset in offsets)
        if 7 <= len(digits) <= 24 and len(set(digits)) > 2:
            self._judge_copy(text, offsets, digits, 0.8, out)
        return match.end()

    def _judge_copy(self, text: str, offsets: list[int], plain: str, min_score: float, out: list[Span]) -> None:
        """Judge ``plain`` in the place of the characters at ``offsets``; a find counts if it takes all of it."""
        left = text[max(0, offsets[0] - _CONTEXT_BEFORE) : offsets[0]]
        run = read_run(left + plain + text[offsets[-1] + 1 : offsets[-1] + 1 + _CONTEXT_BEHIND], len(left))
        if run is None or run.start != len(left):
            return
        found: list[Span] = []
        self._numbers.judge(run, found)
        for span in found:
            if span.start != len(left) or span.end != len(left) + len(plain):
                continue
            if span.score >= min_score or (span.label == "PHONE_NUMBER" and _MOBILE.fullmatch(plain)):
                score = round(span.score * _RESPELLED, 4)
                out.append(Span(offsets[0], offsets[-1] + 1, span.label, score, NAME))
