"""Readers of the published sets, each in its own format, into annotated documents."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.scrubbing.tagger.training.documents import (
    ALL_BUT_MONEY,
    ALL_LABELS,
    NAMES,
    Document,
    Gold,
    join_tokens,
    merge_tags,
)
from components.scrubbing.tagger.training.money import MONEY_EN

RESEARCH_FILE = "synth_dataset_v2.dev.json.gz"
_CONLL = {"PER": "PERSON", "LOC": "LOCATION", "ORG": "ORGANIZATION", "MISC": None}
_WNUT = {"person": "PERSON", "location": "LOCATION", "corporation": "ORGANIZATION", "group": "ORGANIZATION"}
_WEIBO = {"PER.NAM": "PERSON", "LOC.NAM": "LOCATION", "GPE.NAM": "LOCATION", "ORG.NAM": "ORGANIZATION"}
_RESUME = {"NAME": "PERSON", "ORG": "ORGANIZATION", "LOC": "LOCATION", "CONT": "NRP", "RACE": "NRP", "TITLE": "TITLE"}
# Parties of a loan agreement; the filings mark them as persons and organisations.
_ROLES = frozenset({"borrower", "lender", "bank", "company"})
_PRESIDIO = {
    "PERSON": "PERSON",
    "GPE": "LOCATION",
    "STREET_ADDRESS": "STREET_ADDRESS",
    "ORGANIZATION": "ORGANIZATION",
    "DATE_TIME": "DATE_TIME",
    "AGE": "AGE",
    "NRP": "NRP",
    "TITLE": "TITLE",
    "ZIP_CODE": "ZIP_CODE",
}
_HANDLE = re.compile(r"@?[\w.\-]*[\d_][\w.\-]*|@[\w.\-]+|[a-z][a-z.\-]+")
_AGE = re.compile(r"(?:aged? )?(?:of )?\d{1,3}(?: years?(?: old)?)?|\d{1,3}-year-old")
_CLUENER = {
    "name": "PERSON",
    "address": "LOCATION",
    "company": "ORGANIZATION",
    "government": "ORGANIZATION",
    "organization": "ORGANIZATION",
    "position": "TITLE",
}


def _lines(path: Path) -> list[str]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return raw.decode("utf-8", "replace").splitlines()


def _sentences(path: Path) -> Iterator[list[list[str]]]:
    """Blocks of columns; a blank line ends one."""
    block: list[list[str]] = []
    for line in [*_lines(path), ""]:
        columns = line.split()
        if columns and columns[0] != "-DOCSTART-":
            block.append(columns)
        elif block:
            yield block
            block = []


def read_conll(
    path: Path, source: str, labels: dict[str, str | None] | dict[str, str], *, join: int = 1
) -> Iterator[Document]:
    """English sentences of CoNLL columns, word first and tag last; ``join`` sentences make a document."""
    texts: list[str] = []
    spans: list[Gold] = []
    at = 0
    for number, block in enumerate(_sentences(path), start=1):
        tags = ["O" if row[0].casefold() in _ROLES and source == "sec-filings-ner" else row[-1] for row in block]
        text, places = join_tokens([row[0] for row in block], tags, spaced=True)
        spans += [Gold(at + s.start, at + s.end, s.label) for s in merge_tags(places, dict(labels))]
        texts.append(text)
        at += len(text) + 1
        if number % join == 0:
            yield Document(" ".join(texts), tuple(spans), NAMES, source, "en", str(number))
            texts, spans, at = [], [], 0
    if texts:
        yield Document(" ".join(texts), tuple(spans), NAMES, source, "en", "last")


def read_weibo(path: Path) -> Iterator[Document]:
    """Posts of weibo-ner: a character and the number of its place in the word, then the tag."""
    for number, block in enumerate(_sentences(path)):
        text, places = join_tokens([row[0][0] for row in block], [row[-1] for row in block], spaced=False)
        yield Document(text, merge_tags(places, dict(_WEIBO)), NAMES, "weibo-ner", "zh", str(number))


def read_resume(path: Path) -> Iterator[Document]:
    """Lines of resume-ner, BMES. No licence: for measuring only."""
    for number, block in enumerate(_sentences(path)):
        text, places = join_tokens([row[0] for row in block], [_bio(row[-1]) for row in block], spaced=False)
        yield Document(text, merge_tags(places, dict(_RESUME)), NAMES, "resume-ner", "zh", str(number))


def _bio(tag: str) -> str:
    return tag.replace("S-", "B-", 1)


def read_presidio(path: Path) -> Iterator[Document]:
    """presidio-research: ``template_id`` is the group. What patterns find is outside for the tagger."""
    for row in json.loads("\n".join(_lines(path))):
        spans = [
            Gold(span["start_position"], span["end_position"], _PRESIDIO[span["entity_type"]])
            for span in row["spans"]
            if span["entity_type"] in _PRESIDIO
        ]
        ordered = tuple(sorted(spans, key=lambda span: span.start))
        yield Document(row["full_text"], ordered, ALL_BUT_MONEY, "presidio-research", "en", str(row["template_id"]))


def read_cluener(path: Path) -> Iterator[Document]:
    """cluener2020; ends are inclusive in the file. No licence: for measuring only."""
    for number, line in enumerate(_lines(path)):
        row = json.loads(line)
        spans = [
            Gold(start, end + 1, _CLUENER[name])
            for name, values in row["label"].items()
            if name in _CLUENER
            for places in values.values()
            for start, end in places
        ]
        ordered = tuple(sorted(spans, key=lambda span: span.start))
        yield Document(row["text"], ordered, NAMES, "cluener2020", "zh", str(number))


def read_spia(path: Path, source: str) -> Iterator[Document]:
    """tab-spia and panorama-spia: one JSON a line."""
    for line in _lines(path):
        row = json.loads(line)
        spans: list[Gold] = []
        for entity in sorted(row["entities"], key=lambda e: (e["start_offset"], -e["end_offset"])):
            start, end = entity["start_offset"], entity["end_offset"]
            if spans and start < spans[-1].end:
                continue
            judged, label = _spia_label(entity, row["text"][start:end], source)
            if judged:
                spans.append(Gold(start, end, label))
        yield Document(row["text"], tuple(spans), ALL_LABELS, source, "en", row["metadata"]["data_id"])


def _spia_label(entity: dict[str, Any], value: str, source: str) -> tuple[bool, str | None]:
    """Whether an entity takes part, and its label here (None: not judged)."""
    kind, masked, tab = entity["entity_type"], entity["identifier_type"] != "NO_MASK", source == "tab-spia"
    label: str | None = {"LOC": "LOCATION", "DATETIME": "DATE_TIME", "PERSON": "PERSON", "ORG": "ORGANIZATION"}.get(
        kind
    )
    if kind == "ORG":
        # Courts and ministries that every judgment names are left to read as they are.
        return masked, label
    if kind == "PERSON" and not tab and _HANDLE.fullmatch(value):
        label = "USERNAME"
    elif kind == "CODE" and tab:
        label = "CASE_NUMBER"
    elif kind == "QUANTITY" and MONEY_EN.search(value):
        label = "MONEY"
    elif kind == "DEM" and value[:1].isupper() and value.isalpha():
        label = "NRP"
    elif kind == "DEM":
        # Occupations, ranks and the like.
        label = "AGE" if _AGE.fullmatch(value) else "TITLE" if masked and tab else None
    return True, label


def read_all(data: Path) -> dict[str, list[Document]]:
    """Every set that may shape weights, by name, from a folder that holds each set in its own folder."""
    tweets = [data / "broad-twitter-corpus" / f"{section}.conll" for section in "abefg"]
    tab = [data / "tab-spia" / f"entity_tab_{part}.jsonl.gz" for part in ("train", "dev")]
    wnut = [data / "wnut17" / "wnut17train.conll", data / "wnut17" / "emerging.dev.conll"]
    weibo = [data / "weibo-ner" / f"weiboNER_2nd_conll.{part}" for part in ("train", "dev")]
    panorama = data / "panorama-spia" / "entity_panorama_dev.jsonl.gz"
    return {
        "wnut17": [doc for path in wnut for doc in read_conll(path, "wnut17", _WNUT)],
        "wikigold": list(read_conll(data / "wikigold" / "wikigold.dev.conll.txt", "wikigold", _CONLL, join=4)),
        "broad-twitter-corpus": [doc for path in tweets for doc in read_conll(path, "broad-twitter-corpus", _CONLL)],
        "sec-filings-ner": list(
            read_conll(data / "sec-filings-ner" / "FIN5.train.txt", "sec-filings-ner", _CONLL, join=4)
        ),
        "tab-spia": [doc for path in tab for doc in read_spia(path, "tab-spia")],
        "panorama-spia": list(read_spia(panorama, "panorama-spia")),
        "presidio-research": list(read_presidio(data / "presidio-research" / RESEARCH_FILE)),
        "weibo-ner": [doc for path in weibo for doc in read_weibo(path)],
    }
