"""Check digits and number ranges of the identifiers that have them."""

from __future__ import annotations

import hashlib

# ISO 3166 prefix to total length, from the SWIFT IBAN registry (release 97).
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27, "BR": 29,
    "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28, "EE": 20, "EG": 29,
    "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28,
    "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20,
    "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25,
    "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27,
    "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip

# GB/T 2260: the first two digits of a resident identity number.
CN_PROVINCES = frozenset(
    {
        "11", "12", "13", "14", "15", "21", "22", "23", "31", "32", "33", "34", "35", "36", "37",
        "41", "42", "43", "44", "45", "46", "50", "51", "52", "53", "54", "61", "62", "63", "64",
        "65", "71", "81", "82", "83",
    }
)  # fmt: skip
_CN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CN_CHECKS = "10X98765432"
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


# What a digit adds to the sum of Luhn once it is doubled and its digits are added.
_DOUBLED = str.maketrans("0123456789", "0246813579")


def passes_luhn(digits: str) -> bool:
    """ISO/IEC 7812-1 annex B: doubling every second digit from the right sums to a multiple of ten."""
    return (sum(map(int, digits[-1::-2])) + sum(map(int, digits[-2::-2].translate(_DOUBLED)))) % 10 == 0


def is_card_prefix(digits: str) -> bool:  # noqa: PLR0911 - a line a scheme
    """Whether an issuer range and the length fit one of the large card schemes."""
    n, two, four = len(digits), int(digits[:2]), int(digits[:4])
    if digits[0] == "4":
        return n in {13, 16, 19}
    if two in {34, 37}:
        return n == 15
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return n == 16
    if two in {36, 38, 39} or 300 <= int(digits[:3]) <= 305:
        return 14 <= n <= 19
    if four in {1800, 2131}:
        return n == 15
    if two in {35, 62, 64, 65, 81} or four == 6011:
        return 16 <= n <= 19
    return (two in {50, 56, 57, 58, 63, 67} or four in {6759, 6304}) and 12 <= n <= 19


# A letter stands for its place in the alphabet plus nine.
_IBAN_NUMBERS = {ord("A") + place: str(10 + place) for place in range(26)}


def passes_iban(compact: str) -> bool:
    """ISO 13616: country's length, and the rearranged number modulo 97 is one. ``compact`` has no spaces."""
    if IBAN_LENGTHS.get(compact[:2]) != len(compact) or not compact[2:4].isdigit():
        return False
    if not (compact.isascii() and compact.isalnum()):  # ignoring case, a pattern's [A-Z] also takes the long s
        return False
    return int((compact[4:] + compact[:4]).upper().translate(_IBAN_NUMBERS)) % 97 == 1


def is_cn_id_shape(number: str) -> bool:
    """Province code and birth date of an 18 or 15 character resident identity number."""
    if number[:2] not in CN_PROVINCES:
        return False
    year, rest = (int(number[6:10]), number[10:14]) if len(number) == 18 else (1900 + int(number[6:8]), number[8:12])
    month, day = int(rest[:2]), int(rest[2:])
    return 1880 <= year <= 2099 and 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]


def passes_cn_id(number: str) -> bool:
    """GB 11643 (ISO 7064 MOD 11-2) over 18 characters, the last may be X."""
    total = sum(weight * int(digit) for weight, digit in zip(_CN_WEIGHTS, number[:17], strict=True))
    return _CN_CHECKS[total % 11] == number[17].upper()


def is_ssn_range(digits: str) -> bool:
    """Area, group and serial of a US social security number that may have been issued (SSA, since 2011)."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in {"000", "666"} and area[0] != "9" and group != "00" and serial != "0000"


def is_itin_range(digits: str) -> bool:
    """Group of a US individual taxpayer number (IRS, Publication 1915): 9xx, then 50-65, 70-88, 90-92 or 94-99."""
    group = int(digits[3:5])
    return digits[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99)


def passes_nhs(digits: str) -> bool:
    """NHS number (NHS data dictionary): ten digits, weights 10 to 2, check digit modulo 11."""
    check = 11 - sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), digits[:9], strict=True)) % 11
    return check % 11 == int(digits[9]) and check != 10


# GB 32100: digits and capitals without I, O, S, V, Z; their values are their places.
_USCC_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)


def is_social_credit_shape(code: str) -> bool:
    """Authority, kind and region of an 18 character unified social credit code, in capitals."""
    return (
        len(code) == 18
        and code[0] in "123456789ANY"
        and code[1] in "123459"
        and code[2:8].isdigit()
        and (code[2:4] in CN_PROVINCES or code[2:4] in {"10", "00"})
        and all(character in _USCC_ALPHABET for character in code)
        and len(set(code)) > 2
    )


def passes_social_credit(code: str) -> bool:
    """GB 32100 (modulo 31) over a code of that shape."""
    total = sum(
        weight * _USCC_ALPHABET.index(character) for weight, character in zip(_USCC_WEIGHTS, code[:17], strict=True)
    )
    return _USCC_ALPHABET[-total % 31] == code[17]


def passes_dea(code: str) -> bool:
    """US DEA registration: two letters and seven digits, of which the last is the check."""
    odd, even = sum(map(int, code[2:7:2])), sum(map(int, code[3:8:2]))
    return (odd + 2 * even) % 10 == int(code[8])


def passes_aba(digits: str) -> bool:
    """US bank routing number: weights 3, 7, 1 sum to a multiple of ten."""
    return sum(weight * int(digit) for weight, digit in zip((3, 7, 1) * 3, digits, strict=True)) % 10 == 0


_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def passes_base58(address: str) -> bool:
    """Base58Check of a 25 byte address (Bitcoin, Litecoin, Dogecoin, Tron): the last four bytes of a double SHA-256."""
    number = 0
    for character in address:
        number = number * 58 + _BASE58.find(character)
    if number.bit_length() > 200:
        return False
    raw = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def passes_bech32(address: str) -> bool:
    """BIP 173 and BIP 350: the checksum of a native segregated witness address in one case."""
    low = address.lower()
    if address not in {low, address.upper()}:
        return False
    prefix, _, data = low.rpartition("1")
    if not prefix or len(data) < 6 or any(character not in _BECH32 for character in data):
        return False
    values = [ord(character) >> 5 for character in prefix] + [0] + [ord(character) & 31 for character in prefix]
    check = 1
    for value in values + [_BECH32.index(character) for character in data]:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_BECH32_GENERATOR):
            check ^= generator if top >> bit & 1 else 0
    return check in {1, 0x2BC830A3}
