"""Check digits against published examples and against sums written out slowly; numbering plans against the library."""

from __future__ import annotations

import random

import phonenumbers
import pytest

from components.scrubbing import checksums
from components.scrubbing.detectors.phones import _REGIONS, is_in_a_plan


@pytest.mark.parametrize(
    ("passes", "valid", "invalid"),
    [
        (checksums.passes_luhn, ["4111111111111111", "378282246310005", "79927398713"], ["4111111111111112"]),
        (checksums.passes_iban, ["GB82WEST12345698765432", "FR1420041010050500013M02606"],
         ["GB82WEST12345698765433", "GB82"]),
        (checksums.passes_cn_id, ["11010519491231002X", "440524188001010014"], ["110105194912310021"]),
        (checksums.passes_nhs, ["9434765919", "4010232137"], ["9434765918", "1234567890"]),
        (checksums.passes_dea, ["BB1388568", "F91234563"], ["BB1388567"]),
        (checksums.passes_aba, ["111000025", "021000021"], ["111000026"]),
        (checksums.passes_social_credit, ["91350100M000100Y43", "91110108MA01YBNX62"], ["91350100M000100Y44"]),
        (checksums.passes_base58, ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy"],
         ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb", "1" * 34, "z" * 44]),
        (checksums.passes_bech32, ["BC1QW508D6QEJXTDG4Y5R3ZARVARY0C5XW7KV8F3T4",
                                   "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"],
         ["bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "bc1QW508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "bc1"]),
    ],
)  # fmt: skip
def test_published_examples(passes, valid: list[str], invalid: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert [value for value in valid if not passes(value)] == []
    assert [value for value in invalid if passes(value)] == []


def test_exactly_one_last_digit_fits() -> None:
    """By sums written out digit by digit."""
    rng = random.Random(5)
    for _ in range(200):
        body = "".join(rng.choices("0123456789", k=15))
        slow = sum(int(c) if i % 2 else sum(divmod(int(c) * 2, 10)) for i, c in enumerate(body))
        assert [d for d in "0123456789" if checksums.passes_luhn(body + d)] == [str(-slow % 10)]
        resident = "".join(rng.choices("0123456789", k=17))
        # ISO 7064: the weights are powers of two modulo eleven.
        remainder = sum(int(c) * pow(2, 17 - i, 11) for i, c in enumerate(resident)) % 11
        fits = [d for d in "0123456789X" if checksums.passes_cn_id(resident + d)]
        assert fits == ["0123456789X"[(12 - remainder) % 11]]
        code = "91" + "".join(rng.choices("0123456789ABCDEFGHJKLMNPQRTUWXY", k=15))
        alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
        total = sum(alphabet.index(c) * pow(3, i, 31) for i, c in enumerate(code))
        assert [c for c in alphabet if checksums.passes_social_credit(code + c)] == [alphabet[(31 - total % 31) % 31]]


def test_ranges() -> None:
    assert [
        d for d in ("000456789", "666456789", "900456789", "123006789", "123450000") if checksums.is_ssn_range(d)
    ] == []
    assert checksums.is_ssn_range("123456789")
    groups = [group for group in range(100) if checksums.is_itin_range(f"912{group:02d}1234")]
    assert groups == [*range(50, 66), *range(70, 89), 90, 91, 92, *range(94, 100)]
    assert not checksums.is_itin_range("812701234")
    assert checksums.is_social_credit_shape("91350100M000100Y43")
    assert not checksums.is_social_credit_shape("111111111111111111")
    assert not checksums.is_social_credit_shape("9135I100M000100Y43")


def test_plans_agree_with_the_library() -> None:
    """National numbers of random length and digits: what the library calls valid for a region is in a plan."""
    rng = random.Random(9)
    agreed = 0
    for _ in range(3_000):
        region = rng.choice(_REGIONS)
        digits = rng.choice("23456789") + "".join(rng.choices("0123456789", k=rng.randrange(7, 11)))
        number = phonenumbers.PhoneNumber(
            country_code=phonenumbers.country_code_for_region(region), national_number=int(digits)
        )
        if phonenumbers.is_valid_number_for_region(number, region):
            agreed += 1
            assert is_in_a_plan(digits), (region, digits)
        elif is_in_a_plan(digits):
            # Another of the countries knows it, or the digits are a number behind a trunk prefix.
            assert any(_is_valid(digits, other) for other in _REGIONS), digits
    assert agreed > 300


def _is_valid(digits: str, region: str) -> bool:
    try:
        number = phonenumbers.parse(digits, region)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(number)
