"""Figures of a tagger on the published sets: by span, and for tab-spia by character and by identifier."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.scrubbing.detectors.tagger import TaggerDetector
from components.scrubbing.spans import Span
from components.scrubbing.tagger.measure import MaskCounts, SpanCounts, bootstrap, wilson
from components.scrubbing.tagger.model import Tagger
from components.scrubbing.tagger.training.augment import merge_neighbours
from components.scrubbing.tagger.training.corpora import read_cluener, read_resume
from components.scrubbing.tagger.training.documents import NAMES, Document

# Sets whose documents are held out in turn; the others are trained on by every fold.
FOLD_SETS = ("presidio-research", "tab-spia", "weibo-ner")
_LABELS: dict[str, frozenset[str] | None] = {
    "presidio-research": None,
    "weibo-ner": NAMES,
    "cluener2020": frozenset({"PERSON", "LOCATION"}),
    "resume-ner": NAMES,
}
_OVERLAPS = {"exact": 0.999, "overlap_0.5": 0.5}


@dataclass(frozen=True)
class Findings:
    """Documents of one set and the spans found in them."""

    name: str
    documents: list[Document]
    found: list[Sequence[Span]]


def read_measured(data: Path) -> dict[str, list[Document]]:
    """Sets that are measured and never trained on, where they are present."""
    sets: dict[str, list[Document]] = {}
    if (path := data / "cluener2020" / "dev.first_half.json").is_file():
        sets["cluener2020"] = list(read_cluener(path))
    if (path := data / "resume-ner" / "dev.char.bmes").is_file():
        sets["resume-ner"] = list(read_resume(path))
    return sets


def findings_of(name: str, documents: list[Document], tagger: Tagger, recall_bias: float) -> Findings:
    """What a tagger finds in the documents, as the detector reports it."""
    detector = TaggerDetector.of(tagger, recall_bias=recall_bias)
    return Findings(name, documents, detector.detect_many([doc.text for doc in documents], ["en"] * len(documents)))


def measure(findings: Sequence[Findings], data: Path, *, folds: int) -> dict[str, Any]:
    """Figures by set, with n and 95 % intervals."""
    by_set: dict[str, list[tuple[Document, Sequence[Span]]]] = defaultdict(list)
    for part in findings:
        by_set[part.name] += zip(part.documents, part.found, strict=True)
    figures: dict[str, Any] = {"method": f"{folds}-fold cross-validation; cluener2020 and resume-ner never trained on"}
    for name, pairs in by_set.items():
        figures[name] = tab_figures(pairs, data) if name == "tab-spia" else span_figures(pairs, _LABELS[name])
    return figures


def span_figures(pairs: Sequence[tuple[Document, Sequence[Span]]], labels: frozenset[str] | None) -> dict[str, Any]:
    """F1 and F2 by span, at two demands on the overlap, and by label at the exact one."""
    figures: dict[str, Any] = {"documents": len(pairs)}
    for name, overlap in _OVERLAPS.items():
        total, units = SpanCounts(), defaultdict[str, SpanCounts](SpanCounts)
        for document, spans in pairs:
            gold = _gold(document, labels)
            found = [(s.start, s.end, s.label) for s in spans if labels is None or s.label in labels]
            total.add(gold, found, overlap=overlap)
            units[document.group].add(gold, found, overlap=overlap)
        score = total.score(beta=2.0)
        low, high = bootstrap(list(units.values()), beta=2.0)
        figures[name] = _rounded(score | {"f1": total.score(beta=1.0)["f"], "f2_low": low, "f2_high": high})
        figures[name]["labels"] = {
            label: _rounded(total.score([label], beta=1.0)) for label in sorted(total.gold) if total.gold[label]
        }
    return figures


def _gold(document: Document, labels: frozenset[str] | None) -> list[tuple[int, int, str]]:
    return [
        (span.start, span.end, span.label)
        for span in merge_neighbours(document).spans
        if span.label and (labels is None or span.label in labels)
    ]


def tab_figures(pairs: Sequence[tuple[Document, Sequence[Span]]], data: Path) -> dict[str, Any]:
    """tab-spia: DIRECT and QUASI are to be masked; an entity counts when every character of every mention is."""
    rows = _tab_rows(data)
    counts = MaskCounts()
    for document, spans in pairs:
        wanted: list[tuple[int, int]] = []
        entities: dict[str, dict[str, list[tuple[int, int]]]] = defaultdict(lambda: defaultdict(list))
        for entity in rows[document.group]:
            if entity["identifier_type"] != "NO_MASK":
                place = (entity["start_offset"], entity["end_offset"])
                wanted.append(place)
                entities[entity["identifier_type"]][entity["entity_id"]].append(place)
        masks = [(span.start, span.end) for span in spans]
        counts.add(len(document.text), masks, wanted, {kind: of.values() for kind, of in entities.items()})
    figures: dict[str, Any] = {"documents": len(pairs), "characters": _rounded(counts.score())}
    for kind, masked in sorted(counts.entities.items()):
        low, high = wilson(sum(masked), len(masked))
        figures[kind.lower()] = _rounded(
            {"recall": sum(masked) / len(masked), "recall_low": low, "recall_high": high, "n": len(masked)}
        )
    return figures


def _tab_rows(data: Path) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = {}
    for part in ("train", "dev"):
        raw = gzip.decompress((data / "tab-spia" / f"entity_tab_{part}.jsonl.gz").read_bytes()).decode("utf-8")
        rows |= {row["metadata"]["data_id"]: row["entities"] for row in map(json.loads, raw.splitlines())}
    return rows


def _rounded(score: dict[str, float]) -> dict[str, Any]:
    return {key: int(value) if key == "n" else round(value, 4) for key, value in score.items()}
