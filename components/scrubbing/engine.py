"""All detectors over one text, repeated until nothing more is found.

Finding one value may uncover another that touched it (``13812345678a@b.com``), and a scrubbed text must hold none.
So the engine replaces what it found by one U+FFFC and looks again, and placeholders that an earlier scrubbing left
are read as U+FFFC too: the last look of the first scrubbing and the first look of the second see the same text,
which is why scrubbing twice equals scrubbing once. A text in which nothing is found is looked at once and not copied,
and so is one whose detectors know that a second look would be in vain.

A text made for it (a particle of names ten thousand times) uncovers one value a look. From look ``_PATIENT_LOOKS`` on
what is found takes twice as much around it with it at each look, so that the looks are bounded by a logarithm of the
length; prose ends after two to four.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence

from components.scrubbing.config import ScrubbingConfig
from components.scrubbing.detectors import BatchDetector, Detector, Look, ReturningDetector, SettlingDetector
from components.scrubbing.detectors.make import make_detectors
from components.scrubbing.detectors.patterns import PatternDetector
from components.scrubbing.policy import PLACEHOLDER
from components.scrubbing.spans import Span, resolve_spans

WayToLook = Callable[[Sequence[str], Sequence[str]], list[Look]]

_HOLE = "\ufffc"
_PATIENT_LOOKS = 32
_HAN = re.compile("[\u4e00-\u9fff]")
_PIECE = re.compile(r"[^\s\ufffc](?:[^\ufffc]*[^\s\ufffc])?")  # between holes, without blanks at its ends


class DenyDetector:
    """The values that the config always replaces."""

    name = "deny"

    def __init__(self, config: ScrubbingConfig) -> None:
        """Matching ignores case and does not cut a Latin word."""
        self.labels: frozenset[str] = frozenset(config.deny)
        self._patterns = [
            (
                label,
                re.compile("|".join(_whole(value) for value in sorted(values, key=len, reverse=True)), re.IGNORECASE),
            )
            for label, values in config.deny.items()
            if values
        ]

    def detect(self, text: str, lang: str) -> Iterable[Span]:  # noqa: ARG002 - values, not words of a language
        """Every occurrence, with score 1."""
        return [
            Span(match.start(), match.end(), label, 1.0, self.name)
            for label, pattern in self._patterns
            for match in pattern.finditer(text)
        ]


def _whole(value: str) -> str:
    before = r"(?<![A-Za-z0-9])" if value[0].isascii() and value[0].isalnum() else ""
    after = r"(?![A-Za-z0-9])" if value[-1].isascii() and value[-1].isalnum() else ""
    return before + re.escape(value) + after


def guess_lang(text: str) -> str:
    """``zh`` if any Chinese character stands in the text, else ``en``: a hint for detectors, no language id."""
    return "en" if text.isascii() or _HAN.search(text) is None else "zh"


class Engine:
    """The configured detectors. Make one a process; it has no state between texts."""

    def __init__(
        self,
        config: ScrubbingConfig,
        detectors: Sequence[Detector] = (),
        *,
        built_in: Sequence[Detector] | None = None,
    ) -> None:
        """``detectors`` come on top of the built-in ones (a name tagger, for instance); ``built_in`` replaces those."""
        self._config = config
        self._labels = frozenset(config.labels)
        self._allow = frozenset(value.casefold() for value in config.allow)
        everybody = (*(_built_in(config) if built_in is None else built_in), *detectors)
        wanted = [detector for detector in everybody if detector.labels & self._labels]
        self._looks = [_way_to_look(detector) for detector in wanted]
        self._later_looks = [_way_to_look_again(detector) for detector in wanted]
        self._reach = max((d.reach for d in wanted if isinstance(d, SettlingDetector)), default=0)

    def detect(self, text: str, lang: str | None = None) -> list[Span]:
        """Spans into ``text``: sorted, not overlapping, at least ``min_score``, no allowed value."""
        return self.detect_many([text], [lang])[0]

    def detect_many(self, texts: Sequence[str], langs: Sequence[str | None] | None = None) -> list[list[Span]]:
        """``detect`` of each text. Detectors see all texts in one call, and again only those where something was found.

        ``lang`` None: guessed at each look from the script of what is left.
        """
        hints = [None] * len(texts) if langs is None else langs
        found: list[list[Span]] = [[] for _ in texts]
        layouts: list[Layout | None] = [None] * len(texts)
        work = list(texts)
        for index, text in enumerate(texts):
            if ("[" in text or "*" in text or _HOLE in text) and (
                holes := [match.span() for match in PLACEHOLDER.finditer(text)]
            ):
                work[index], layouts[index] = dig(text, holes, None)
        open_texts: Sequence[int] = range(len(texts))
        ways, number = self._looks, 0
        while open_texts:
            number += 1
            looks = _look(
                ways,
                [work[index] for index in open_texts],
                [hints[index] or guess_lang(work[index]) for index in open_texts],
            )
            ways = self._later_looks
            still_open = []
            for index, look in zip(open_texts, looks, strict=True):
                spans = self._choose(work[index], look.spans) if look.spans else ()
                if not spans:
                    continue
                if number > _PATIENT_LOOKS:
                    spans = _widened(work[index], spans, 1 << (number - _PATIENT_LOOKS)) or spans
                layout = layouts[index]
                found[index] += spans if layout is None else [layout.moved(span) for span in spans]
                if number <= _PATIENT_LOOKS and self._is_settled(work[index], spans, look):
                    continue
                work[index], layouts[index] = dig(work[index], [(span.start, span.end) for span in spans], layout)
                still_open.append(index)
            open_texts = still_open
        return [sorted(spans, key=_start) if len(spans) > 1 else spans for spans in found]

    def _is_settled(self, text: str, kept: Sequence[Span], look: Look) -> bool:
        """Whether replacing ``kept`` cannot uncover anything, so that another look would be in vain.

        That is so where all that was found is replaced, nothing that would join a value stands beside it, and every
        doubt is out of reach.
        """
        if look.doubts is None:
            return False
        for span in kept:
            if not _is_inert(text, span.start - 1, -1) or not _is_inert(text, span.end, 1):
                return False
        for start, end in look.doubts:
            if not _is_far(start, end, kept, self._reach):
                return False
        return len(kept) == len(look.spans) or all(
            any(span.start <= lost.start and lost.end <= span.end for span in kept) for lost in look.spans
        )

    def _choose(self, text: str, spans: Iterable[Span]) -> Sequence[Span]:
        lowest, labels = self._config.min_score, self._labels
        wanted = [
            span
            for span in spans
            if span.score >= lowest and span.label in labels and _HOLE not in text[span.start : span.end]
        ]
        kept = resolve_spans(wanted) if len(wanted) > 1 else wanted
        if self._allow:
            kept = [span for span in kept if text[span.start : span.end].casefold() not in self._allow]
        return kept


def _built_in(config: ScrubbingConfig) -> list[Detector]:
    built_in: list[Detector] = [PatternDetector(config.labels), *make_detectors(config.detectors, config.languages)]
    if config.deny:
        built_in.append(DenyDetector(config))
    return built_in


def _look(ways: Sequence[WayToLook], texts: Sequence[str], langs: Sequence[str]) -> list[Look]:
    """What all detectors together found in each text, and doubted."""
    by_detector = [way(texts, langs) for way in ways]
    if len(by_detector) == 1:
        return by_detector[0]
    return [_joined(looks) for looks in zip(*by_detector, strict=True)]


def _way_to_look_again(detector: Detector) -> WayToLook:
    """One detector's second and later looks."""
    if isinstance(detector, ReturningDetector):
        detect_again = detector.detect_again
        return lambda texts, langs: [Look(spans, None) for spans in detect_again(texts, langs)]
    return _way_to_look(detector)


def _way_to_look(detector: Detector) -> WayToLook:
    """One detector's look at many texts, in the way that it does best."""
    if isinstance(detector, SettlingDetector):
        look = detector.look
        return lambda texts, langs: [look(text, lang) for text, lang in zip(texts, langs, strict=True)]
    if isinstance(detector, BatchDetector):
        detect_many = detector.detect_many
        return lambda texts, langs: [Look(spans, None) for spans in detect_many(texts, langs)]
    detect = detector.detect
    return lambda texts, langs: [Look(list(detect(text, lang)), None) for text, lang in zip(texts, langs, strict=True)]


def _joined(looks: Sequence[Look]) -> Look:
    doubts: list[tuple[int, int]] | None = []
    for look in looks:
        doubts = None if doubts is None or look.doubts is None else [*doubts, *look.doubts]
    return Look([span for look in looks for span in look.spans], doubts)


def _widened(text: str, spans: Sequence[Span], by: int) -> list[Span]:
    """The spans (sorted, apart) and all that stands ``by`` characters around them, in pieces without holes."""
    wide: list[tuple[int, int, Span]] = []
    for span in spans:
        start, end = max(0, span.start - by), min(len(text), span.end + by)
        if wide and start <= wide[-1][1]:
            wide[-1] = (wide[-1][0], end, wide[-1][2])
        else:
            wide.append((start, end, span))
    return [
        Span(start + piece.start(), start + piece.end(), span.label, span.score, span.detector)
        for start, end, span in wide
        for piece in _PIECE.finditer(text[start:end])
    ]


def _is_far(start: int, end: int, kept: Sequence[Span], reach: int) -> bool:
    """Whether a range is out of reach of every span that is replaced, or goes with one (and the character before)."""
    near = False
    for span in kept:
        if span.start - 1 <= start and end <= span.end:
            return True
        near = near or (start < span.end + reach and span.start - reach < end)
    return not near


_INERT = frozenset(' \n,;!?()"“”‘’，。、；：！？（）《》「」【】')


def _is_inert(text: str, position: int, step: int) -> bool:
    """Whether the character can be part of no value: an end of the text, a space, a sign between clauses."""
    if not 0 <= position < len(text) or text[position] in _INERT:
        return True
    return text[position] == "." and step == 1 and text[position + 1 : position + 2] in {"", " ", "\n"}


def _start(span: Span) -> int:
    return span.start


class Layout:
    """Where the pieces of a dug text come from: piece i begins at ``starts[i]`` there and at ``origins[i]`` here."""

    __slots__ = ("origins", "starts")

    def __init__(self, starts: list[int], origins: list[int]) -> None:
        self.starts = starts
        self.origins = origins

    def origin(self, position: int) -> int:
        """The offset in the input of a character of the dug text."""
        piece = bisect_right(self.starts, position) - 1
        return self.origins[piece] + position - self.starts[piece]

    def moved(self, span: Span) -> Span:
        """The span in the offsets of the input. Spans hold no hole, so they lie within one piece."""
        start = self.origin(span.start)
        return Span(start, start + span.end - span.start, span.label, span.score, span.detector)


def dig(text: str, holes: Sequence[tuple[int, int]], layout: Layout | None) -> tuple[str, Layout]:
    """``text`` with every range as U+FFFC, neighbours as one, and where the rest comes from.

    ``holes`` are sorted and do not overlap. ``layout`` is that of ``text``; None: it is the input itself.
    """
    parts: list[str] = []
    starts: list[int] = []
    origins: list[int] = []
    length = at = 0
    for start, end in [*holes, (len(text), len(text))]:
        if start > at and length and parts[-1][-1] == _HOLE and text[at] == _HOLE:
            at += 1  # a hole of an earlier look behind two that touch each other
        if start > at:
            for offset, origin in _origins_of(at, start, layout):
                starts.append(length + offset)
                origins.append(origin)
            parts.append(text[at:start])
            length += start - at
        # Holes side by side are one, also with a hole of an earlier look, which is a character of the text.
        touches = (length and (parts[-1][-1] == _HOLE)) or text[end : end + 1] == _HOLE
        if start < end and not touches:
            starts.append(length)
            origins.append(start if layout is None else layout.origin(start))
            parts.append(_HOLE)
            length += 1
        at = end
    return "".join(parts), Layout(starts, origins)


def _origins_of(at: int, until: int, layout: Layout | None) -> Iterator[tuple[int, int]]:
    """Where text[at:until] comes from: for each piece of the layout the offset from ``at`` and that in the input."""
    yield 0, at if layout is None else layout.origin(at)
    if layout is not None:
        for piece in range(bisect_right(layout.starts, at), bisect_left(layout.starts, until)):
            yield layout.starts[piece] - at, layout.origins[piece]
