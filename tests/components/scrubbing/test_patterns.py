"""Every shape with texts that must and must not match, checksums against hand-made and published numbers."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest

from components.scrubbing.checksums import passes_cn_id, passes_iban, passes_luhn
from components.scrubbing.detectors.patterns import (
    PatternDetector,
    find_cards,
    find_cn_ids,
    find_ibans,
    find_ipv4,
    find_ipv6,
    find_mail,
    find_ssns,
    find_urls,
)
from components.scrubbing.detectors.phones import PhoneDetector
from components.scrubbing.spans import Span


def found(spans: Iterable[Span], text: str, min_score: float = 0.5) -> list[str]:
    return [text[span.start : span.end] for span in sorted(spans, key=lambda s: s.start) if span.score >= min_score]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to ana.ruiz+x@mail.example.co.uk.", ["ana.ruiz+x@mail.example.co.uk"]),
        ("邮箱zhang@example.com，谢谢", ["zhang@example.com"]),
        ("张三@example.com", ["张三@example.com"]),
        ("a@b.com and c@d.com", ["a@b.com", "c@d.com"]),
        ("this is @ home, follow @name", []),
        ("a@b", []),
        ("", []),
    ],
)
def test_mail(text: str, expected: list[str]) -> None:
    assert found(find_mail(text), text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://example.org/a?b=1, then", ["https://example.org/a?b=1"]),
        ("照片在https://example.org/p/12上。", ["https://example.org/p/12"]),
        ("go to www.example.com.", ["www.example.com"]),
        ("example.com/path is ours", ["example.com/path"]),
        ("end of sentence.Com it is", []),
        ("version 1.2.3 of e.g. this", []),
        ("a://b", []),
    ],
)
def test_urls(text: str, expected: list[str]) -> None:
    assert sorted(set(found(find_urls(text), text))) == sorted(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from 192.0.2.185 again", ["192.0.2.185"]),
        ("服务器IP是192.168.1.100", ["192.168.1.100"]),
        ("256.1.2.3", []),
        ("version 1.2.3.4 released", []),
        ("1.2.3.4.5", []),
    ],
)
def test_ipv4(text: str, expected: list[str]) -> None:
    assert found(find_ipv4(text), text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("地址 ::1 是本机", ["::1"]),
        ("host 2001:db8:85a3::8a2e:370:7334 up", ["2001:db8:85a3::8a2e:370:7334"]),
        ("at 12:30:45 sharp", []),
        ("std::vector and a::b", []),
        (":::1", []),
    ],
)
def test_ipv6(text: str, expected: list[str]) -> None:
    assert found(find_ipv6(text), text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("card 4111-1111-1111-1111 exp 12/25", ["4111-1111-1111-1111"]),
        ("4111 1111 1111 1111 12/25", ["4111 1111 1111 1111"]),
        ("银行卡4111111111111111", ["4111111111111111"]),
        ("378282246310005", ["378282246310005"]),  # American Express test number
        ("4111-1111-1111-1112", []),  # Luhn fails
        ("9999999999999995", []),  # Luhn holds, no issuer
        ("卡号6217001234567890", ["6217001234567890"]),  # Luhn fails, the word names it
    ],
)
def test_cards(text: str, expected: list[str]) -> None:
    assert found(find_cards(text), text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("身份证11010119900307002X", ["11010119900307002X"]),
        ("号码110101199003074610，请核实", ["110101199003074610"]),
        ("身份证 110101 19900307 4610", ["110101 19900307 4610"]),
        ("110101199003071235", []),  # wrong check digit, nothing names it
        ("身份证号110101199003071235", ["110101199003071235"]),  # wrong check digit, named
        ("110101199013074610", []),  # month 13
        ("000000199003074610", []),  # no such province
        ("ID card no. 110101900307123", ["110101900307123"]),  # 15 digits, named
        ("110101900307123", []),
    ],
)
def test_cn_ids(text: str, expected: list[str]) -> None:
    assert found(find_cn_ids(text), text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SSN is 123-45-6789.", ["123-45-6789"]),
        ("123-45-6789", ["123-45-6789"]),
        ("SSN 123456789", ["123456789"]),
        ("123456789", []),
        ("000-45-6789 666-45-6789 900-45-6789 123-00-6789 123-45-0000", []),
        ("12-345-6789", []),
    ],
)
def test_ssns(text: str, expected: list[str]) -> None:
    assert found(find_ssns(text), text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IBAN DE89 3704 0044 0532 0130 00 PLEASE", ["DE89 3704 0044 0532 0130 00"]),
        ("GB29NWBK60161331926819", ["GB29NWBK60161331926819"]),
        ("DE00370400440532013000", []),
        ("ZZ89370400440532013000", []),
        ("DE8937", []),
    ],
)
def test_ibans(text: str, expected: list[str]) -> None:
    assert found(find_ibans(text), text) == expected


@pytest.mark.parametrize(
    ("text", "lang", "expected"),
    [
        ("Call (555) 123-4567 now", "en", ["(555) 123-4567"]),
        ("+1 415-555-0153", "en", ["+1 415-555-0153"]),
        ("my mobile: +447700 921 916", "en", ["+447700 921 916"]),
        ("电话：13812345678。", "zh", ["13812345678"]),
        ("138-1234-5678", "zh", ["138-1234-5678"]),
        ("座机010-12345678", "zh", ["010-12345678"]),
        ("order 1234567890 of 2024-01-02", "en", []),
        ("138123456789", "zh", []),
        ("10012345678", "zh", []),
        ("555-1234", "en", []),
        ("1 000 000 people", "en", []),
        ("2001-2002 season", "en", []),
    ],
)
def test_phones(text: str, lang: str, expected: list[str]) -> None:
    assert sorted(set(found(PhoneDetector().detect(text, lang), text))) == expected


def test_check_digits_against_a_slow_reference() -> None:
    """Luhn and mod 11-2 by the plain sums, over all last digits: exactly one fits."""
    body = "400000000000000"
    fits = [d for d in "0123456789" if passes_luhn(body + d)]
    slow = sum(int(c) if i % 2 else sum(divmod(int(c) * 2, 10)) for i, c in enumerate(body))
    assert fits == [str(-slow % 10)]
    assert [c for c in "0123456789X" if passes_cn_id("11010519491231002" + c)] == ["X"]  # example of GB 11643
    assert passes_iban("GB82WEST12345698765432")  # example of ISO 13616


@pytest.mark.parametrize(
    "text",
    [
        "a" * 50_000,
        "a@" * 20_000,
        "1" * 50_000,
        "1 " * 25_000,
        "1-" * 25_000,
        "a." * 25_000,
        ":" * 50_000,
        "http://" + "a" * 50_000,
        "(((((1" * 8_000,
        "A" * 50_000,
        "Aa " * 17_000,
        "李" * 50_000,
        "姓名：" * 15_000,
        "DE89" * 12_000,
        "[A" * 20_000,
        "Dear Mr " * 6_000,
    ],
)
def test_adversarial_texts_take_linear_time(text: str) -> None:
    from components.scrubbing.detectors.names import NameDetector

    start = time.process_time()
    for detector in (PatternDetector(), PhoneDetector(), NameDetector(("en", "zh"))):
        list(detector.detect(text, "en"))
    assert time.process_time() - start < 5, "a pattern backtracks"
