"""presidio-research with every detector at work, counted in three ways.

``exact``: label and both ends. ``typed_0.9``: label, and an IoU of at least 0.9. ``any_type_0.7``: as the set's own
notebook on a configured analyzer counts (its span evaluator, IoU 0.7): places, addresses and postcodes are one type,
neighbours of one type with nothing but blanks and punctuation between them are one span, several found spans may
cover an annotated one together, and the type need not agree. The notebook skips a list of words besides; this does not.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from components.scrubbing.config import LABELS, ScrubbingConfig
from components.scrubbing.detectors.combine import TaggerWithRules
from components.scrubbing.detectors.names import NameDetector
from components.scrubbing.detectors.tagger import TaggerDetector
from components.scrubbing.engine import Engine
from components.scrubbing.spans import Span
from components.scrubbing.tagger.measure import Place, SpanCounts, bootstrap
from components.scrubbing.tagger.model import Tagger
from components.scrubbing.tagger.training.documents import ALL_LABELS, Document, Gold

# Names in the set that differ from ours.
_LABELS = {"GPE": "LOCATION", "DOMAIN_NAME": "URL"}
_PLACES = frozenset({"LOCATION", "STREET_ADDRESS", "ZIP_CODE"})
_BETWEEN = re.compile(r"[\s\W_]*")
_MIN_SCORE = 0.5


def read_research(path: Path) -> list[Document]:
    """All documents with all their entity types, by our names; the template is the group."""
    documents: list[Document] = []
    for row in json.loads(gzip.decompress(path.read_bytes())):
        spans = [
            Gold(span["start_position"], span["end_position"], _LABELS.get(span["entity_type"], span["entity_type"]))
            for span in row["spans"]
        ]
        ordered = tuple(sorted(spans, key=lambda span: span.start))
        template = str(row["template_id"])
        documents.append(Document(row["full_text"], ordered, ALL_LABELS, "presidio-research", "en", template))
    return documents


def all_detectors(tagger: Tagger, *, recall_bias: float) -> Engine:
    """Patterns, rules and this tagger, as the defaults put them together."""
    config = ScrubbingConfig.model_validate(
        {"languages": ("en", "zh"), "labels": LABELS, "policy": "redact", "min_score": _MIN_SCORE, "detectors": ()}
    )
    names = TaggerWithRules(TaggerDetector.of(tagger, recall_bias=recall_bias), NameDetector(("en", "zh")))
    return Engine(config, (names,))


def research_figures(pairs: Sequence[tuple[Document, Sequence[Span]]]) -> dict[str, Any]:
    """Precision, recall, F2 with its interval over templates, and n, for each way to count."""
    return {"documents": len(pairs)} | {name: _counted(pairs, way) for name, way in _WAYS.items()}


_Way = Callable[[SpanCounts, str, list[Place], list[Place]], None]


def _counted(pairs: Sequence[tuple[Document, Sequence[Span]]], way: _Way) -> dict[str, Any]:
    total, units = SpanCounts(), defaultdict[str, SpanCounts](SpanCounts)
    for document, spans in pairs:
        gold = [(span.start, span.end, str(span.label)) for span in document.spans]
        found = [(span.start, span.end, span.label) for span in spans]
        for counts in (total, units[document.group]):
            way(counts, document.text, gold, found)
    score = total.score(beta=2.0)
    low, high = bootstrap(list(units.values()), beta=2.0)
    rounded = {name: round(value, 4) for name, value in (score | {"f2_low": low, "f2_high": high}).items()}
    labels = {label: total.score([label], beta=1.0) for label in sorted(total.gold)}
    return rounded | {
        "n": int(score["n"]),
        "labels": {
            label: {"precision": round(of["precision"], 4), "recall": round(of["recall"], 4), "n": int(of["n"])}
            for label, of in labels.items()
        },
    }


def _typed(overlap: float) -> _Way:
    def count(counts: SpanCounts, text: str, gold: list[Place], found: list[Place]) -> None:
        counts.add(_joined(text, gold, blank=True), _joined(text, found, blank=True), overlap=overlap)

    return count


def _any_type(overlap: float) -> _Way:
    def count(counts: SpanCounts, text: str, gold: list[Place], found: list[Place]) -> None:
        places, others = ([_as_place(span) for span in spans] for spans in (gold, found))
        left = _joined(text, others, blank=False)
        for span in _joined(text, places, blank=False):
            counts.gold["any"] += 1
            used = _covering(span, left)
            if used and _iou(span, used) >= overlap:
                counts.right["any"] += 1
                counts.found["any"] += 1
                left = [other for other in left if other not in used]
        counts.found["any"] += len(left)

    return count


_WAYS: dict[str, _Way] = {"exact": _typed(0.999), "typed_0.9": _typed(0.9), "any_type_0.7": _any_type(0.7)}


def _as_place(span: Place) -> Place:
    return (*span[:2], "LOCATION") if span[2] in _PLACES else span


def _joined(text: str, spans: Sequence[Place], *, blank: bool) -> list[Place]:
    """Neighbours of one label as one; ``blank``: only blanks may stand between, else punctuation too."""
    joined: list[Place] = []
    for span in sorted(spans):
        between = text[joined[-1][1] : span[0]] if joined else "x"
        if joined and joined[-1][2] == span[2] and (not between.strip() if blank else _BETWEEN.fullmatch(between)):
            joined[-1] = (joined[-1][0], span[1], span[2])
        else:
            joined.append(span)
    return joined


def _covering(span: Place, found: Sequence[Place]) -> list[Place]:
    """The found spans, in order, each of which brings the union of them nearer to ``span``."""
    used: list[Place] = []
    for other in found:
        if other[0] < span[1] and span[0] < other[1] and _iou(span, [*used, other]) > _iou(span, used):
            used.append(other)
    return used


def _iou(span: Place, found: Sequence[Place]) -> float:
    """Of characters; the found spans do not overlap each other."""
    covered = sum(end - start for start, end, _ in found)
    shared = sum(max(0, min(end, span[1]) - max(start, span[0])) for start, end, _ in found)
    return shared / (covered + span[1] - span[0] - shared)
