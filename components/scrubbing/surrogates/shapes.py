"""Format-preserving surrogates with a keyed seal: a digit for a digit, a letter for a letter of its script and case.

The last characters of a surrogate (its seal) are a keyed function of its kind and of those before. So whoever holds
the key can tell a surrogate of a kind from any other value, and by accident a value passes for one with a chance of one
in a thousand (three sealed digits), one in a hundred for five characters; not at all where the kind asks for a wrong
checksum or a reserved range besides.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

from components.scrubbing.surrogates.keyed import Keyed

DIGITS = "0123456789"
UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LOWER = UPPER.lower()
HEX_LOWER = DIGITS + "abcdef"
HEX_UPPER = DIGITS + "ABCDEF"

MIN_SEALED = 5
_SEAL = 3
_TRIES = 400


def _span(first: str, last: str) -> str:
    return "".join(chr(code) for code in range(ord(first), ord(last) + 1))


# Whole ranges of letters of one script and case; a letter outside of all of them is left to the caller.
_SCRIPTS = (
    _span("０", "９"), _span("Ａ", "Ｚ"), _span("ａ", "ｚ"),
    _span("А", "Я"), _span("а", "я"), "ΑΒΓΔΕΖΗΘΙΚΛΜΝΞΟΠΡΣΤΥΦΧΨΩ", "αβγδεζηθικλμνξοπρστυφχψω",
    _span("ぁ", "ん"), _span("ァ", "ン"), _span("가", "힣")[::28], _span("א", "ת"), _span("ا", "غ") + _span("ف", "ي"),
    _span("क", "ह"), _span("ก", "ฮ"), "零一二三四五六七八九",  # digits in characters
)  # fmt: skip
_CLASS_OF: dict[str, str] = {
    symbol: alphabet for alphabet in (*_SCRIPTS, DIGITS, UPPER, LOWER) for symbol in alphabet
}  # fmt: skip
_HANGUL = ("가", "힣")


def class_of(symbol: str) -> str | None:
    """The digits or letters that may stand for a symbol: of its script, width and case. None for anything else."""
    if (alphabet := _CLASS_OF.get(symbol)) is not None:
        return alphabet
    if _HANGUL[0] <= symbol <= _HANGUL[1]:
        return _CLASS_OF["가"]
    if not symbol.isalpha():
        return None
    base = unicodedata.normalize("NFD", symbol)[0]  # é as e: accents identify, and are not kept
    if base in _CLASS_OF:
        return _CLASS_OF[base]
    return (UPPER if symbol.isupper() else LOWER) if "LATIN" in unicodedata.name(symbol, "") else None


def normal_form(value: str) -> str:
    """What makes two spellings one value: letters and digits, width and case folded, nothing else."""
    folded = unicodedata.normalize("NFKC", value).casefold()
    return "".join(symbol for symbol in folded if symbol.isalnum())


def make_shape(
    value: str,
    keyed: Keyed,
    *,
    kind: str,
    fixed: str = "",
    hexadecimal: bool = False,
    accept: Callable[[str], bool] = lambda _: True,
) -> str | None:
    """A sealed value in the format of ``value``; None if it has fewer than five letters and digits.

    ``fixed`` replaces the first letters and digits and stays as it is (a reserved prefix). ``accept`` says which
    results will do (an invalid checksum, say); draws are repeated until it does.
    """
    alphabets = _alphabets(value, hexadecimal=hexadecimal)
    slots = [position for position, alphabet in enumerate(alphabets) if alphabet]
    seal = _seal_length(len(slots))
    if not seal or len(slots) - seal < len(fixed) or any(map(_is_foreign, value)):
        return None
    body, sealed = slots[len(fixed) : -seal], slots[-seal:]
    identity = normal_form(value)
    for attempt in range(_TRIES):
        drawn = keyed.symbols([alphabets[slot] or "" for slot in body], "shape", kind, identity, attempt)
        symbols = dict(zip([*slots[: len(fixed)], *body], fixed + drawn, strict=True))
        seal_symbols = _seal(keyed, kind, list(symbols.values()), [alphabets[slot] or "" for slot in sealed])
        symbols |= zip(sealed, seal_symbols, strict=True)
        result = "".join(symbols.get(position, symbol) for position, symbol in enumerate(value))
        if accept(result) and is_sealed(result, keyed, kind):
            return result
    return None


def is_sealed(value: str, keyed: Keyed, kind: str) -> bool:
    """Whether a value carries the seal of a kind, read as letters and digits or as hexadecimal digits."""
    styles = [False, True] if _is_hexadecimal(value) else [False]
    return any(_is_sealed(value, keyed, kind, hexadecimal=style) for style in styles)


def _is_sealed(value: str, keyed: Keyed, kind: str, *, hexadecimal: bool) -> bool:
    alphabets = _alphabets(value, hexadecimal=hexadecimal)
    slots = [position for position, alphabet in enumerate(alphabets) if alphabet]
    seal = _seal_length(len(slots))
    if not seal:
        return False
    body, sealed = [value[slot] for slot in slots[:-seal]], slots[-seal:]
    expected = _seal(keyed, kind, body, [alphabets[slot] or "" for slot in sealed])
    return expected == "".join(value[slot] for slot in sealed)


def _seal_length(slots: int) -> int:
    """Sealed characters among so many letters and digits; 0 for too few to leave any choice."""
    return min(_SEAL, slots - 3) if slots >= MIN_SEALED else 0


def _is_foreign(symbol: str) -> bool:
    """A letter or digit of a script that has no alphabet here: it could not be replaced. Chinese characters stay."""
    return symbol.isalnum() and class_of(symbol) is None and not "\u3400" <= symbol <= "\u9fff"


def _seal(keyed: Keyed, kind: str, body: Sequence[str], alphabets: Sequence[str]) -> str:
    return keyed.symbols(alphabets, "seal", kind, normal_form("".join(body)))


def _alphabets(value: str, *, hexadecimal: bool) -> list[str | None]:
    if not hexadecimal:
        return [class_of(symbol) for symbol in value]
    letters = HEX_UPPER if any(symbol in "ABCDEF" for symbol in value) else HEX_LOWER
    prefix = 2 if value[:2] in {"0x", "0X"} else 0
    return [letters if at >= prefix and symbol in HEX_UPPER + HEX_LOWER else None for at, symbol in enumerate(value)]


def _is_hexadecimal(value: str) -> bool:
    digits = value[2:] if value[:2] in {"0x", "0X"} else value
    return all(symbol in HEX_UPPER + HEX_LOWER or not symbol.isalnum() for symbol in digits)
