"""Names of persons in Chinese characters, simplified and traditional. Precision before recall.

A surname of the census list with one or two more characters and a title behind (刘伟先生), a form field or an
introduction before (姓名：马超, 我叫李芳), or a telephone number behind (张三13812345678).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from components.scrubbing.detectors.words import (
    COMPOUND_SURNAMES,
    FIELDS_ZH,
    NOT_A_SURNAME_AFTER,
    NOT_GIVEN,
    NOT_NAMES,
    SURNAMES,
    TITLES_ZH,
)
from components.scrubbing.spans import Span

DETECTOR = "names"

_CJK = "\u4e00-\u9fff"
_HAN = re.compile(rf"[{_CJK}]")
_SURNAME = f"(?:{'|'.join(COMPOUND_SURNAMES)}|[{''.join(sorted(SURNAMES))}])"
_TITLE_ZH = re.compile(rf"(?:{TITLES_ZH})")
_FIELD_ZH = re.compile(rf"(?:{FIELDS_ZH})(?P<colon>[ ]?[:：是为][ ]?|[ ]|)(?P<name>{_SURNAME}[·]?[{_CJK}]{{1,3}})")
_BEFORE_PHONE = re.compile(
    rf"(?:^|[^{_CJK}])(?P<name>{_SURNAME}[{_CJK}]{{1,2}})"
    rf"(?:[，,、：: ]{{0,2}}(?:的)?(?:手机|手機|电话|電話|联系方式|邮箱|身份证)|[ ：:]?\+?1[3-9]\d{{9}})"
)
# What may stand right behind a name that no punctuation closes.
_FOLLOW = frozenset(
    "的，。、；：！？,.;:!?()（）《》“”\"' \n\t\ufffc"
    "因和与與在已于於是说說完电電手先女小反咨投来來打请請就向表提要今昨办辦开開到住从從没沒将將也都还還要会會能可有"
)


def find_chinese_names(text: str) -> Iterator[Span]:
    """Names in Chinese characters, simplified or traditional."""
    for match in _TITLE_ZH.finditer(text):
        length = _name_length_before(text, match.start())
        if length:
            yield Span(match.start() - length, match.start(), "PERSON", 0.85 if length > 1 else 0.7, DETECTOR)
    for match in _FIELD_ZH.finditer(text):
        length = _name_length_from(text, match.start("name"), closed=bool(match["colon"].strip(" 是为")))
        if length:
            yield Span(match.start("name"), match.start("name") + length, "PERSON", 0.85, DETECTOR)
    for match in _BEFORE_PHONE.finditer(text):
        if _is_given(match["name"][1:]) and match["name"][:2] not in NOT_NAMES:
            yield Span(match.start("name"), match.end("name"), "PERSON", 0.8, DETECTOR)


def _is_given(characters: str) -> bool:
    return not any(character in NOT_GIVEN for character in characters)


def _starts_surname(text: str, start: int) -> bool:
    return text[start] in SURNAMES and text[max(0, start - 1) : start + 1] not in NOT_A_SURNAME_AFTER


def _name_length_before(text: str, end: int) -> int:
    """Characters of the name that ends before a title: 3 or 2 with a given name, 1 a surname alone, 0 none."""
    for length in (4, 3):
        if (
            end >= length
            and text[end - length : end - length + 2] in COMPOUND_SURNAMES
            and _is_given(text[end - length + 2 : end])
        ):
            return length
    if end >= 2 and text[end - 2 : end] in COMPOUND_SURNAMES:
        return 2
    for length in (3, 2):
        start = end - length
        if start < 0 or not _starts_surname(text, start) or text[start : start + 2] in NOT_NAMES:
            continue
        if all("\u4e00" <= character <= "\u9fff" for character in text[start:end]) and _is_given(text[start + 1 : end]):
            return length
    return 1 if end and _starts_surname(text, end - 1) else 0


def _name_length_from(text: str, start: int, *, closed: bool) -> int:
    """Characters of the name that starts here: the longest that a boundary closes. ``closed``: a colon stood before."""
    head = 2 if text[start : start + 2] in COMPOUND_SURNAMES else 1
    if head == 1 and (not _starts_surname(text, start) or (not closed and text[start : start + 2] in NOT_NAMES)):
        return 0
    for given in (2, 1):
        end = start + head + given
        if end > len(text) or not _HAN.fullmatch(text[end - 1]) or not _is_given(text[start + head : end]):
            continue
        behind = text[end : end + 1]
        if not behind or behind in _FOLLOW or not _HAN.fullmatch(behind) or _TITLE_ZH.match(text, end):
            return head + given
    if _TITLE_ZH.match(text, start + head):
        return head
    return head + 1 if closed and len(text) > start + head and _is_given(text[start + head]) else 0
