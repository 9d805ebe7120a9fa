"""What annotators of names left out, by rule: dates, peoples and handles, so that a text is annotated in full.

The published sets mark persons, places and organisations only. Left unmarked, a date would be taught to be no date.
"""

from __future__ import annotations

import re
from dataclasses import replace

from components.scrubbing.tagger.training.documents import ALL_LABELS, Document, Gold
from components.scrubbing.tagger.training.money import MONEY_EN, MONEY_ZH
from components.scrubbing.tagger.training.values import DEMONYMS
from components.scrubbing.tagger.training.values_zh import ETHNIC_GROUPS

_MONTH = (
    r"(?:January|February|March|April|May|June|July|August|September|October|November|December"
    r"|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)\b\.?"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_WEEKDAY = r"(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
_YEAR = r"(?:1[5-9]|20)\d\d"
_DATE_EN = re.compile(
    rf"\b(?:{_WEEKDAY},? )?(?:{_DAY} (?:of )?{_MONTH}(?:,? {_YEAR})?|{_MONTH} {_DAY}(?:,? {_YEAR})?"
    rf"|{_MONTH},? {_YEAR})\b|\b{_WEEKDAY}s?\b|\b{_YEAR}-\d\d?-\d\d?\b|\b\d\d?/\d\d?/(?:\d\d){{1,2}}\b"
    rf"|(?:(?<=\bin )|(?<=\bsince )|(?<=\bof )|(?<=\bthe )|(?<=\ba )|(?<=\()){_YEAR}\b"
    r"|\b\d\d?:\d\d(?: ?[ap]\.?m\b\.?)?|\b\d\d? ?[ap]m\b|\b(?:yesterday|tomorrow|tonight)\b"
    r"|\b(?:last (?:night|week|month|year)|next (?:week|month|year)|this (?:morning|evening|week))\b"
)
_MONTH_ALONE = re.compile(r"\b(?:January|February|April|June|July|August|September|October|November|December)\b")
_PEOPLE = re.compile(
    rf"\b(?:{'|'.join(sorted({word for pair in DEMONYMS for word in pair}, key=len, reverse=True))})\b"
)
_HANDLE = re.compile(r"(?<=@)\w[\w.\-]*\w")
_DATE_ZH = re.compile(
    r"(?:公元前?|前)?[\d一二三四五六七八九零〇○]{2,4}年(?:[\d一二三四五六七八九十]{1,3}月(?:份|[\d一二三四五六七八九十]{1,3}[日号])?)?"
    r"|\d{1,2}月\d{1,2}[日号]|\d{1,2}月|(?:周|星期|礼拜)[一二三四五六日天]|\d{1,2}[点时](?:\d{1,2}分|半)?|(?<!\d)\d{1,2}:\d\d(?!\d)|(?<!\d)\d{1,2}日"
    r"|今天|昨天|明天|昨晚|今晚|昨日|今日|明日|去年|明年|今年|前天"
)
_HANDLE_ZH = re.compile(r"(?<=@)[\w\-]{2,20}")
_AGE_ZH = re.compile(r"\d{1,3}岁")
_PEOPLE_ZH = re.compile("|".join(ETHNIC_GROUPS))


def fill_in(document: Document) -> Document:
    """The document with what the rules find outside its spans; every label counts as marked."""
    if document.lang == "zh":
        rules = (
            (_DATE_ZH, "DATE_TIME"),
            (_AGE_ZH, "AGE"),
            (_PEOPLE_ZH, "NRP"),
            (_HANDLE_ZH, "USERNAME"),
            (MONEY_ZH, "MONEY"),
        )
    else:
        rules = (
            (_DATE_EN, "DATE_TIME"),
            (_MONTH_ALONE, "DATE_TIME"),
            (_PEOPLE, "NRP"),
            (_HANDLE, "USERNAME"),
            (MONEY_EN, "MONEY"),
        )
    spans = list(document.spans)
    for pattern, label in rules:
        if label not in document.known:
            free = [Gold(*match.span(), label) for match in pattern.finditer(document.text)]
            spans += [span for span in free if not any(span.start < s.end and s.start < span.end for s in spans)]
    return replace(document, spans=tuple(sorted(spans, key=lambda span: span.start)), known=ALL_LABELS)
