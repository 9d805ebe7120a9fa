"""What the tagger can say about a token, and how the labels are numbered."""

from __future__ import annotations

TAGGER_LABELS: tuple[str, ...] = (
    "PERSON",
    "LOCATION",
    "STREET_ADDRESS",
    "ORGANIZATION",
    "DATE_TIME",
    "AGE",
    "NRP",
    "USERNAME",
    "TITLE",
    "ZIP_CODE",
    "CASE_NUMBER",
    "MONEY",
)

OUTSIDE = 0
# Tag 0 is "outside"; label i begins with tag 2i+1 and goes on with 2i+2.
TAG_COUNT = 2 * len(TAGGER_LABELS) + 1


def begin_tag(label: str) -> int:
    """The tag of the first token of a label."""
    return 2 * TAGGER_LABELS.index(label) + 1
