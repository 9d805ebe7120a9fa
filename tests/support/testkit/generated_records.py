# ruff: noqa: E501 - tables of texts
"""Texts that are hard on detectors, made from a seed: values, look-alikes, broken bytes, long runs, all mixed."""

from __future__ import annotations

import random
from collections.abc import Iterator

_VALUES = (
    "ana@example.com", "https://example.org/p?x=1", "postgres://ana:pw1@db.example.org", "192.0.2.7", "2001:db8::1",
    "4111 1111 1111 1111", "123-45-6789", "11010119900307002X", "13812345678", "+1 415-555-0153", "(202) 555-0123",
    "DE89370400440532013000", "AA:BB:CC:DD:EE:FF", "京A12345", "91110108MA01YBNX62", "G12345678", "AB123456C",
    "AKIAIOSFODNN7EXAMPLE", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "password: hunter2", "一三八一二三四五六七八",
    "ana at example dot com", "（2019）京01民终1234号", "no. 28045/02", "@tina996", "微信：wxid_abc123", "６２１７００",
)  # fmt: skip
_WORDS = (
    "SSN", "SSN:", "身份证号", "card", "phone", "电话：", "IBAN", "passport", "护照", "order no.", "version", "call",
    "email", "ip", "the", "of", "in 1998", "约3,000", "12.5", "第3章", "dot", "at", "key=", "密码是", "mail", "[PERSON]",
    "[EMAIL_ADDRESS:0123456789abcdef]", "***",
)  # fmt: skip
_SIGNS = (
    " ", " ", " ", "", "", ", ", "。", "，", ".", "-", "/", ":", "://", "@", "(", ")", "\n", "\n\n", "\t", "\u200b", "\u00ad",
    "\u202e", "\ufeff", "\x00", "\ufffc", "*", "_", "+", "#", "=", '"', "１", "١", "\ud800", "😀", "👨‍👩‍👧", "é", "中", "a", "Z", "7",
)  # fmt: skip


def generate_records(count: int, seed: int) -> Iterator[str]:
    """``count`` texts of up to about 600 characters."""
    rng = random.Random(seed)
    for _ in range(count):
        parts: list[str] = []
        for _ in range(rng.randrange(1, 24)):
            chosen = rng.random()
            if chosen < 0.25:
                parts.append(_damaged(rng.choice(_VALUES), rng))
            elif chosen < 0.45:
                parts.append(rng.choice(_WORDS))
            elif chosen < 0.5:
                parts.append("".join(rng.choices("0123456789 -.", k=rng.randrange(1, 30))))
            elif chosen < 0.55:
                parts.append(chr(rng.randrange(0x110000)) * rng.randrange(1, 4))
            else:
                parts.append(rng.choice(_SIGNS))
        yield "".join(parts)


def _damaged(value: str, rng: random.Random) -> str:
    """The value itself half of the time, else with a character dropped, doubled or replaced."""
    if rng.random() < 0.5:
        return value
    at = rng.randrange(len(value))
    return value[:at] + rng.choice(("", value[at] * 2, rng.choice(_SIGNS))) + value[at + 1 :]
