"""Structured identifiers on the public sets: recall where it is known, false alarms where there is nothing to find.

Presidio's figures stand beside ours where its package is installed.
"""

from __future__ import annotations

import gzip
import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testkit import shared_data

from components.scrubbing import ScrubbingConfig
from components.scrubbing.benchmark import STRUCTURED_LABELS
from components.scrubbing.benchmark.documents import BenchDocument
from components.scrubbing.benchmark.measure import judge
from components.scrubbing.detectors.patterns import PatternDetector
from components.scrubbing.engine import Engine

pytestmark = pytest.mark.shared_data

# A type of the fixtures: the labels that are right for it, and how many of its cases go otherwise by choice. Those are:
# a URL is replaced also without a token in it, an identity number behind "身份证号" also with a wrong check digit (and
# there is no type for one that is only a social security number).
TYPES = {
    "bank_card": ({"CREDIT_CARD", "CN_BANK_CARD"}, 0), "credit_card": ({"CREDIT_CARD"}, 0),
    "credit_code": ({"CN_SOCIAL_CREDIT_CODE"}, 0), "email": ({"EMAIL_ADDRESS"}, 0), "iban": ({"IBAN_CODE"}, 0),
    "id_number": ({"CN_ID_CARD"}, 1), "imei": ({"ID_NUMBER"}, 0), "ip_address": ({"IP_ADDRESS"}, 0),
    "license_plate": ({"CN_LICENSE_PLATE"}, 0), "mac_address": ({"MAC_ADDRESS"}, 0), "military_id": ({"ID_NUMBER"}, 0),
    "passport": ({"CN_PASSPORT"}, 0), "us_passport": ({"US_PASSPORT"}, 0), "phone": ({"PHONE_NUMBER"}, 0),
    "qq": ({"USERNAME"}, 0), "wechat": ({"USERNAME"}, 1), "social_security": ({"CN_ID_CARD", "ID_NUMBER"}, 1),
    "ssn": ({"US_SSN"}, 0), "url_token": ({"URL"}, 1), "openai_api_key": ({"SECRET"}, 0), "jwt": ({"SECRET"}, 0),
    "anthropic_api_key": ({"SECRET"}, 0), "aws_access_key": ({"SECRET"}, 0), "github_token": ({"SECRET"}, 0),
    "ssh_private_key": ({"SECRET"}, 0),
}  # fmt: skip


def engine(labels: tuple[str, ...] = tuple(sorted(PatternDetector.labels))) -> Engine:
    return Engine(
        ScrubbingConfig.model_validate(
            {"languages": ("en", "zh"), "labels": labels, "policy": "redact", "min_score": 0.5}
        )
    )


def test_argus_fixtures() -> None:
    """At least 0.98 of all unit cases of a structured type; each type misses only what is chosen."""
    made, cases, wrong = engine(), Counter[str](), Counter[str]()
    for path in sorted(shared_data("argus-redact-fixtures").glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8")):
            if "should_match" not in case or case["type"] not in TYPES:
                continue
            text, labels = case["input"], TYPES[case["type"]][0]
            values = [text[span.start : span.end] for span in made.detect(text) if span.label in labels]
            expected = case.get("expected_text") if case["should_match"] else None
            cases[case["type"]] += 1
            wrong[case["type"]] += bool(values) != case["should_match"] or (bool(expected) and expected not in values)
    assert cases.total() == 202
    assert {kind: count for kind, count in wrong.items() if count > TYPES[kind][1]} == {}
    assert 1 - wrong.total() / cases.total() >= 0.98


def test_argus_scenarios() -> None:
    """Whole sentences in one and several languages: exactly the values listed."""
    made = engine()
    for name in ("benchmark_en", "benchmark_zh", "mixed_lang"):
        for case in json.loads(shared_data("argus-redact-fixtures", f"{name}.json").read_text(encoding="utf-8")):
            text = case["input"]
            expected = case.get("pii_values") or [entity["text"] for entity in case.get("entities", ())]
            assert [text[span.start : span.end] for span in made.detect(text)] == expected, case["id"]


def test_identity_numbers_with_context() -> None:
    """multipriv: nine in ten numbers fail the checksum, and all stand behind a word for them."""
    made, n, hit = engine(), Counter[str](), Counter[str]()
    fields = {"idCardNumbers": "CN_ID_CARD", "emailAddress": "EMAIL_ADDRESS", "phoneNumbers": "PHONE_NUMBER"}
    with gzip.open(shared_data("multipriv", "data_person_1000_zh.dev.json.gz"), "rt", encoding="utf-8") as handle:
        people = json.load(handle)
    for person in people:
        text = person["naturalParagraph"]
        spans = made.detect(text, "zh")
        for field, label in fields.items():
            start = text.find(str(person[field]))
            if start >= 0:
                n[label] += 1
                end = start + len(str(person[field]))
                hit[label] += any(s.label == label and s.start <= start and end <= s.end for s in spans)
    assert n["CN_ID_CARD"] == 509
    assert all(hit[label] / n[label] >= 0.99 for label in n), hit


@pytest.mark.parametrize(("name", "words"), [("enwiki-core", 1_200_000), ("zhwiki-core", 350_000)])
def test_false_alarms(name: str, words: int) -> None:
    """At most one structured span in 10,000 words; what is found in an encyclopaedia counts as false, URLs too."""
    made, seen, found = engine(), 0.0, Counter[str]()
    for path in sorted(shared_data(name).glob("*.jsonl.gz")):
        for text in _texts(path):
            seen += _words(text)
            found.update(span.label for span in made.detect(text))
    assert seen > words
    assert found.total() / seen * 10_000 <= 1, found
    found.pop("USERNAME", None)  # the tagger's, and no structured label
    found.pop("URL", None)  # an encyclopaedia does name web pages; of anything else there is next to nothing
    assert found.total() / seen * 10_000 <= 0.05, found


def test_statutes_hold_next_to_nothing() -> None:
    """zh-laws: three million characters without personal data; telephone numbers of offices may stand there."""
    made, seen, found = engine(), 0.0, Counter[str]()
    with tarfile.open(shared_data("zh-laws", "zh-laws.tar.gz")) as archive:
        for member in archive:
            if member.isfile() and member.name.endswith(".md") and (handle := archive.extractfile(member)) is not None:
                text = handle.read().decode("utf-8")
                seen += _words(text)
                found.update(span.label for span in made.detect(text))
    assert seen > 1_500_000
    assert found.total() / seen * 10_000 <= 0.1, found


def _texts(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        for line in handle:
            yield json.loads(line)["text"]


def _words(text: str) -> float:
    """Words between spaces; a Chinese word has 1.6 characters."""
    han = sum("\u4e00" <= character <= "\u9fff" for character in text)
    return han / 1.6 if 5 * han > len(text) else len(text.split())


def _research() -> list[BenchDocument]:
    names = {"DOMAIN_NAME": "URL"}
    path = shared_data("presidio-research", "synth_dataset_v2.dev.json.gz")
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        rows: list[dict[str, Any]] = json.load(handle)
    return [
        BenchDocument(
            row["full_text"],
            tuple(
                (span["start_position"], span["end_position"], names.get(span["entity_type"], span["entity_type"]))
                for span in row["spans"]
                if names.get(span["entity_type"], span["entity_type"]) in STRUCTURED_LABELS
            ),
        )
        for row in rows
    ]


def _panorama() -> list[BenchDocument]:
    """Posts; their codes are of no type, so a value is of the label that any of the two sides may give."""
    documents = []
    path = shared_data("panorama-spia", "entity_panorama_dev.jsonl.gz")
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        for line in handle:
            row = json.loads(line)
            values = []
            for entity in row["entities"]:
                if entity["entity_type"] == "CODE" and (label := _label_of(entity["span_text"])) is not None:
                    values.append((entity["start_offset"], entity["end_offset"], label))
            documents.append(BenchDocument(row["text"], tuple(values)))
    return documents


def _label_of(code: str) -> str | None:
    """By the eye: an @ makes a mail address, a plus or ten digits in groups a telephone number."""
    if "@" in code:
        return "EMAIL_ADDRESS"
    digits = sum(character.isdigit() for character in code)
    plain = all(character.isdigit() or character in "+-.()x# " for character in code)
    if plain and (digits >= 10 or code.startswith("+")) and len(code) != 9:
        return "PHONE_NUMBER"
    return "US_SSN" if plain and len(code) == 11 and code.count("-") == 2 else None


@pytest.mark.soak
@pytest.mark.parametrize("documents", [_research, _panorama], ids=["presidio-research", "panorama-spia"])
def test_no_worse_than_presidio(documents: Any) -> None:
    pytest.importorskip("presidio_analyzer")
    from components.scrubbing.benchmark.contenders import our_detection, presidio_detection

    work = documents()
    texts = [document.text for document in work]
    ours = judge(work, our_detection(STRUCTURED_LABELS).detect(texts))
    peer = judge(work, presidio_detection(STRUCTURED_LABELS).detect(texts))
    assert ours.planted > 20
    assert ours.recall >= peer.recall, (ours, peer)
    assert ours.precision >= peer.precision, (ours, peer)
