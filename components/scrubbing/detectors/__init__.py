"""What finds spans. A detector reads one text and knows nothing of policy, files or other detectors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from components.scrubbing.spans import Span


class Detector(Protocol):
    """Finds spans of some labels.

    A text holds U+FFFC where something was replaced already. A detector never returns a span that covers one, and
    treats it as punctuation.
    """

    name: str
    labels: frozenset[str]

    def detect(self, text: str, lang: str) -> Iterable[Span]:
        """Spans in any order, overlapping or not. ``lang`` is a hint (``en``, ``zh``)."""
        ...


@runtime_checkable
class BatchDetector(Detector, Protocol):
    """A detector that does better on many texts in one call."""

    def detect_many(self, texts: Sequence[str], langs: Sequence[str]) -> list[Sequence[Span]]:
        """``detect`` of each text, in order."""
        ...


@runtime_checkable
class ReturningDetector(BatchDetector, Protocol):
    """A batch detector to which a place is settled unless a hole is near: a later look costs it little."""

    def detect_again(self, texts: Sequence[str], langs: Sequence[str]) -> list[Sequence[Span]]:
        """What is new in texts that it has seen before some of their characters became U+FFFC.

        Elsewhere it would find what it found before, which was replaced then, or not wanted.
        """
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """What a detector found in a text, and where it almost found something.

    ``doubts`` are ranges (start, end) in which another look may find more once a neighbour has been replaced; None:
    anywhere. A look without doubts near a span need not be repeated after that span was replaced.
    """

    spans: Sequence[Span]
    doubts: Sequence[tuple[int, int]] | None


@runtime_checkable
class SettlingDetector(Detector, Protocol):
    """A detector that knows where a second look would be in vain.

    It promises that what it says of a place depends on at most ``reach`` characters before and behind.
    """

    reach: int

    def look(self, text: str, lang: str) -> Look:
        """``detect``, and its doubts."""
        ...
