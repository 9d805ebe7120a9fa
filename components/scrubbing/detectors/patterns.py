"""Identifiers with a shape: found by a regular expression, proven by a check digit, a range or a word before.

Each expression is linear: no nested quantifier over the same characters. A cheap test for the characters that a
pattern cannot do without (a digit, ``@``, ``:``) comes first, since most texts hold none.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from components.scrubbing.checksums import (
    IBAN_LENGTHS,
    is_card_prefix,
    is_cn_id_shape,
    is_ssn_range,
    passes_cn_id,
    passes_iban,
    passes_luhn,
)
from components.scrubbing.spans import Span

_NAME = "patterns"

# Mail: found from the @ outwards, since a scan from the left is quadratic on long runs of letters.
_MAIL_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'+/=?^_`{|}~-]{1,64}$")
_MAIL_LOCAL_CJK = re.compile(r"[\u4e00-\u9fff]{1,4}$")
_MAIL_DOMAIN = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])")

_URL_SCHEME = re.compile(r"(?i)(?<![a-z0-9])(?:https?|ftp)://[!#$%&'()+,\-./0-9:;=?@A-Z_a-z~]{3,2000}")
_URL_BARE = re.compile(
    r"(?<![A-Za-z0-9@.\-_/])(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.){1,6}"
    r"(?:com|org|net|edu|gov|info|io|cn|co|uk|de|fr|eu|us|jp|hk|tw)"
    r"(?::\d{1,5})?(?:/[!#$%&'()+,\-./0-9:;=?@A-Z_a-z~]{0,2000})?(?![A-Za-z0-9@_-])"
)
_TRAILING = ".,;:!?'()"

_IPV4 = re.compile(r"(?<![\w.\-])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)", re.ASCII)
_IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{3,39}(?:\.\d{1,3}){0,3}(?![\w:])", re.ASCII)
_VERSION_BEFORE = re.compile(r"(?i)(?:version|release|build|firmware|\bv|版本)[号號]?\s?[:：]?\s?$")

# Digit groups with single separators; the check decides what they are.
_CARD = re.compile(
    r"(?<![\w.+\-])(?:(?P<groups>\d{4}([ \-])\d{4}\2\d{4}\2\d{4})(?:\2\d{1,3})?(?!\d)|"
    r"\d(?:[ \-]?\d){11,18}(?![ \-]?\d|\w))",
    re.ASCII,
)
_CN_ID = re.compile(
    r"(?<![0-9A-Za-z])(?:\d{17}[\dXx]|\d{6}[ \-]\d{8}[ \-]\d{3}[\dXx]|\d{6}[ \-]\d{4}[ \-]\d{4}[ \-]\d{3}[\dXx]|\d{15})"
    r"(?![0-9A-Za-z])",
    re.ASCII,
)
_CN_ID_BEFORE = re.compile(
    r"(?i)(?:身份证|身分證|身份證|居民证|证件|證件|社保|社会保障|id\s?(?:card|number|no)|identity\s(?:card|number))"
    r"[^0-9\n]{0,12}$"
)
_SSN = re.compile(r"(?<![\w.+\-])(\d{3})([ \-]?)(\d{2})\2(\d{4})(?![\w\-])", re.ASCII)
_SSN_BEFORE = re.compile(r"(?i)(?:\bssn|social security|社会安全号|社会安全号码)[^0-9\n]{0,16}$")
_CARD_BEFORE = re.compile(r"(?i)(?:\bcard|银行卡|信用卡|卡号|行卡|銀行卡|卡號|账号|賬號)[^0-9\n]{0,12}$")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Za-z0-9]){11,30}", re.ASCII)


class PatternDetector:
    """Mail, URL, card, IBAN, IP, CN resident id and US social security number."""

    name = _NAME
    labels = frozenset({"EMAIL_ADDRESS", "URL", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS", "CN_ID_CARD", "US_SSN"})

    def detect(self, text: str, lang: str) -> Iterator[Span]:  # noqa: ARG002 - shapes are the same everywhere
        """Spans of all these labels."""
        if "@" in text:
            yield from find_mail(text)
        if "." in text:
            yield from find_urls(text)
        if "::" in text or text.count(":") >= 7:
            yield from find_ipv6(text)
        if _has_digit_run(text):
            yield from find_ipv4(text)
            yield from find_cards(text)
            yield from find_cn_ids(text)
            yield from find_ssns(text)
            yield from find_ibans(text)


_DIGITS = re.compile(r"\d{2}|\d[.\- ]\d", re.ASCII)


def _has_digit_run(text: str) -> bool:
    return _DIGITS.search(text) is not None


def _before(pattern: re.Pattern[str], text: str, start: int, width: int = 40) -> bool:
    """Whether a context word ends right before ``start``."""
    return pattern.search(text[max(0, start - width) : start]) is not None


def find_mail(text: str) -> Iterator[Span]:
    """Mail addresses; a local part of up to four Chinese characters counts where no Latin one stands."""
    at = text.find("@")
    while at != -1:
        window = text[max(0, at - 64) : at]
        local = _MAIL_LOCAL.search(window) or _MAIL_LOCAL_CJK.search(window)
        domain = _MAIL_DOMAIN.match(text, at + 1)
        if local and domain:
            yield Span(at - len(local.group()), domain.end(), "EMAIL_ADDRESS", 1.0, _NAME)
        at = text.find("@", at + 1)


def find_urls(text: str) -> Iterator[Span]:
    """Addresses with a scheme, and bare host names under common top-level domains."""
    if "://" in text:
        for match in _URL_SCHEME.finditer(text):
            yield from _trimmed_url(match, 0.95)
    for match in _URL_BARE.finditer(text):
        yield from _trimmed_url(match, 0.7)


def _trimmed_url(match: re.Match[str], score: float) -> Iterator[Span]:
    length = len(match.group().rstrip(_TRAILING))
    if "." in match.group()[:length] or "://" in match.group()[:length]:
        yield Span(match.start(), match.start() + length, "URL", score, _NAME)


def find_ipv4(text: str) -> Iterator[Span]:
    """Dotted quads below 256; after the word version they are none."""
    for match in _IPV4.finditer(text):
        if all(int(octet) < 256 for octet in match.group().split(".")):
            score = 0.3 if _before(_VERSION_BEFORE, text, match.start(), 16) else 0.9
            yield Span(match.start(), match.end(), "IP_ADDRESS", score, _NAME)


def find_ipv6(text: str) -> Iterator[Span]:
    """Whatever the standard library parses, with at least two colons and a digit."""
    for match in _IPV6.finditer(text):
        value = match.group()
        if value.count(":") < 2 or not any(character.isdigit() for character in value):
            continue
        try:
            ipaddress.IPv6Address(value)
        except ValueError:
            continue
        yield Span(match.start(), match.end(), "IP_ADDRESS", 0.95, _NAME)


def find_cards(text: str) -> Iterator[Span]:
    """Card numbers: issuer range and Luhn, or a word for card before a number in an issuer range."""
    for match in _CARD.finditer(text):
        ends = [match.end(), match.end("groups")] if match["groups"] else [match.end()]
        numbers = {end: re.sub(r"[ \-]", "", text[match.start() : end]) for end in ends}
        fitting = {end: digits for end, digits in numbers.items() if is_card_prefix(digits)}
        proven = [end for end, digits in fitting.items() if passes_luhn(digits)]
        named = _before(_CARD_BEFORE, text, match.start())
        if proven:
            yield Span(match.start(), proven[0], "CREDIT_CARD", 1.0 if named else 0.9, _NAME)
        elif fitting and named:
            yield Span(match.start(), min(fitting), "CREDIT_CARD", 0.6, _NAME)


def find_cn_ids(text: str) -> Iterator[Span]:
    """Resident identity numbers: checksum, or a plausible one behind a word for it (typing errors leak too)."""
    for match in _CN_ID.finditer(text):
        number = re.sub(r"[ \-]", "", match.group())
        if not is_cn_id_shape(number):
            continue
        named = _before(_CN_ID_BEFORE, text, match.start())
        if len(number) == 18 and passes_cn_id(number):
            yield Span(match.start(), match.end(), "CN_ID_CARD", 1.0, _NAME)
        elif named:
            yield Span(match.start(), match.end(), "CN_ID_CARD", 0.75, _NAME)


def find_ssns(text: str) -> Iterator[Span]:
    """Issued ranges written with dashes, or in any form behind the words for it."""
    for match in _SSN.finditer(text):
        if not is_ssn_range(match[1] + match[3] + match[4]):
            continue
        if _before(_SSN_BEFORE, text, match.start()):
            yield Span(match.start(), match.end(), "US_SSN", 0.95, _NAME)
        elif match[2] == "-":
            yield Span(match.start(), match.end(), "US_SSN", 0.8, _NAME)


def find_ibans(text: str) -> Iterator[Span]:
    """Account numbers whose country, length and remainder agree; words after the number are cut off."""
    for match in _IBAN.finditer(text):
        length = IBAN_LENGTHS.get(match.group()[:2])
        end = _end_of(text, match.start(), length) if length else None
        if end is None or (end < len(text) and text[end].isascii() and text[end].isalnum()):
            continue
        if passes_iban(text[match.start() : end].replace(" ", "").upper()):
            yield Span(match.start(), end, "IBAN_CODE", 1.0, _NAME)


def _end_of(text: str, start: int, characters: int) -> int | None:
    """The offset after ``characters`` letters or digits from ``start``, spaces not counted."""
    for offset in range(start, len(text)):
        if text[offset] != " ":
            characters -= 1
            if characters == 0:
                return offset + 1
    return None
