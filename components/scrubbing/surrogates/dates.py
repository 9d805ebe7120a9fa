"""Dates keep their year, ages their five years: generalisation, so that doing it again changes nothing.

HIPAA's Safe Harbor (45 CFR 164.514(b)(2)(i)(C)) lets the year of a date stand and no finer element. So day, month and
time of every date of one year become the same ones, chosen by the key, in the format of the original.
"""

from __future__ import annotations

import re

from components.scrubbing.surrogates.keyed import Keyed

_YEAR = re.compile(r"(?<!\d)(?:1[5-9]|20)\d{2}(?!\d)")
_HAN_YEAR = re.compile(r"[〇零一二三四五六七八九]{4}(?=年)")
_MONTHS = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_NAMES = {name: names for names in (_MONTHS, _DAYS) for name in names}
_SHORT = {name[:3]: tuple(item[:3] for item in names) for name, names in _NAMES.items()}
_HAN_NUMBER = re.compile(r"[一二三四五六七八九十]{1,3}(?=[月日号號时時点點])")
_HAN_NUMBERS = {1: "一二三四五六七八九", 2: ("十一", "十二"), 3: ("二十一", "二十二", "二十三")}
_PART = re.compile(
    rf"{_YEAR.pattern}|{_HAN_YEAR.pattern}|{_HAN_NUMBER.pattern}|\d+(?:st|nd|rd|th)?|[A-Za-z]+\.?|(?<=[星期周週])[一二三四五六日天]"
)
_NUMBER = re.compile(r"\d{1,3}")
_WIDTH = 5


def make_date(value: str, keyed: Keyed) -> str:
    """The date of the same year that stands for all dates of that year; words that are no date stay."""
    years = _YEAR.findall(value) + _HAN_YEAR.findall(value)
    return _PART.sub(lambda match: _make_part(match.group(), years, keyed), value)


def _make_part(part: str, years: list[str], keyed: Keyed) -> str:
    if part in years or not part:
        return part
    year = "".join(years[:1])
    if part[0].isdigit():
        digits = re.match(r"\d+", part)
        return _make_digits(digits.group() if digits else part, year, keyed) + ("th" if part[-1].isalpha() else "")
    if part[0] in "一二三四五六七八九十日天":
        if len(part) == 1 and part in "日天":
            return "一"
        return keyed.choose(_HAN_NUMBERS[len(part)], "date", year)
    word = part.rstrip(".").casefold()
    names = _NAMES.get(word) or _SHORT.get(word)
    if names is None:
        return part
    made = keyed.choose(names, "date", year)
    made = made.upper() if part.isupper() and len(word) > 1 else made.capitalize() if part[0].isupper() else made
    return made + ("." if part.endswith(".") else "")


def _make_digits(digits: str, year: str, keyed: Keyed) -> str:
    """One digit: 4 to 9. Two: 10 to 12, which is a day, a month and an hour. More: the same digit all through."""
    if len(digits) == 1:
        return str(4 + keyed.number("date", year, 1) % 6)
    if len(digits) == 2:
        return str(10 + keyed.number("date", year, 2) % 3)
    return "10" * (len(digits) // 2) + "1" * (len(digits) % 2)


def make_age(value: str, keyed: Keyed) -> str | None:
    """The age that stands for its five years; None for one in words."""
    if not _NUMBER.search(value):
        return None
    return _NUMBER.sub(lambda match: _make_number(match.group(), keyed), value)


def _make_number(digits: str, keyed: Keyed) -> str:
    lowest = int(digits) // _WIDTH * _WIDTH
    # The numbers of the five that have as many digits as the original: 8 stays below 10.
    alike = [number for number in range(lowest, lowest + _WIDTH) if len(str(number)) == len(str(int(digits)))]
    return str(keyed.choose(alike, "age", lowest)).zfill(len(digits))
