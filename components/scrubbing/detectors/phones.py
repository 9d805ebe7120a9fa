"""Telephone numbers: digit groups judged by shape, by a word before them and by national numbering plans.

Numbering plans are those of ``phonenumbers`` (Google's libphonenumber). A shape that is common enough to be no
accident (a Chinese mobile, a North American number with separators, an international prefix) needs no plan, since
made-up and retired numbers are personal data too where a person wrote them as theirs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.scrubbing.spans import Span

_NAME = "phones"

_CANDIDATE = re.compile(
    r"(?<![\w.+\-/:(])(?<!\d[ ,])(?:\+|00(?=[1-9]))?[ ]?(?:\(\+?\d{1,5}\)|\d)(?:[ .\-]?\(\d{1,4}\)|[ .\-]{0,2}\d){5,15}"
    r"(?:[ ]?(?:x|ext\.?|转|分机)[ ]?\d{1,5})?(?![\w/%]|[.,:\-]\d|\u00b0)",
    re.ASCII | re.IGNORECASE,
)
_CN_MOBILE = re.compile(r"(?<![\d+\-.])(?:(?:\+|00)?86[ \-]?)?1[3-9]\d(?:[ \-]?\d{4}){2}(?!\d|[.\-]\d)", re.ASCII)
_CN_LANDLINE = re.compile(
    r"(?<![\d+\-.])\(?0(?:10|2\d|[3-9]\d{2})\)?[ \-]?[2-8]\d{6,7}(?:[ \-]\d{1,5})?(?!\d|[.\-]\d)", re.ASCII
)
_NANP = re.compile(r"(?:\+?1[ .\-]?)?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}[.\- ])[2-9]\d{2}[.\- ]\d{4}")
_SEVEN = re.compile(r"[2-9]\d{2}[ \-]\d{4}")
_WORD_BEFORE = re.compile(
    r"(?i)(?:\b(?:phone|telephone|tel|mobile|cell|cellphone|fax|desk|call|calls|called|calling|text|texted|dial|reach|"
    r"ring|sms|whatsapp|hotline|contact|messages? to|answering)\b|电话|手机|座机|热线|传真|联系方式|致电|拨打|來電|"
    r"来电|電話|手機|聯繫方式|聯絡|微信|携帯|전화)"
    r"[^0-9\n]{0,24}$"
)
_NOT_BEFORE = re.compile(
    r"(?i)(?:order|invoice|ticket|case|ref|reference|account|id|no|number|版本|订单|訂單|单号|單號|编号|編號|发票)"
    r"\.?\s?(?:no|number|id|号|號)?\.?\s?[:：#]?\s?$"
)
_DATE = re.compile(r"(?:19|20)\d{2}[ .\-](?:0?[1-9]|1[0-2])[ .\-]\d{1,2}|\d{1,2}[ .\-]\d{1,2}[ .\-](?:19|20)\d{2}")
_YEARS = re.compile(r"(?:1\d|20)\d{2}[ ]?-[ ]?(?:1\d|20)?\d{2}")
_THOUSANDS = re.compile(r"\d{1,3}(?:[ .]\d{3})+")
_REGIONS = {"en": ("US", "GB"), "zh": ("CN", "TW", "HK")}


class PhoneDetector:
    """Telephone numbers, Chinese and international."""

    name = _NAME
    labels = frozenset({"PHONE_NUMBER"})

    def detect(self, text: str, lang: str) -> Iterator[Span]:
        """Spans; ``lang`` chooses the countries tried for a number without an international prefix."""
        if _has_seven_digits(text):
            yield from find_chinese_phones(text)
            yield from find_phones(text, lang)


_SEVEN_DIGITS = re.compile(r"\d[\d ().\-]{5,}\d", re.ASCII)


def _has_seven_digits(text: str) -> bool:
    return _SEVEN_DIGITS.search(text) is not None


def find_chinese_phones(text: str) -> Iterator[Span]:
    """Mobile numbers of mainland China with or without +86, and fixed lines with area code."""
    for match in _CN_MOBILE.finditer(text):
        yield Span(match.start(), match.end(), "PHONE_NUMBER", 0.9, _NAME)
    for match in _CN_LANDLINE.finditer(text):
        plain = match.group().isdigit()
        named = _word_before(text, match.start())
        yield Span(match.start(), match.end(), "PHONE_NUMBER", 0.85 if named else 0.5 if plain else 0.7, _NAME)


def find_phones(text: str, lang: str) -> Iterator[Span]:
    """Numbers of 7 to 15 digits in groups, scored by the best reason there is."""
    for match in _CANDIDATE.finditer(text):
        value = match.group()
        start = match.start() + len(value) - len(value.lstrip())
        score = _score(value.strip(), text, start, lang)
        if score:
            yield Span(start, match.end(), "PHONE_NUMBER", score, _NAME)


def _word_before(text: str, start: int) -> bool:
    return _WORD_BEFORE.search(text[max(0, start - 48) : start]) is not None


def _score(value: str, text: str, start: int, lang: str) -> float:  # noqa: PLR0911 - a line a reason
    """0 for no phone number."""
    digits = sum(character.isdigit() for character in value)
    if not 7 <= digits <= 19 or _DATE.match(value) or _YEARS.fullmatch(value):
        return 0.0
    named = _word_before(text, start)
    if value[0] == "+":
        return 0.9 if named or _is_possible(value, None) else 0.6
    if _NANP.match(value):
        return 0.9 if named else 0.75
    if named and (digits >= 8 or _SEVEN.fullmatch(value)):
        return 0.8
    grouped = any(character in " .-()" for character in value)
    if not grouped or _THOUSANDS.fullmatch(value) or _NOT_BEFORE.search(text[max(0, start - 24) : start]):
        return 0.0
    if value.startswith("00") or (value[0] in "0(" and digits >= 9):
        return 0.6
    return 0.55 if digits >= 9 and any(_is_valid(value, region) for region in _REGIONS.get(lang, ())) else 0.0


def _is_possible(value: str, region: str | None) -> bool:
    import phonenumbers

    try:
        return bool(phonenumbers.is_possible_number(phonenumbers.parse(value, region)))
    except phonenumbers.NumberParseException:
        return False


def _is_valid(value: str, region: str) -> bool:
    import phonenumbers

    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(value, region)))
    except phonenumbers.NumberParseException:
        return False
