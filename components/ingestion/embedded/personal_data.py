"""Made-up personal data with valid formats and checksums, in reserved ranges where the format has any.

Sources: Luhn (ISO/IEC 7812-1), IBAN mod 97 (ISO 13616), resident id mod 11-2 (GB 11643-1999), example domains
(RFC 2606), documentation addresses (RFC 5737), fictitious North American numbers 555-0100 to 555-0199 (NANPA).
"""

from __future__ import annotations

import random
from collections.abc import Callable

_RESIDENT_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_RESIDENT_CHECK = "10X98765432"
_REGIONS = ("110101", "310104", "320102", "330106", "440305", "510107", "420106", "610113")
_AREA_CODES = ("202", "303", "415", "512", "617", "718")
_MOBILE_PREFIXES = ("138", "139", "150", "158", "177", "186", "189")

Names = dict[str, list[str]]


def _digits(rng: random.Random, count: int) -> str:
    return "".join(str(rng.randrange(10)) for _ in range(count))


def luhn_digit(body: str) -> str:
    """The check digit that makes ``body`` pass Luhn."""
    total = 0
    for index, char in enumerate(reversed(body)):
        digit = int(char) * (2 if index % 2 == 0 else 1)
        total += digit - 9 if digit > 9 else digit
    return str(-total % 10)


def _person(lang: str, names: Names, rng: random.Random) -> str:
    first, last = rng.choice(names["first"]), rng.choice(names["last"])
    return last + first if lang == "zh" else f"{first} {last}"


def _email(_: str, __: Names, rng: random.Random) -> str:
    user = rng.choice(("sun", "kite", "lark", "plum", "mole", "fern")) + _digits(rng, 4)
    return f"{user}@{rng.choice(('example.com', 'example.org', 'mail.example.net'))}"


def _phone(lang: str, _: Names, rng: random.Random) -> str:
    if lang == "zh":
        return rng.choice(_MOBILE_PREFIXES) + _digits(rng, 8)
    return f"+1 {rng.choice(_AREA_CODES)}-555-01{_digits(rng, 2)}"


def _card(_: str, __: Names, rng: random.Random) -> str:
    body = "4" + _digits(rng, 14)
    number = body + luhn_digit(body)
    return " ".join(number[i : i + 4] for i in range(0, 16, 4))


def _iban(_: str, __: Names, rng: random.Random) -> str:
    account = _digits(rng, 18)
    check = 98 - int(account + "131400") % 97  # D=13, E=14, then 00
    return f"DE{check:02d}{account}"


def _ip(_: str, __: Names, rng: random.Random) -> str:
    return f"{rng.choice(('192.0.2', '198.51.100', '203.0.113'))}.{rng.randrange(1, 255)}"


def _url(_: str, __: Names, rng: random.Random) -> str:
    return f"https://www.example.org/p/{_digits(rng, 6)}"


def _ssn(_: str, __: Names, rng: random.Random) -> str:
    return f"{rng.randrange(1, 666):03d}-{rng.randrange(1, 100):02d}-{rng.randrange(1, 10000):04d}"


def _resident_id(_: str, __: Names, rng: random.Random) -> str:
    birth = f"{rng.randrange(1950, 2005)}{rng.randrange(1, 13):02d}{rng.randrange(1, 29):02d}"
    body = rng.choice(_REGIONS) + birth + _digits(rng, 3)
    total = sum(weight * int(char) for weight, char in zip(_RESIDENT_WEIGHTS, body, strict=True))
    return body + _RESIDENT_CHECK[total % 11]


_MAKERS: dict[str, Callable[[str, Names, random.Random], str]] = {
    "PERSON": _person,
    "EMAIL_ADDRESS": _email,
    "PHONE_NUMBER": _phone,
    "CREDIT_CARD": _card,
    "IBAN_CODE": _iban,
    "IP_ADDRESS": _ip,
    "URL": _url,
    "US_SSN": _ssn,
    "CN_ID_CARD": _resident_id,
}


def make_value(label: str, lang: str, names: Names, rng: random.Random) -> str:
    """A value of a label, right for the language."""
    return _MAKERS[label](lang, names, rng)
