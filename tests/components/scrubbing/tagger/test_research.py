"""The three ways to count on presidio-research, on spans counted by hand; and borders of spans set right."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from components.scrubbing.detectors.tagger import TaggerDetector
from components.scrubbing.spans import Span
from components.scrubbing.tagger.training.documents import ALL_LABELS, Document, Gold
from components.scrubbing.tagger.training.research import research_figures

#       0         1         2         3
#       0123456789012345678901234567890123456789
TEXT = "Ann Lee, 12 Elm St, Rome, saw Bo today."
GOLD = (
    Gold(0, 7, "PERSON"),
    Gold(9, 18, "STREET_ADDRESS"),
    Gold(20, 24, "LOCATION"),
    Gold(30, 32, "PERSON"),
)
PAIRS = [(Document(TEXT, GOLD, ALL_LABELS, "presidio-research", "en", "1"),
          [Span(0, 3, "PERSON", 0.9, "x"), Span(4, 7, "ORGANIZATION", 0.9, "x"),
           Span(9, 24, "STREET_ADDRESS", 0.9, "x"), Span(30, 32, "PERSON", 0.9, "x"),
           Span(33, 38, "DATE_TIME", 0.9, "x")])]  # fmt: skip


def test_typed_ways_want_the_label_and_the_ends() -> None:
    figures = research_figures(PAIRS)
    for way in ("exact", "typed_0.9"):
        # Of five found and four annotated, only Bo is right.
        assert (figures[way]["precision"], figures[way]["recall"], figures[way]["n"]) == (0.2, 0.25, 4)


def test_any_type_lets_spans_share_and_join() -> None:
    # Annotated: Ann Lee, the address with its town, Bo. Found: both halves of the name (6 of 7 characters), the
    # address, Bo, and the day, which nobody annotated.
    counted = research_figures(PAIRS)["any_type_0.7"]
    assert (counted["n"], counted["recall"], counted["precision"]) == (3, 1.0, 0.75)
    assert counted["f"] == pytest.approx(5 * 0.75 / (4 * 0.75 + 1), abs=1e-4)


class Told:
    """Gives the spans that it was told to give."""

    def __init__(self, *spans: tuple[int, int, str, float]) -> None:
        self.spans = list(spans)

    def tag(self, texts: Sequence[str], *, recall_bias: float, near_holes: bool) -> list[list[tuple]]:
        return [self.spans for _ in texts]


@pytest.mark.parametrize(
    ("text", "spans", "expected"),
    [
        ("Mr. Hu left", [(0, 2, "TITLE")], [("Mr.", "TITLE")]),
        ("the doctor. Hu left", [(4, 10, "TITLE")], [("doctor", "TITLE")]),
        ("in Cork (Munster) now", [(3, 16, "LOCATION")], [("Cork (Munster)", "LOCATION")]),
        ("(in Cork) now", [(4, 8, "LOCATION")], [("Cork", "LOCATION")]),
        ("见沈先生", [(1, 2, "PERSON")], []),
        ("用户名ann_9，", [(2, 8, "USERNAME")], [("ann_9", "USERNAME")]),
        ("user ann_9b!", [(5, 8, "USERNAME")], [("ann_9b", "USERNAME")]),
        ("微信号9abc", [(3, 7, "USERNAME")], []),
        ("@爱吃鱼", [(1, 4, "USERNAME")], [("爱吃鱼", "USERNAME")]),
        (
            "4 Oak Rd\n Ulm\n 89073",
            [(0, 8, "STREET_ADDRESS"), (10, 13, "LOCATION"), (15, 20, "STREET_ADDRESS")],
            [("4 Oak Rd\n Ulm\n 89073", "STREET_ADDRESS")],
        ),
        (
            "4 Oak Rd in Ulm, 89073",
            [(0, 8, "STREET_ADDRESS"), (12, 15, "LOCATION"), (17, 22, "STREET_ADDRESS")],
            [("4 Oak Rd", "STREET_ADDRESS"), ("Ulm", "LOCATION"), ("89073", "STREET_ADDRESS")],
        ),
    ],
)
def test_borders(text: str, spans: list[tuple[int, int, str]], expected: list[tuple[str, str]]) -> None:
    detector = TaggerDetector.of(Told(*((*span, 0.9) for span in spans)))  # type: ignore[arg-type]
    assert [(text[s.start : s.end], s.label) for s in detector.detect(text, "en")] == expected
