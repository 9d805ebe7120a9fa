"""Telephone numbers: digit groups judged by shape, by a word before them and by national numbering plans.

Numbering plans are those of ``phonenumbers`` (Google's libphonenumber). A shape that is common enough to be no
accident (a Chinese mobile, a North American number with separators, an international prefix) needs no plan, since
made-up and retired numbers are personal data too where a person wrote them as theirs.
"""

from __future__ import annotations

import re
from functools import lru_cache

from components.scrubbing.detectors.context import is_named, is_other
from components.scrubbing.detectors.numbers import Run
from components.scrubbing.spans import Span

_NAME = "phones"

_CANDIDATE = re.compile(
    r"(?<![\w.+\-])(?:(?<!\d[ ,:/])|(?=\+))"
    r"(?:\+|00(?=[1-9]))?[ ]?(?:\(\+?\d{1,5}\)|\d)(?:[ .\-]?\(\d{1,4}\)|[ .\-]{0,2}\d){5,15}"
    r"(?:[ ]?(?:x|ext\.?|转|分机)[ ]?\d{1,5}){0,2}(?![\w/%]|[.,:\-]\d|\u00b0)",
    re.ASCII | re.IGNORECASE,
)
_CN_MOBILE = re.compile(r"(?<![\d+\-.])(?:(?:\+|00)?86[ \-]?)?1[3-9]\d(?:[ .\-]?\d{4}){2}(?!\d|[.\-]\d)", re.ASCII)
_CN_LANDLINE = re.compile(
    r"(?<![\d+\-.])\(?0(?:10|2\d|[3-9]\d{2})\)?[ \-]?[1-9]\d{6,7}(?:[ \-]\d{1,5})?(?!\d|[.\-]\d)", re.ASCII
)
_CN_SERVICE = re.compile(r"(?<![\d+\-.])[48]00[ \-]?\d{3}[ \-]?\d{4}(?!\d|[.\-]\d)", re.ASCII)
_NANP = re.compile(r"(?:\+?1[ .\-]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[.\- ])[2-9]\d{2}[.\- ]\d{4}")
_NANP_PLAIN = re.compile(r"[2-9]\d{9}")
_NANP_ANYWHERE = re.compile(
    r"(?<![\w.+\-/])(?:\+?1[ .\-]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}([.\- ]))[2-9]\d{2}[.\- ]\d{4}(?![\w\-]|\.\d)",
    re.ASCII,
)
_SEVEN = re.compile(r"[2-9]\d{2}[ \-]\d{4}")
_DATE = re.compile(
    r"(?:1\d|20)\d{2}[ .\-]{1,3}(?:0?[1-9]|1[0-2])[ .\-]\d{1,2}|\d{1,2}[ .\-]\d{1,2}[ .\-](?:1\d|20)\d{2}"
)
_YEAR_BEHIND = re.compile(r"[ (](?:1\d|20)\d{2}\)?(?:[ ]\d{1,3}(?:-\d{1,3})?)?$")
_SPREAD = re.compile(r"\d(?:[ .-]\d)+")  # scores and tables; ``respelled`` reads numbers that are written so
_DECIMAL = re.compile(r"\d+\.\d{1,3}(?:[ -]+\d+\.\d{1,3})*")
_YEARS = re.compile(r"(?:1\d|20)\d{2}(?:[ ]{0,2}[-,. ][ ]{0,2}(?:1\d|20)?\d{2})+")
_THOUSANDS = re.compile(r"\d{1,3}(?:[ .]\d{3})+")
_NOT_DIGIT = re.compile(r"\D+", re.ASCII)
_MAX_NATIONAL = 12  # digits of the longest number of these plans, with its trunk prefix
# Countries whose plans are tried for a grouped number without an international prefix.
_REGIONS = ("US", "GB", "CN", "TW", "HK", "DE", "FR", "IN", "AU", "IL", "BR", "ES", "IT", "NL", "CH", "PL", "JP", "KR")


def find_phones(run: Run, out: list[Span]) -> None:
    """Numbers of 7 to 15 digits in a run, Chinese and international, scored by the best reason there is."""
    text = run.text
    before = len(out)
    behind = min(len(text), run.end + 16)
    _find_chinese(run, behind, out)
    if not run.starts_clean() or (len(out) > before and out[-1].end >= run.end and out[-1].score >= 0.9):
        return
    for match in _CANDIDATE.finditer(text, max(0, run.start - 3), behind):
        value = match.group()
        start = match.start() + len(value) - len(value.lstrip())
        if start > run.end:
            break
        score = _score(value.strip(), text, start, match.end())
        if score:
            out.append(Span(start, match.end(), "PHONE_NUMBER", score, _NAME))
        if match.end() >= run.end:
            break
    if len(run.digits) >= (14 if len(out) > before else 10):  # several numbers side by side are no candidate together
        out += [
            Span(match.start(), match.end(), "PHONE_NUMBER", 0.75, _NAME)
            for match in _NANP_ANYWHERE.finditer(text, max(0, run.start - 3), behind)
        ]


def _find_chinese(run: Run, behind: int, out: list[Span]) -> None:
    """Mobile numbers of mainland China with or without +86, fixed lines with area code, and 400 or 800 numbers."""
    text, first = run.text, max(0, run.start - 3)
    if len(run.digits) >= 11:
        out += [
            Span(match.start(), match.end(), "PHONE_NUMBER", 0.9, _NAME)
            for match in _CN_MOBILE.finditer(text, first, behind)
        ]
    if len(run.digits) < 10 or not run.starts_clean():
        return
    if run.digits[0] == "0" or len(run.digits) > 12:
        for match in _CN_LANDLINE.finditer(text, first, behind):
            plain = match.group().isdigit()
            named = is_named("PHONE_NUMBER", text, match.start(), match.end())
            score = 0.85 if named else 0.5 if plain else 0.7
            out.append(Span(match.start(), match.end(), "PHONE_NUMBER", score, _NAME))
    service = _CN_SERVICE.match(text, run.start, behind) if text[run.start] in "48" else None
    if service is not None and is_named("PHONE_NUMBER", text, service.start(), service.end()):
        out.append(Span(service.start(), service.end(), "PHONE_NUMBER", 0.8, _NAME))


def _score(value: str, text: str, start: int, end: int) -> float:  # noqa: PLR0911 - a line a reason
    """0 for no phone number."""
    if value[0] != "+" and _NANP.match(value):
        return 0.9 if is_named("PHONE_NUMBER", text, start, end) else 0.4 if is_other(text, start) else 0.75
    digits = len(_NOT_DIGIT.sub("", value))
    if not 7 <= digits <= 19 or _DATE.match(value) or _YEARS.fullmatch(value):
        return 0.0
    if _DECIMAL.fullmatch(value) or _SPREAD.fullmatch(value):
        return 0.0
    named = is_named("PHONE_NUMBER", text, start, end)
    if value[0] == "+":
        return 0.9 if named or _has_country(value) else 0.6
    if named and (digits >= 8 or _SEVEN.fullmatch(value)):
        return 0.4 if is_other(text, start) else 0.8
    grouped = any(character in " .-()" for character in value)
    if _THOUSANDS.fullmatch(value) or is_other(text, start):
        return 0.0
    if not grouped:
        alone = _NANP_PLAIN.fullmatch(value) and _stands_alone(text, start, end)
        return 0.5 if alone or _is_plain_number(value) else 0.0
    if _YEAR_BEHIND.search(value):  # a volume or an amount and its year: 56 (1925), 533.45 (2004)
        return 0.0
    if value.startswith("00") or (value[0] in "0(" and digits >= 9):
        return 0.6
    return 0.55 if 9 <= digits <= _MAX_NATIONAL and is_in_a_plan(_NOT_DIGIT.sub("", value)) else 0.0


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether the number is the whole line, as in a list of numbers or a cell of a table."""
    return not text[text.rfind("\n", 0, start) + 1 : start].strip() and not text[end : end + 2].strip(" \n\r,.;")


@lru_cache(maxsize=1)
def _country_codes() -> frozenset[str]:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return frozenset(map(str, COUNTRY_CODE_TO_REGION_CODE))


def _has_country(value: str) -> bool:
    """Whether a number with a plus opens with a country code and has the digits of an E.164 number."""
    digits = _NOT_DIGIT.sub("", value.lower().partition("x")[0])
    return 8 <= len(digits) <= 16 and any(digits[:length] in _country_codes() for length in (1, 2, 3))


@lru_cache(maxsize=4)
def _plans(regions: tuple[str, ...]) -> re.Pattern[str]:
    """The numbers that these countries have given out, with or without the trunk prefix."""
    from phonenumbers import PhoneMetadata

    plans = []
    for region in regions:
        metadata = PhoneMetadata.metadata_for_region(region)
        if metadata is None:
            raise KeyError(f"phonenumbers has no plan for {region}")
        kinds = (
            metadata.fixed_line, metadata.mobile, metadata.toll_free, metadata.premium_rate, metadata.shared_cost,
            metadata.voip, metadata.personal_number, metadata.pager, metadata.uan,
        )  # fmt: skip
        numbers = {kind.national_number_pattern for kind in kinds if kind is not None and kind.national_number_pattern}
        plans.append(f"(?:{metadata.national_prefix or ''})?(?:{'|'.join(sorted(numbers))})")
    return re.compile("|".join(plans))


def is_in_a_plan(digits: str) -> bool:
    """Whether the digits are a national number of one of the countries whose plans are tried."""
    return _plans(_REGIONS).fullmatch(digits) is not None


def _is_plain_number(digits: str) -> bool:
    """Ten digits of the North American plan, or ten and eleven of any plan behind its trunk prefix 0."""
    if digits[0] == "0":
        return 10 <= len(digits) <= 11 and is_in_a_plan(digits)
    return len(digits) == 10 and _plans(("US", "CA")).fullmatch(digits) is not None
