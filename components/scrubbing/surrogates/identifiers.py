"""Surrogates of numbers: same format, from a range that is never issued or with a checksum that is deliberately wrong.

Reserved ranges and where they come from:

==============  ====================================================================================================
telephone       NANP 555-0100 to 555-0199 (ATIS-0300115); Ofcom's numbers for drama; elsewhere a sealed number that
                the national plan does not issue (mainland mobiles with 12, fixed lines with 0 after the area code)
SSN, ITIN       9xx with a group below 50 (SSA issues none above 899, IRS ITINs begin at group 50)
IP              RFC 5737 TEST-NET-1 to 3, RFC 3849 2001:db8::/32
MAC             a locally administered address (IEEE 802, bit 1 of the first octet) with a seal
NHS, NINO       999 (test patients), QQ (the prefix of specimens)
plate           province and I, a letter that plates leave out because it reads as 1 (GA 36-2018)
IBAN            check digits 00, which ISO 13616 never yields
==============  ====================================================================================================
"""

from __future__ import annotations

import ipaddress
import re

from components.scrubbing.checksums import CN_PROVINCES, passes_cn_id, passes_luhn
from components.scrubbing.surrogates.keyed import Keyed
from components.scrubbing.surrogates.shapes import HEX_LOWER, is_sealed, make_shape, normal_form

_TEST_NETS = tuple(ipaddress.ip_network(net) for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))
_DOCUMENTATION = ipaddress.ip_network("2001:db8::/32")
_PLATE_PROVINCES = "京津冀晋蒙辽吉黑沪苏浙皖闽赣鲁豫鄂湘粤桂琼渝川贵云藏陕甘青宁新"
_CARD_DIGITS = 12  # the shortest of ISO/IEC 7812 in use
_LOCAL_NIBBLES = "26ae"
_USCC_SYMBOLS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)


def digits_of(value: str) -> str:
    """The ASCII digits of a value, full-width ones included."""
    return "".join(symbol for symbol in normal_form(value) if symbol in "0123456789")


def lay_out(value: str, digits: str) -> str:
    """``value`` with its digits, as many as given, replaced from the left."""
    source = iter(digits)
    return "".join(next(source) if symbol.isdigit() else symbol for symbol in value)


def make_card(value: str, keyed: Keyed) -> str | None:
    """A card or bank card: scheme digit and length kept, Luhn wrong."""
    return make_shape(value, keyed, kind="card", fixed=digits_of(value)[:1], accept=is_no_card)


def is_no_card(value: str) -> bool:
    """As long as a card's and Luhn wrong: no card is issued with this number."""
    digits = digits_of(value)
    return len(digits) >= _CARD_DIGITS and not passes_luhn(digits)


def make_iban(value: str, keyed: Keyed) -> str | None:
    """Country kept, check digits 00."""
    return make_shape(value, keyed, kind="iban", fixed=f"{value[:2]}00")


def is_no_iban(value: str) -> bool:
    """A country and check digits 00."""
    return value[:2].isalpha() and normal_form(value)[2:4] == "00"


def make_ssn(value: str, keyed: Keyed) -> str | None:
    """Nine digits: 9xx, a group below 50, any serial."""
    digits = digits_of(value)
    if len(digits) != 9:
        return make_shape(value, keyed, kind="ssn")
    number = keyed.number("ssn", digits)
    area, group, serial = number % 100, (number >> 16) % 50, (number >> 32) % 10_000
    return lay_out(value, f"9{area:02d}{group:02d}{serial:04d}")


def is_unissued_ssn(value: str, keyed: Keyed) -> bool:
    """Nine digits that neither SSA nor IRS gives to a person; another number of digits sealed."""
    digits = digits_of(value)
    if len(digits) != 9:
        return is_sealed(value, keyed, "ssn")
    return digits[0] == "9" and int(digits[3:5]) < 50


def make_ip(value: str, keyed: Keyed) -> str:
    """An address for documentation, of the same version."""
    if ":" not in value:
        net = keyed.choose(_TEST_NETS, "ip net", value)
        return str(net.network_address + 1 + keyed.number("ip", value) % 254)
    groups = [keyed.number("ip", ipaddress_form(value), part) % 0x10000 for part in range(3)]
    return "2001:db8:" + ":".join(f"{group:x}" for group in groups[:2]) + f"::{groups[2] or 1:x}"


def ipaddress_form(value: str) -> str:
    """One spelling for every way to write an address."""
    try:
        return ipaddress.ip_address(value).compressed
    except ValueError:
        return value.casefold()


def is_documentation_ip(value: str) -> bool:
    """Whether an address belongs to documentation."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return address in _DOCUMENTATION if address.version == 6 else any(address in net for net in _TEST_NETS)


def make_mac(value: str, keyed: Keyed) -> str | None:
    """A locally administered unicast address."""
    first = keyed.choose(HEX_LOWER, "mac", normal_form(value)) + keyed.choose(
        _LOCAL_NIBBLES, "mac2", normal_form(value)
    )
    upper = any(symbol in "ABCDEF" for symbol in value)
    return make_shape(value, keyed, kind="mac", fixed=first.upper() if upper else first, hexadecimal=True)


def is_local_mac(value: str) -> bool:
    """Locally administered, unicast."""
    return normal_form(value)[1:2] in set(_LOCAL_NIBBLES)


def make_wallet(value: str, keyed: Keyed) -> str | None:
    """An address of a crypto currency: its prefix kept; a drawn one passes the checksum of 32 bits by miracle only."""
    if value[:2] in {"0x", "0X"}:
        return make_shape(value, keyed, kind="wallet", hexadecimal=True)
    return make_shape(value, keyed, kind="wallet", fixed=value[:3] if value[:2] in {"bc", "BC"} else value[:1])


def make_nhs(value: str, keyed: Keyed) -> str | None:
    """Ten digits that begin with 999, modulus 11 wrong."""
    return make_shape(value, keyed, kind="nhs", fixed="999", accept=is_no_nhs)


def passes_nhs(digits: str) -> bool:
    """NHS Data Dictionary: weights 10 to 2, check digit 11 minus the remainder."""
    if len(digits) != 10:
        return False
    total = sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), digits, strict=False))
    return (11 - total % 11) % 11 == int(digits[9])


def is_no_nhs(value: str) -> bool:
    """A test patient's, modulus 11 wrong."""
    digits = digits_of(value)
    return digits.startswith("999") and not passes_nhs(digits)


def make_nino(value: str, keyed: Keyed) -> str | None:
    """QQ and the rest drawn."""
    return make_shape(value, keyed, kind="nino", fixed="QQ" if value[:1].isupper() else "qq")


def is_no_nino(value: str) -> bool:
    """The prefix of specimens."""
    return value[:2] in {"QQ", "qq"}


def make_cn_id(value: str, keyed: Keyed) -> str | None:
    """Resident identity: birth decade and sex kept, every other digit drawn, check character wrong.

    The province exists, the district is part of the draw; 15 digits carry no check character.
    """
    digits = normal_form(value).upper()
    if len(digits) not in {15, 18} or not digits[:17].isdigit():
        return make_shape(value, keyed, kind="cn id")
    # The last character may be X; a digit in its place keeps the format and makes room for the seal.
    shaped = value[:-1] + "0" if value[-1:] in "Xx" else value
    sex = int(digits[16 if len(digits) == 18 else 14]) % 2
    for attempt in range(40):
        made = _draw_cn_id(shaped, digits, keyed, attempt)
        if made is None:
            return None
        drawn = digits_of(made)
        if is_no_cn_id(made) and int(drawn[16 if len(drawn) == 18 else 14]) % 2 == sex:
            return made
    return None


def is_no_cn_id(value: str) -> bool:
    """The check character is wrong; the 15 digits of before 1999 had none."""
    number = normal_form(value).upper()
    if len(number) not in {15, 18} or not number[:-1].isdigit():
        return False
    return len(number) == 15 or not passes_cn_id(number)


def _draw_cn_id(value: str, digits: str, keyed: Keyed, attempt: int) -> str | None:
    province = keyed.choose(sorted(CN_PROVINCES), "cn id province", digits, attempt)
    district = keyed.digits(4, "cn id district", digits, attempt)
    month = 1 + keyed.number("cn id month", digits, attempt) % 12
    day = 1 + keyed.number("cn id day", digits, attempt) % 28
    year = digits[6:9] if len(digits) == 18 else digits[6:7]
    year += keyed.digits(1, "cn id year", digits, attempt)
    return make_shape(value, keyed, kind="cn id", fixed=f"{province}{district}{year}{month:02d}{day:02d}")


def make_uscc(value: str, keyed: Keyed) -> str | None:
    """Unified social credit code with a wrong check character."""
    return make_shape(value, keyed, kind="uscc", accept=is_no_uscc)


def is_no_uscc(value: str) -> bool:
    """The check character is wrong."""
    code = normal_form(value).upper()
    return len(code) == 18 and not passes_uscc(code)


def passes_uscc(code: str) -> bool:
    """GB 32100-2015: weights 3**i modulo 31 over 17 symbols."""
    if len(code) != 18 or any(symbol not in _USCC_SYMBOLS for symbol in code):
        return False
    total = sum(_USCC_SYMBOLS.index(symbol) * weight for symbol, weight in zip(code, _USCC_WEIGHTS, strict=False))
    return _USCC_SYMBOLS[(31 - total % 31) % 31] == code[17]


def make_plate(value: str, keyed: Keyed) -> str | None:
    """A province, I, and the rest drawn: such a plate is not issued."""
    match = re.fullmatch(r"(.)([A-Za-z])(.*)", value)
    if match is None or match[1] not in _PLATE_PROVINCES:
        return make_shape(value, keyed, kind="plate")
    identity = normal_form(value)
    alphabets = ["0123456789" if symbol.isdigit() else "ABCDEFGHJKLMNPQRSTUVWXYZ" for symbol in match[3]]
    drawn = keyed.symbols(alphabets, "plate", identity)
    tail = "".join(new if old.isascii() and old.isalnum() else old for old, new in zip(match[3], drawn, strict=True))
    return f"{keyed.choose(_PLATE_PROVINCES, 'plate province', identity)}I{tail}"


def is_unissued_plate(value: str, keyed: Keyed) -> bool:
    """Province and I; in another form, sealed."""
    if len(value) >= 6 and value[0] in _PLATE_PROVINCES:
        return value[1] == "I"
    return is_sealed(value, keyed, "plate")
