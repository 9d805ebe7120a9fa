"""Licence policy: names in any spelling, patterns, and what no record says."""

from __future__ import annotations

import pytest

from components.cleaning.config import LicenseConfig
from components.cleaning.licenses import license_judge


@pytest.mark.parametrize(
    ("value", "judgement"),
    [
        ("cc-by-4.0", "allowed"),
        ("CC BY 4.0", "allowed"),
        ("CC_BY-SA 3.0", "allowed"),
        (" MIT ", "allowed"),
        ("mit-modern-variant", "refused"),
        ("cc-by-nc-4.0", "refused"),
        ("CC BY-NC-SA 4.0", "refused"),
        ("proprietary", "refused"),
        ("apache.2.0", "refused"),
        ("", "missing"),
        ("  ", "missing"),
        (None, "missing"),
        (["mit"], "missing"),
    ],
)
def test_table(value: object, judgement: str) -> None:
    config = LicenseConfig(allow=("cc-by-*", "MIT", "apache-2.0"), deny=("*-nc-*",), missing="drop")
    assert license_judge(config)(value) == judgement


def test_records_without_a_licence_may_stay() -> None:
    judge = license_judge(LicenseConfig(allow=("mit",), missing="keep"))
    assert [judge(value) for value in (None, "", "gpl-3.0")] == ["allowed", "allowed", "refused"]
