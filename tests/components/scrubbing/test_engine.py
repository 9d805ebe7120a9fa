"""Looking again: what is promised, and that skipping a look in vain changes nothing."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from testkit.generated_records import generate_records

from components.scrubbing import LABELS, ScrubbingConfig, Span
from components.scrubbing.config import Policy
from components.scrubbing.detectors import Detector
from components.scrubbing.detectors.patterns import PatternDetector
from components.scrubbing.engine import Engine, _widened, dig
from components.scrubbing.policy import apply_policy

STRUCTURED = tuple(sorted(PatternDetector.labels))
SEVEN = ("EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD", "IBAN_CODE", "IP_ADDRESS", "US_SSN", "URL")


def engine(labels: tuple[str, ...] = STRUCTURED, built_in: list[Detector] | None = None) -> Engine:
    """Patterns alone, or what is given: only they promise to settle."""
    values = {"languages": ("en", "zh"), "labels": labels, "policy": "redact", "min_score": 0.5, "detectors": ()}
    return Engine(ScrubbingConfig.model_validate(values), built_in=built_in)


class Hesitant:
    """The same detector without its promise, so that the engine looks again until nothing is found."""

    name = "patterns"

    def __init__(self, labels: tuple[str, ...]) -> None:
        self.inner = PatternDetector(labels)
        self.labels = self.inner.labels

    def detect(self, text: str, lang: str) -> list[Span]:
        return list(self.inner.detect(text, lang))


def check(texts: list[str], labels: tuple[str, ...]) -> int:
    """The promises on each text; returns the number of spans."""
    swift, slow = engine(labels, [PatternDetector(labels)]), engine(labels, [Hesitant(labels)])
    total = 0
    found = swift.detect_many(texts)
    assert found == slow.detect_many(texts)
    for text, spans in zip(texts, found, strict=True):
        assert all(0 <= span.start < span.end <= len(text) for span in spans)
        assert all(left.end <= right.start for left, right in pairwise(spans))
        once = apply_policy(text, spans, "redact")
        assert swift.detect(once) == [], [span.label for span in swift.detect(once)]
        total += len(spans)
    return total


@pytest.mark.parametrize("labels", [STRUCTURED, SEVEN], ids=["all", "seven"])
def test_generated_records_keep_the_promises(labels: tuple[str, ...]) -> None:
    assert check(list(generate_records(1_500, seed=11)), labels) > 1_000


@pytest.mark.parametrize("policy", ["redact", "mask"])
def test_tagger_and_rules_find_nothing_the_second_time(policy: Policy) -> None:
    """Also where a value that is gone changes what the tagger thinks of its neighbours."""
    detectors = ({"kind": "tagger"}, {"kind": "rules"})
    values = {"languages": ("en", "zh"), "labels": LABELS, "policy": policy, "min_score": 0.5, "detectors": detectors}
    made = Engine(ScrubbingConfig.model_validate(values))
    sentences = [
        "Dear Mr. Olubunmi Adeyemiwa, Adeyemiwa & Sons of 12 Baker Street, London owe $300 since 3 May 2011.",
        "患者张伟明，男，45岁，于2019年3月5日在北京协和医院入院，联系人：张小红13812345678。",
    ]
    texts = [
        *sentences,
        *(f"{record} {sentence}" for record in generate_records(100, seed=5) for sentence in sentences),
    ]
    found = made.detect_many(texts)
    assert all(found)
    once = [apply_policy(text, spans, policy) for text, spans in zip(texts, found, strict=True)]
    assert sum(bool(spans) for spans in made.detect_many(once)) == 0


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_thousand_generated_records(seed: int) -> None:
    assert check(list(generate_records(10_000, seed=seed)), STRUCTURED if seed % 2 else SEVEN) > 6_000


@given(st.lists(st.text(max_size=60), max_size=4).map("".join))
@settings(max_examples=300, deadline=None)
def test_any_text_keeps_the_promises(text: str) -> None:
    check([text], STRUCTURED)


@given(st.text(alphabet="0123456789 .-@:/()aAx中１\u200b\ufffc", max_size=80))
@settings(max_examples=400, deadline=None)
def test_text_of_separators_and_digits_keeps_the_promises(text: str) -> None:
    check([text], STRUCTURED)


@given(
    st.text(alphabet="ab", max_size=12),
    st.lists(st.tuples(st.integers(0, 11), st.integers(1, 4)), max_size=3),
    st.lists(st.tuples(st.integers(0, 11), st.integers(1, 3)), max_size=2),
)
def test_digging_against_a_slow_reference(
    text: str, first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    """Two rounds of digging against a list of characters that remember where they come from."""
    work, layout = text, None
    slow = [(character, offset) for offset, character in enumerate(text)]
    for holes in (first, second):
        spans: list[tuple[int, int]] = []
        for start, length in sorted(holes):
            if start + length <= len(work) and (not spans or start >= spans[-1][1]):
                spans.append((start, start + length))
        if not spans:
            continue
        for start, end in reversed(spans):
            slow[start:end] = [("\ufffc", slow[start][1])]
        marked = {slow_index for slow_index, (character, _) in enumerate(slow) if character == "\ufffc"}
        work, layout = dig(work, spans, layout)
        assert work == _merged(slow, marked)
        slow = _merged_pairs(slow)
        assert [layout.origin(at) for at, c in enumerate(work) if c != "\ufffc"] == [
            origin for character, origin in slow if character != "\ufffc"
        ]


def _merged(slow: list[tuple[str, int]], marked: set[int]) -> str:
    return "".join(c for i, (c, _) in enumerate(slow) if not (i in marked and i - 1 in marked))


def _merged_pairs(slow: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return [pair for i, pair in enumerate(slow) if not (pair[0] == "\ufffc" and i and slow[i - 1][0] == "\ufffc")]


def test_a_text_without_anything_is_looked_at_once() -> None:
    looks: list[str] = []

    class Counting(Hesitant):
        def detect(self, text: str, lang: str) -> list[Span]:
            looks.append(lang)
            return super().detect(text, lang)

    made = engine(SEVEN, [Counting(SEVEN)])
    assert made.detect("nothing here") == []
    assert looks == ["en"]
    assert len(made.detect("ana@example.com")) == 1
    assert len(looks) == 3


def test_a_replaced_neighbour_uncovers_a_value() -> None:
    """The first look sees a card; the telephone behind it joins only once the card is gone."""
    text = "4111111111111111,4155550153, phone 415-555-0153 415-555-0154"
    spans = engine(SEVEN).detect(text)
    assert [text[span.start : span.end] for span in spans][-2:] == ["415-555-0153", "415-555-0154"]


def test_the_language_hint_is_guessed_anew_at_each_look() -> None:
    hints: list[str] = []

    class Listening(Hesitant):
        def detect(self, text: str, lang: str) -> list[Span]:
            hints.append(lang)
            return [Span(0, 2, "EMAIL_ADDRESS", 1.0, "x")] if text.startswith("王小") else []

    engine(SEVEN, [Listening(SEVEN)]).detect("王小 says hello")
    assert hints == ["zh", "en"]


class OneALook:
    """Finds the first letter that follows a hole or begins the text: a value a look."""

    name = "one"
    labels = frozenset({"PERSON"})

    def detect(self, text: str, lang: str) -> list[Span]:
        at = max(text.rfind("\ufffc"), -1) + 1
        while at < len(text) and text[at] == " ":
            at += 1
        return [Span(at, at + 1, "PERSON", 0.9, self.name)] if at < len(text) else []


@pytest.mark.parametrize("length", [40, 1_000, 60_000])
def test_looks_are_bounded_by_a_logarithm_of_the_length(length: int) -> None:
    calls: list[str] = []

    class Counted(OneALook):
        def detect(self, text: str, lang: str) -> list[Span]:
            calls.append(text)
            return super().detect(text, lang)

    text = "a " * (length // 2)
    spans = engine(("PERSON",), [Counted()]).detect(text)
    assert len(calls) <= 32 + length.bit_length() + 1
    assert all(left.end <= right.start for left, right in pairwise(spans))
    covered = {at for span in spans for at in range(span.start, span.end)}
    assert covered >= {at for at, character in enumerate(text) if character == "a"}


@given(st.text(alphabet="ab \ufffc", max_size=30), st.integers(1, 8), st.data())
def test_widening_against_a_slow_reference(text: str, by: int, data: st.DataObject) -> None:
    letters = [at for at, character in enumerate(text) if character in "ab"]
    starts = sorted(data.draw(st.sets(st.sampled_from(letters), max_size=4))) if letters else []
    near = {at for start in starts for at in range(start - by, start + 1 + by)}
    wide = _widened(text, [Span(start, start + 1, "PERSON", 0.9, "x") for start in starts], by)
    covered = [at for span in wide for at in range(span.start, span.end)]
    assert len(set(covered)) == len(covered)
    assert {at for at in covered if text[at] != " "} == near & set(letters)
    assert all("\ufffc" not in text[span.start : span.end] for span in wide)
