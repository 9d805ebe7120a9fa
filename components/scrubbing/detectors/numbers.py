"""Identifiers made of digits: a run of digits and separators, judged by length, check digits, ranges and words.

``NumberFinder`` gets a run of at least seven digits and asks those kinds that its count allows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from components.scrubbing.checksums import (
    is_card_prefix,
    is_cn_id_shape,
    is_itin_range,
    is_social_credit_shape,
    is_ssn_range,
    passes_aba,
    passes_cn_id,
    passes_luhn,
    passes_nhs,
    passes_social_credit,
)
from components.scrubbing.detectors.context import is_named, is_other, left_of
from components.scrubbing.spans import Span

NAME = "patterns"

# Separators inside a number: at most three in a row, so ") " and " - " hold it together.
SEPARATORS = r"[ .()\u00b7\u200b_-]"
_RUN = re.compile(rf"\d(?:{SEPARATORS}{{0,3}}\d)*", re.ASCII)
_MAX_RUN = 400
_SURE = 0.9  # nothing that another kind could say about the same characters would outweigh this
_NOT_DIGIT = re.compile(r"\D+", re.ASCII)


@dataclass(slots=True)
class Run:
    """A maximal run of digits with separators: text[start:end], and its digits alone."""

    text: str
    start: int
    end: int
    digits: str

    def starts_clean(self) -> bool:
        """Whether no letter or digit touches it on the left."""
        return not self.start or not _joins(self.text[self.start - 1])

    def ends_clean(self) -> bool:
        """Whether no letter or digit touches it on the right."""
        return self.end == len(self.text) or not _joins(self.text[self.end])


def _joins(character: str) -> bool:
    return character.isascii() and (character.isalnum() or character == "_")


Finder = Callable[[Run, list[Span]], None]
_QUAD = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)


def read_run(text: str, at: int) -> Run | None:
    """The run whose first digit stands at ``at`` or right behind."""
    match = _RUN.match(text, at, at + _MAX_RUN) or _RUN.match(text, at + 1, at + _MAX_RUN)
    if match is None:
        return None
    value = match.group()
    return Run(text, match.start(), match.end(), value if value.isdigit() else _NOT_DIGIT.sub("", value))


class NumberFinder:
    """Asks the kinds that a caller wants about a run."""

    def __init__(self, labels: Collection[str], *, others: Collection[tuple[int, int, Finder]] = ()) -> None:
        """``others`` are further kinds with the fewest and the most digits of a run that they look at."""
        wanted = frozenset(labels)
        self._finders = [(low, high, find) for names, low, high, find in _KINDS if wanted & names] + list(others)

    def judge(self, run: Run, out: list[Span]) -> None:
        """Ask the kinds whose number of digits fits, until one is sure about the whole run."""
        count = len(run.digits)
        # One group that a letter touches is a number of some kind with letters, or none.
        lettered = count == run.end - run.start and not run.starts_clean()
        if count <= 12 and _QUAD.fullmatch(run.text, run.start, run.end) and run.text[run.start - 1 : run.start] != "+":
            return  # an address of the net, which has an anchor of its own
        for low, high, find in self._finders:
            if low <= count <= high and not (lettered and find in _BARE):
                before = len(out)
                find(run, out)
                for span in out[before:]:
                    if span.score >= _SURE and span.start <= run.start and span.end >= run.end:
                        return


_CARD = re.compile(
    r"(?<![\w.+\-])(?:(?P<groups>\d{4}([ \-])\d{4}\2\d{4}\2\d{4})(?:\2\d{1,3})?(?!\d)|"
    r"\d(?:[ \-]?\d){11,18}(?![ \-]?\d|\w))",
    re.ASCII,
)


def find_cards(run: Run, out: list[Span]) -> None:
    """Card numbers: issuer range and Luhn, or a word for card before a number in an issuer range."""
    before = len(out)
    for match in _CARD.finditer(run.text, run.start, min(run.end + 1, len(run.text))):
        _judge_card(run, match.start(), match.end(), out)
        if match["groups"] and match.end("groups") < match.end() and len(out) == before:
            _judge_card(run, match.start(), match.end("groups"), out)  # digits behind it are no part of it
    if len(out) == before and 12 <= len(run.digits) <= 19 and run.starts_clean() and run.ends_clean():
        _judge_card(run, run.start, run.end, out)  # any other grouping


def _judge_card(run: Run, start: int, end: int, out: list[Span]) -> None:
    text = run.text
    digits = run.digits if start == run.start and end == run.end else _NOT_DIGIT.sub("", text[start:end])
    if not is_card_prefix(digits):
        return
    proven, named = passes_luhn(digits), is_named("CREDIT_CARD", text, start)
    if named and len(digits) == 18 and is_named("CN_ID_CARD", text, start):
        score = 0.55  # "ID card number": eighteen digits are an identity number first
    elif named:
        score = 1.0 if proven else 0.6
    elif proven:
        # Twelve digits with Luhn and a Maestro prefix are one number in forty: such need the word.
        score = 0.4 if len(digits) < 13 or is_other(text, start) else 0.9
    else:
        return
    out.append(Span(start, end, "CREDIT_CARD", score, NAME))
    if digits.startswith("62"):
        out.append(Span(start, end, "CN_BANK_CARD", min(1.0, score + 0.02), NAME))


_CN_ID = re.compile(
    r"(?<![0-9A-Za-z])(?:\d{17}[\dXx]|\d{6}[ \-]\d{4}[ \-]?\d{4}[ \-]\d{3}[\dXx]|\d{15})"
    r"(?![0-9A-Za-z])",
    re.ASCII,
)

_NOT_ID = re.compile(r"[^0-9Xx]+")
_CHECK_X = re.compile(r"[ .-]?[Xx](?![0-9A-Za-z])")


def find_cn_ids(run: Run, out: list[Span]) -> None:
    """Resident identity numbers: checksum, or behind a word for it (typing errors leak too)."""
    text, before = run.text, len(out)
    for match in _CN_ID.finditer(text, run.start, min(run.end + 3, len(text))):
        _judge_cn_id(text, match.start(), match.end(), out)
    if len(out) == before and run.starts_clean():
        end = run.end
        if len(run.digits) == 17 and (check := _CHECK_X.match(text, end)):
            end = check.end()
        elif len(run.digits) not in {15, 18} or not run.ends_clean():
            return
        _judge_cn_id(text, run.start, end, out)


def _judge_cn_id(text: str, start: int, end: int, out: list[Span]) -> None:
    number = _NOT_ID.sub("", text[start:end])
    plausible = is_cn_id_shape(number)
    if plausible and len(number) == 18 and passes_cn_id(number):
        out.append(Span(start, end, "CN_ID_CARD", 1.0, NAME))
    elif is_named("CN_ID_CARD", text, start, end):
        out.append(Span(start, end, "CN_ID_CARD", 0.85 if plausible else 0.65, NAME))


_SSN = re.compile(r"(?<![\w.+\-])(\d{3})([ .\-]?)(\d{2})\2(\d{4})(?![\w\-])", re.ASCII)
_FIELD_SIGN = re.compile(r"[:：#=]\s{0,3}$")


def find_ssns(run: Run, out: list[Span]) -> None:
    """US social security and taxpayer numbers: issued ranges, or any behind a form field that names them."""
    text = run.text
    found = False
    for match in _SSN.finditer(text, run.start, min(run.end + 1, len(text))):
        found = True
        _judge_ssn(run, match.span(), match[2], match[1] + match[3] + match[4], out)
    if not found and len(run.digits) == 9 and run.starts_clean() and run.ends_clean():
        _judge_ssn(run, (run.start, run.end), " ", run.digits, out)


def _judge_ssn(run: Run, place: tuple[int, int], separator: str, digits: str, out: list[Span]) -> None:
    text, (start, end) = run.text, place
    named = is_named("US_SSN", text, start, end)
    if is_ssn_range(digits):
        if named:
            out.append(Span(start, end, "US_SSN", 0.95, NAME))
        elif separator == "-":
            out.append(Span(start, end, "US_SSN", 0.55 if is_other(text, start) else 0.8, NAME))
    elif is_itin_range(digits) and (separator == "-" or is_named("US_ITIN", text, start)):
        out.append(Span(start, end, "US_ITIN", 0.95 if is_named("US_ITIN", text, start) else 0.45, NAME))
    elif named and _FIELD_SIGN.search(text, max(0, start - 4), start):
        out.append(Span(start, end, "US_SSN", 0.6, NAME))


_NHS = re.compile(r"(?<![\w.+\-])\d{3}([ \-]?)\d{3}\1\d{4}(?![\w\-])", re.ASCII)


def find_nhs(run: Run, out: list[Span]) -> None:
    """UK health service numbers; one telephone number in eleven passes the check too, so the words decide."""
    for match in _NHS.finditer(run.text, run.start, min(run.end + 1, len(run.text))):
        passes = passes_nhs(_NOT_DIGIT.sub("", match.group()))
        if is_named("UK_NHS", run.text, match.start(), match.end()):
            out.append(Span(match.start(), match.end(), "UK_NHS", 0.95 if passes else 0.6, NAME))
        elif passes:
            out.append(Span(match.start(), match.end(), "UK_NHS", 0.4, NAME))


_CREDIT_CODE = re.compile(r"[0-9A-Za-z]{18}(?![0-9A-Za-z])")


def find_credit_codes(run: Run, out: list[Span]) -> None:
    """CN unified social credit codes: the run is in their first eight characters."""
    text = run.text
    start = run.start
    while start > run.start - 2 and start and _joins(text[start - 1]):
        start -= 1
    match = _CREDIT_CODE.match(text, start)
    if match is None or (start and _joins(text[start - 1])):
        return
    code = match.group().upper()
    if not is_social_credit_shape(code):
        return
    if passes_social_credit(code):
        # A number of 18 digits passes one time in 31; a resident number of the same digits has the higher score.
        score = 0.95 if not code.isdigit() or "代码" in left_of(text, start) else 0.45
        out.append(Span(start, match.end(), "CN_SOCIAL_CREDIT_CODE", score, NAME))
    elif is_named("CN_SOCIAL_CREDIT_CODE", text, start):
        out.append(Span(start, match.end(), "CN_SOCIAL_CREDIT_CODE", 0.6, NAME))


_BANK = re.compile(r"(?<![\w.+\-])\d(?:[ -]?\d){7,16}(?![\w\-])", re.ASCII)


def find_bank_numbers(run: Run, out: list[Span]) -> None:
    """US account and routing numbers, which have a name before them or are nothing."""
    for match in _BANK.finditer(run.text, run.start, min(run.end + 1, len(run.text))):
        if not is_named("US_BANK_NUMBER", run.text, match.start()):
            continue
        digits = _NOT_DIGIT.sub("", match.group())
        score = 0.85 if len(digits) == 9 and passes_aba(digits) else 0.7
        out.append(Span(match.start(), match.end(), "US_BANK_NUMBER", score, NAME))


_BARE: frozenset[Finder] = frozenset({find_cards, find_cn_ids, find_ssns, find_nhs, find_bank_numbers})
_KINDS: tuple[tuple[frozenset[str], int, int, Finder], ...] = (
    (frozenset({"CREDIT_CARD", "CN_BANK_CARD"}), 12, 400, find_cards),
    (frozenset({"CN_ID_CARD"}), 15, 400, find_cn_ids),
    (frozenset({"US_SSN", "US_ITIN"}), 9, 400, find_ssns),
    (frozenset({"UK_NHS"}), 10, 400, find_nhs),
    (frozenset({"CN_SOCIAL_CREDIT_CODE"}), 7, 18, find_credit_codes),
    (frozenset({"US_BANK_NUMBER"}), 8, 400, find_bank_numbers),
)
