"""The sequence tagger as a detector: names, places, addresses, dates and the like, in both languages."""

from __future__ import annotations

import re
from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from components.scrubbing.spans import Span
from components.scrubbing.tagger.artifact import default_tagger, load
from components.scrubbing.tagger.labels import TAGGER_LABELS

if TYPE_CHECKING:
    from components.scrubbing.tagger.model import TaggedSpan, Tagger

_HOLE = "\ufffc"
# A name that is surely one is one wherever it stands in the text, a little less surely.
_SURE = 0.8
_REPEATED = 0.9
# Patterns know the forms of these; where both find one, theirs stands.
_BETTER_KNOWN = frozenset({"USERNAME", "CASE_NUMBER", "MONEY", "ZIP_CODE"})
_LEAST_SURE = 0.55
_MIN_SURNAME, _MIN_IDEOGRAPHS = 5, 3
_EDGES = " \t\n\r,.;:!?\"'“”‘’()[]{}<>|*>-–—_/\\，。；：！？、（）《》「」【】\u3000"
# Closing characters that belong to a value when what they close is inside it, and the dot of an abbreviation.
_KEPT_AT_END = frozenset(").")
_ABBREVIATION = re.compile(r"(?:^|[\s,.])(?:[A-Za-z]|[A-Z][a-z]{1,3}|[ap]\.?m|Corp)\.$")
_SHORT_TITLE = re.compile(r"(?:mrs?|ms|dr|prof|rev|hon|sr|st|mme|mlle|capt|sgt|lt|col|gen)", re.IGNORECASE)
_NAME_DOTS = frozenset("·•・")
_ADDRESSES = [["STREET_ADDRESS", place, "STREET_ADDRESS"] for place in ("LOCATION", "ZIP_CODE")]
_NEXT = re.compile(r"[\s,]*")
_LATIN_HANDLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")
# What stands behind these the patterns judge by its form, and what they refuse is none.
_KNOWN_FIELD = re.compile(r"(?:微信|微訊|qq|wechat|weixin)[号號]?[:：]? ?$", re.IGNORECASE)
_FIELD_REACH = 10
# Half a number is none: the rest of it stands right before or behind.
_NUMBERS = frozenset({"MONEY", "ZIP_CODE", "AGE"})
_DIGIT_BEFORE, _DIGIT_BEHIND = re.compile(r"(?:[0-9][.\-/]|[A-Za-z0-9])\Z"), re.compile(r"[.\-/]?[0-9]")
# The door behind a number that ends an address, and words that no name ends with though they follow one.
_DOOR = re.compile(
    "(?:号|號|弄|栋|棟|幢|座|楼|樓|层|層|单元|單元|室)(?:[0-9]{1,4}(?:号|號|弄|栋|棟|幢|座|楼|樓|层|層|单元|單元|室))*"
)
_BEHIND_NAMES = frozenset("的了在是和与與及或被把将將从從对對于於到给給向就都也因")
_NEVER_SINGLE = frozenset({"PERSON", "USERNAME"})
_OVER_LINES = frozenset({"STREET_ADDRESS", "LOCATION"})


class TaggerDetector:
    """Spans of the shipped tagger, or of weights that ``train-tagger`` wrote elsewhere."""

    name = "tagger"
    labels = frozenset(TAGGER_LABELS)

    def __init__(self, *, recall_bias: float = 0.0, weights: Path | None = None) -> None:
        """``recall_bias`` is in log-odds: above 0 more is found, and more of it wrongly."""
        self._recall_bias = recall_bias
        self._weights = weights
        self._tagger: Tagger | None = None

    @classmethod
    def of(cls, tagger: Tagger, *, recall_bias: float = 0.0) -> TaggerDetector:
        """A detector of a tagger that is loaded already."""
        detector = cls(recall_bias=recall_bias)
        detector._tagger = tagger
        return detector

    def detect(self, text: str, lang: str) -> Iterable[Span]:
        """Spans of one text; ``lang`` is not needed, scripts may mix."""
        return self.detect_many([text], [lang])[0]

    def detect_many(self, texts: Sequence[str], langs: Sequence[str]) -> list[Sequence[Span]]:  # noqa: ARG002
        """Spans of each text, neighbours of one label joined; the same as one text at a time."""
        return self._detect(texts, near_holes=False)

    def detect_again(self, texts: Sequence[str], langs: Sequence[str]) -> list[Sequence[Span]]:  # noqa: ARG002
        """What is new in texts that were looked at before some of their characters became U+FFFC.

        Far from those nothing changed, and there it finds nothing; a full look costs several times as much.
        """
        return self._detect(texts, near_holes=True)

    def _detect(self, texts: Sequence[str], *, near_holes: bool) -> list[Sequence[Span]]:
        if self._tagger is None:
            self._tagger = load_tagger(self._weights)
        found = self._tagger.tag(texts, recall_bias=self._recall_bias, near_holes=near_holes)
        return [
            [self._span(*place) for place in _everywhere(text, _tidied(text, spans))] if spans else ()
            for text, spans in zip(texts, found, strict=True)
        ]

    def _span(self, start: int, end: int, label: str, score: float) -> Span:
        return Span(start, end, label, min(score, _LEAST_SURE) if label in _BETTER_KNOWN else score, self.name)


def load_tagger(weights: Path | None) -> Tagger:
    """The shipped tagger, shared by all detectors of the process, or one of a folder."""
    if weights is None:
        return default_tagger()
    from components.scrubbing.tagger.model import Tagger

    return Tagger(load(weights))


def _tidied(text: str, spans: Sequence[TaggedSpan]) -> list[TaggedSpan]:
    """Without blanks and punctuation at the ends, without holes, and with neighbours of one label as one."""
    tidy: list[TaggedSpan] = []
    for start, end, label, score in _within_lines(text, spans):
        while start < end and text[start] in _EDGES and text[start] != "(":
            start += 1  # noqa: PLW2901 - the loop narrows the span
        while start < end and text[end - 1] in _EDGES and not _belongs(text, start, end):
            end -= 1  # noqa: PLW2901
        if label == "USERNAME":
            start, end = _whole_handle(text, start, end)  # noqa: PLW2901
            if _KNOWN_FIELD.search(text, max(0, start - _FIELD_REACH), start):
                continue
        is_number = label in _NUMBERS or (label == "STREET_ADDRESS" and text[start:end].isdigit())
        if is_number and _is_part_of_a_number(text, start, end):
            continue
        if label == "PERSON" and end - start == 3 and text[end - 1] in _BEHIND_NAMES:
            end -= 1  # noqa: PLW2901
        if start == end or _HOLE in text[start:end] or (label in _NEVER_SINGLE and _is_ideograph(text[start:end])):
            continue
        end = _closed(text, start, end, label)  # noqa: PLW2901
        if tidy and tidy[-1][2] == label and _may_join(label, text[tidy[-1][1] : start]):
            last = tidy.pop()
            start, score = last[0], max(last[3], score)  # noqa: PLW2901
        tidy.append((start, end, label, score))
    return _with_places(text, tidy)


def _with_places(text: str, spans: Sequence[TaggedSpan]) -> list[TaggedSpan]:
    """With a place or postcode between two parts of an address as one of its parts."""
    joined: list[TaggedSpan] = []
    for span in spans:
        if joined and _is_town_of(text, joined[-1], span):
            town = joined.pop()
            span = (town[0], span[1], "STREET_ADDRESS", max(town[3], span[3]))  # noqa: PLW2901 - the span grows
        elif (
            [label for _, _, label, _ in (*joined[-2:], span)] in _ADDRESSES
            and _NEXT.fullmatch(text[joined[-2][1] : joined[-1][0]])
            and _NEXT.fullmatch(text[joined[-1][1] : span[0]])
        ):
            (first, *_), (*_, last_score) = joined[-2], joined.pop()
            score = max(joined.pop()[3], last_score, span[3])
            span = (first, span[1], "STREET_ADDRESS", score)  # noqa: PLW2901 - the span grows
        joined.append(span)
    return joined


def _is_town_of(text: str, place: TaggedSpan, address: TaggedSpan) -> bool:
    """Whether a Chinese address begins with the place, as it does where nothing stands between them."""
    at = place[1]
    sides = place[2] == "LOCATION" and address[2] == "STREET_ADDRESS" and at == address[0]
    return sides and text[at - 1] >= "\u3400" and text[at] >= "\u3400"


def _whole_handle(text: str, start: int, end: int) -> tuple[int, int]:
    """A handle in Latin letters to its last one, without the Chinese words before it (``用户名ann_9``)."""
    first = next((at for at in range(start, end) if text[at].isascii()), start)
    handle = _LATIN_HANDLE.match(text, first)
    return (first, max(end, handle.end())) if handle else (start, end)


def _is_ideograph(value: str) -> bool:
    """Whether a value is a single ideograph: a surname alone is a name not seen to its end."""
    return len(value) == 1 and "\u3400" <= value <= "\u9fff"


def _is_part_of_a_number(text: str, start: int, end: int) -> bool:
    """Whether digits stand right beside a value, or letters right before it."""
    whole = text[start].isdigit() and _DIGIT_BEFORE.search(text, max(0, start - 2), start) is not None
    return whole or (text[end - 1].isdigit() and _DIGIT_BEHIND.match(text, end) is not None)


def _closed(text: str, start: int, end: int, label: str) -> int:
    """The end, with the dot of a title (``Mr.``), the bracket that the value opened, or the door (``200号``)."""
    behind = text[end : end + 1]
    if label == "STREET_ADDRESS" and text[end - 1 : end].isdigit() and (door := _DOOR.match(text, end)):
        return door.end()
    if behind == "." and label == "TITLE" and _SHORT_TITLE.fullmatch(text, start, end):
        return end + 1
    return end + (behind == ")" and "(" in text[start:end] and ")" not in text[start:end])


def _within_lines(text: str, spans: Sequence[TaggedSpan]) -> Iterator[TaggedSpan]:
    """Each span, or its part on each line: only addresses and places run over line breaks."""
    for start, end, label, score in spans:
        if label in _OVER_LINES or "\n" not in text[start:end]:
            yield start, end, label, score
            continue
        at = start
        for line in text[start:end].split("\n"):
            if line:
                yield at, at + len(line), label, score
            at += len(line) + 1


def _may_join(label: str, between: str) -> bool:
    """Whether two neighbours of one label are one: blanks between them, or the dot of foreign names in Chinese."""
    if "\n" in between and label not in _OVER_LINES:
        return False
    return not between.strip() or (label == "PERSON" and between in _NAME_DOTS)


def _everywhere(text: str, spans: list[TaggedSpan]) -> list[TaggedSpan]:
    """With every other mention of a person who was surely found: the same words, or the surname alone."""
    names: dict[str, float] = {}
    for start, end, label, score in spans:
        if label == "PERSON" and score >= _SURE:
            value = text[start:end]
            for name in (value, value.rsplit(" ", 1)[-1]):
                least = _MIN_SURNAME if name.isascii() or name != value else _MIN_IDEOGRAPHS
                if len(name) >= least and not name[0].islower():
                    names[name] = max(names.get(name, 0.0), score * _REPEATED)
    if not names:
        return spans
    taken = sorted((start, end) for start, end, _, _ in spans)
    more: list[TaggedSpan] = []
    for name, score in sorted(names.items(), key=lambda item: (-len(item[0]), item[0])):
        at = text.find(name)
        while at >= 0:
            end = at + len(name)
            if _stands_alone(text, at, end) and _is_free(taken, at, end):
                more.append((at, end, "PERSON", score))
                insort(taken, (at, end))
            at = text.find(name, end)
    return sorted([*spans, *more]) if more else spans


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Whether the words do not go on in the same script; ideographs have no borders."""
    if not text[start : start + 1].isascii() and "\u3400" <= text[start] <= "\u9fff":
        return True
    return not (text[start - 1 : start].isalnum() or text[end : end + 1].isalnum())


def _is_free(taken: list[tuple[int, int]], start: int, end: int) -> bool:
    """Whether no span of the sorted ones shares a character with start to end; they do not overlap each other."""
    at = bisect_right(taken, (start, end))
    return not (at and taken[at - 1][1] > start) and not (at < len(taken) and taken[at][0] < end)


def _belongs(text: str, start: int, end: int) -> bool:
    """Whether the punctuation at the end is part of the value: ``Mr.``, ``Cyprus (Greek)``."""
    last = text[end - 1]
    if last not in _KEPT_AT_END:
        return False
    return "(" in text[start:end] if last == ")" else bool(_ABBREVIATION.search(text[max(start, end - 8) : end]))
