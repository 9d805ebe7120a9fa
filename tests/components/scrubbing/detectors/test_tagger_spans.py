"""What the detector makes of the tagger's spans: whole numbers, whole addresses, names without the word behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import pytest

from components.scrubbing.detectors.tagger import TaggerDetector
from components.scrubbing.tagger.model import TaggedSpan, Tagger


@dataclass
class Says:
    """A tagger that marks these values of a text, each once."""

    values: Sequence[tuple[str, str]]

    def tag(self, texts: Sequence[str], *, recall_bias: float, near_holes: bool = False) -> list[list[TaggedSpan]]:
        return [
            sorted((text.index(value), text.index(value) + len(value), label, 0.7) for value, label in self.values)
            for text in texts
        ]


def found(text: str, *values: tuple[str, str]) -> list[tuple[str, str]]:
    detector = TaggerDetector.of(cast(Tagger, Says(values)))
    return [(text[span.start : span.end], span.label) for span in detector.detect(text, "en")]


@pytest.mark.parametrize(
    ("text", "value", "label"),
    [
        ("call 555.123.4567", "555.123", "MONEY"),
        ("call 555.123.4567", "4567", "ZIP_CODE"),
        ("plate A12345", "12345", "ZIP_CODE"),
        ("plate A12345", "12345", "STREET_ADDRESS"),
        ("in 12/05", "12", "AGE"),
    ],
)
def test_half_a_number_is_no_value(text: str, value: str, label: str) -> None:
    assert found(text, (value, label)) == []


@pytest.mark.parametrize(
    ("text", "value", "label"),
    [("it cost $12.50.", "$12.50", "MONEY"), ("Leeds 90210, then", "90210", "ZIP_CODE"), ("aged 45.", "45", "AGE")],
)
def test_a_whole_number_is(text: str, value: str, label: str) -> None:
    assert found(text, (value, label)) == [(value, label)]


def test_a_chinese_address_has_its_town_and_its_door() -> None:
    text = "他住在杭州市西湖区文三路200号8栋801室，很近"
    parts = (("杭州市", "LOCATION"), ("西湖区文三路200", "STREET_ADDRESS"))
    assert found(text, *parts) == [("杭州市西湖区文三路200号8栋801室", "STREET_ADDRESS")]
    english = "Leeds 12 Elm Road"
    assert len(found(english, ("Leeds", "LOCATION"), ("12 Elm Road", "STREET_ADDRESS"))) == 2


def test_the_word_behind_a_name_is_none_of_it() -> None:
    assert found("患者李芳因头痛就诊", ("李芳因", "PERSON")) == [("李芳", "PERSON")]
    assert found("患者李芳芳头痛", ("李芳芳", "PERSON")) == [("李芳芳", "PERSON")]
