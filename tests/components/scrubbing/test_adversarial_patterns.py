# ruff: noqa: E501 - tables of texts
"""Texts made to hang or crash a detector: the time per megabyte is bounded for each."""

from __future__ import annotations

import time

import pytest

from components.scrubbing.detectors.patterns import PatternDetector

# Seconds of processor time a megabyte; prose takes a hundredth of it, and a core shared with another thread is slower.
MAX_SECONDS_PER_MEGABYTE = 60.0
DETECTOR = PatternDetector()
UNITS = [
    "a", "1", "@", ".", ":", "-", "/", "_", "(", "=", "A", "中", "１", "一", "\u200b", "\ud800", "\x00", "a@", "@a", "a.",
    "a.a", "1.", "1-", "1 ", "1.1.1.1.", "::", "a:b:", "://", "a://", "http://a", "www.", ".com", "a.co", "a@b.", "(((1",
    "1(", "+1", "DE89", "AB12", "0x", "bc1", "eyJ.", "eyJa", "sk-", "ghp_", "AKIA", "-----BEGIN PRIVATE KEY-----", "key=",
    "key:a ", "password is ", "no. 1", "no. 1/", "case no. ", "nos. 12/12, ", "(2019)", "（2019）京", "qq", "微信", "微信1",
    "京A", "京A1", "SSN ", "SSN: 1", "身份证", "身份证1", "card 4111 ", "phone 555-", "passport A", " at ", " at a.b ", " dot ",
    " dot com ", "[at]", "艾特", "a点", "1x", "12/", "1:1:", "AA:BB:", "aa-bb-", "1234.5678.", "٣", "３ ", "一 ", "[A", "[A]",
    "*", "\ufffc", "\ufffc1", "imei ", "d1", "1 2", "1\u200b", "1,", "1、",
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_one_unit_over_and_over(unit: str) -> None:
    """40 kB of a unit; a quadratic step would need hours for a megabyte and shows here."""
    seconds = {length: _seconds(unit * (length // len(unit))) for length in (5_000, 40_000)}
    assert seconds[40_000] / 0.04 < MAX_SECONDS_PER_MEGABYTE, f"{seconds}"


@pytest.mark.parametrize(
    "start", ["http://", "a@", "AKIA", "eyJ", "password: ", "SSN: ", "0x", "身份证号", "+", "（2019）"]
)
def test_a_start_and_a_long_rest(start: str) -> None:
    for rest in ("a", "1", ".", "1 ", "a.", "中", "="):
        assert _seconds(start + rest * 20_000) < 1.5


def test_a_line_of_many_megabytes() -> None:
    """Prose in one line without an end; the value at its end is found."""
    text = "The committee met twice in the spring and put it off. " * 100_000 + "ana@example.com"
    start = time.process_time()
    spans = DETECTOR.detect(text, "en")
    assert [text[span.start : span.end] for span in spans] == ["ana@example.com"]
    assert time.process_time() - start < 5


def _seconds(text: str) -> float:
    start = time.process_time()
    for span in DETECTOR.detect(text, "en"):
        assert 0 <= span.start < span.end <= len(text)
    return time.process_time() - start
