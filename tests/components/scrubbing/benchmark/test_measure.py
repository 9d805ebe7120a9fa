"""The benchmark itself: its documents hold what they say, and its arithmetic is right."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from components.core.errors import ConfigError
from components.scrubbing.benchmark import STRUCTURED_LABELS, BenchDocument, Contender, compare, make_documents
from components.scrubbing.benchmark.contenders import our_detection
from components.scrubbing.benchmark.measure import judge


def test_documents_are_as_described_and_the_same_for_a_seed() -> None:
    documents = make_documents(70, seed=3)
    assert documents == make_documents(70, seed=3) != make_documents(70, seed=4)
    assert all(900 <= len(document.text) <= 1_100 for document in documents)
    labels = [label for document in documents for _, _, label in document.values]
    assert {label: labels.count(label) for label in STRUCTURED_LABELS} == dict.fromkeys(STRUCTURED_LABELS, 20)
    for document in documents:
        for start, end, label in document.values:
            value = document.text[start:end]
            assert value == value.strip()
            assert ("@" in value) == (label == "EMAIL_ADDRESS")
            assert value.startswith("https://") == (label == "URL")


def test_quality_by_hand() -> None:
    document = BenchDocument("x" * 40, ((0, 10, "URL"), (20, 30, "US_SSN")))
    found = [[(0, 9, "URL"), (11, 12, "URL"), (20, 30, "PHONE_NUMBER"), (21, 25, "US_SSN")]]
    quality = judge([document], found)
    assert (quality.planted, quality.found, quality.reported, quality.right) == (2, 1, 4, 1)
    assert (quality.recall, quality.precision) == (0.5, 0.25)
    assert quality.recall_per_label == {"URL": 1.0, "US_SSN": 0.0}


def test_we_find_everything_that_was_planted() -> None:
    documents = make_documents(140, seed=8)
    quality = judge(documents, our_detection(STRUCTURED_LABELS).detect([document.text for document in documents]))
    assert (quality.recall, quality.precision) == (1.0, 1.0)


def test_a_faster_contender_has_the_higher_ratio() -> None:
    def slow(texts: Sequence[str]) -> list[list[tuple[int, int, str]]]:
        for text in texts:
            sum(ord(character) ** 3 for character in text * 40)
        return [[] for _ in texts]

    report = compare(
        our_detection(("EMAIL_ADDRESS",)),
        Contender("slow", "1", slow),
        make_documents(40, seed=1),
        rounds=3,
        peer_share=4,
    )
    assert report.ratio > 5
    assert (report.documents, report.peer_documents) == (40, 10)
    assert report.ours.slowest <= report.ours.documents_per_second <= report.ours.fastest
    with pytest.raises(ConfigError, match="40 documents"):
        compare(our_detection(("URL",)), Contender("x", "1", slow), make_documents(40, seed=1), rounds=1, peer_share=50)
