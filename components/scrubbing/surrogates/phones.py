"""Surrogates of telephone numbers: the same format, a number that nobody has.

North America and the United Kingdom reserve numbers for fiction; elsewhere the number is sealed and lies where the
national plan issues none: behind 12 among Chinese mobiles, behind 0 among Chinese fixed lines, or wherever
``phonenumbers`` says that an international number is not valid.
"""

from __future__ import annotations

import re

from components.scrubbing.surrogates.identifiers import digits_of, lay_out
from components.scrubbing.surrogates.keyed import Keyed
from components.scrubbing.surrogates.shapes import is_sealed, make_shape

_EXTENSION = re.compile(r"(?i)\s*(?:x|ext\.?|转|分机)\s*\d{1,5}$")
_NANP = re.compile(r"1?[2-9]\d{2}[2-9]\d{6}")
_NANP_WRITTEN = re.compile(r"\(?\d{3}\)?[ .\-/]{0,2}\d{3}[ .\-]\d{4}")
_NANP_LONG = re.compile(r"1[ .\-]\(?\d{3}\)?[ .\-]\d{3}[ .\-]\d{4}")  # 18005551234 alone is a Chinese mobile
_SEVEN_WRITTEN = re.compile(r"\d{3}[ .\-]\d{4}")
_CN_MOBILE = re.compile(r"(?:00)?(?:86)?1[3-9]\d{9}")
_CN_FIXED = re.compile(r"0(?:10|2\d|[3-9]\d{2})[2-8]\d{6,7}")
_UK = re.compile(r"(?:00)?44(0?)(7\d{9}|[1-3]\d{9})")
_UK_MOBILE = re.compile(r"07\d{9}")
# Ofcom, "Telephone numbers for use in TV and radio drama programmes": geographic codes with 496 0xxx, London, mobile.
_UK_AREAS = ("113", "114", "115", "116", "117", "118", "121", "131", "141", "151", "161")
_FICTION_US = re.compile(r"1?[2-9]\d{2}55501\d{2}|55501\d{2}")
_FICTION_UK = re.compile(rf"(?:(?:00)?440?|0)(?:7700900\d{{3}}|2079460\d{{3}}|(?:{'|'.join(_UK_AREAS)})4960\d{{3}})")


def make_phone(value: str, keyed: Keyed) -> str | None:
    """A number in the same format; an extension is drawn too."""
    match = _EXTENSION.search(value)
    main = value[: match.start()] if match else value
    extension = ""
    if match:
        count = len(digits_of(match.group()))
        extension = lay_out(match.group(), keyed.digits(count, "extension", digits_of(value)))
    made = _make_main(main, keyed)
    return None if made is None else made + extension


def _make_main(value: str, keyed: Keyed) -> str | None:
    digits = digits_of(value)
    if _CN_MOBILE.fullmatch(digits) and not _NANP_LONG.match(value):
        return _make_cn_mobile(value, keyed)
    if _UK.fullmatch(digits) or _UK_MOBILE.fullmatch(digits):
        return lay_out(value, _uk_digits(digits, keyed))
    if _is_nanp(value, digits):
        return lay_out(value, _nanp_digits(digits, keyed))
    if _SEVEN_WRITTEN.fullmatch(value):
        return lay_out(value, "55501" + keyed.digits(2, "nanp line", digits))
    if _CN_FIXED.fullmatch(digits):
        area = digits[: 3 if digits[1] in "12" else 4]
        return make_shape(value, keyed, kind="phone", fixed=f"{area}0")
    return _make_international(value, digits, keyed)


def _is_nanp(value: str, digits: str) -> bool:
    if not _NANP.fullmatch(digits):
        return False
    if value.startswith(("+1", "001")) or (digits[0] == "1" and len(digits) == 11):
        return True
    return (
        len(digits) == 10
        and not value.startswith(("+", "0"))
        and (_NANP_WRITTEN.fullmatch(value) is not None or value.isdigit())
    )


def _nanp_digits(digits: str, keyed: Keyed) -> str:
    national = digits[-10:]
    # Area codes do not end in 11; nine in the middle is kept for a longer plan.
    number = keyed.number("nanp", national)
    area = f"{2 + number % 8}{(number >> 8) % 9}{2 + (number >> 16) % 8}"
    return f"{digits[:-10]}{area}55501{keyed.digits(2, 'nanp line', national)}"


def _uk_digits(digits: str, keyed: Keyed) -> str:
    match = _UK.fullmatch(digits)
    prefix = digits[: match.start(2)] if match else "0"
    national = match[2] if match else digits[1:]
    last = keyed.digits(3, "uk", national)
    if national[0] == "7":
        return f"{prefix}7700900{last}"
    area = "207946" if national.startswith("20") else keyed.choose(_UK_AREAS, "uk area", national) + "496"
    return f"{prefix}{area}0{last}"


def _make_cn_mobile(value: str, keyed: Keyed) -> str | None:
    """Drawn from the eleven national digits, so that +86 and none get one surrogate."""
    digits = digits_of(value)
    national = make_shape(digits[-11:], keyed, kind="phone", fixed="12")
    return None if national is None else lay_out(value, digits[:-11] + national)


def _make_international(value: str, digits: str, keyed: Keyed) -> str | None:
    code = _country_code(value, digits)
    fixed = f"{code}0" if code else digits[:1]

    def nobodys(made: str) -> bool:
        return is_fictional_phone(made, keyed)

    made = make_shape(value, keyed, kind="phone", fixed=fixed, accept=nobodys)
    return made or make_shape(value, keyed, kind="phone", accept=nobodys)


def _country_code(value: str, digits: str) -> str:
    """The country code as written, with 00 where that stands for +; empty for a national number."""
    import phonenumbers

    start = 2 if digits.startswith("00") else 0
    if not start and not value.lstrip(" (").startswith("+"):
        return ""
    codes = [digits[start : start + length] for length in (1, 2, 3)]
    known = [code for code in codes if code.isdigit() and int(code) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE]
    return digits[:start] + known[0] if known else ""


def _is_issued(value: str) -> bool:
    import phonenumbers

    if not value.startswith("+"):
        return False
    try:
        return bool(phonenumbers.is_valid_number(phonenumbers.parse(value, None)))
    except phonenumbers.NumberParseException:
        return False


def is_fictional_phone(value: str, keyed: Keyed) -> bool:
    """In a range reserved for fiction; or sealed, and where the plan is known, not issued by it."""
    main = _EXTENSION.sub("", value)
    digits = digits_of(main)
    if _FICTION_US.fullmatch(digits) or _FICTION_UK.fullmatch(digits):
        return True
    if digits[-11:].startswith("12") and is_sealed(digits[-11:], keyed, "phone"):
        return True
    if _CN_MOBILE.fullmatch(digits) or _is_nanp(main, digits) or _CN_FIXED.fullmatch(digits) or _is_issued(main):
        return False
    return is_sealed(main, keyed, "phone")
