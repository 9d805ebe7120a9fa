# ruff: noqa: E501 - tables of texts
"""Scrubbing under fire with everything on: all labels, every built-in detector, both languages, every policy.

Whatever the text: no crash, spans in order and in bounds, scrubbing twice equals scrubbing once, the offsets say what
was replaced, and the time a megabyte is bounded. ``test_engine`` holds the structured labels against a slow reference.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from testkit.generated_records import generate_records

from components.scrubbing import ScrubbingConfig
from components.scrubbing.blocks import Block, BlockJob, read_blocks, scrub_block
from components.scrubbing.detectors.settings import RulesSettings, TaggerSettings
from components.scrubbing.engine import Engine
from components.scrubbing.policy import KEYED_POLICIES
from components.scrubbing.scrub import scrub_text

POLICIES = ("redact", "mask", "hash", "pseudonymize")
KEY = b"k" * 32
# Seconds of processor time a megabyte, on a machine that may be busy; prose takes a fifth of one.
MAX_SECONDS_PER_MEGABYTE = 40.0

_NAMES = [
    "Ana",
    "Dr. Grace O'Mercer-Li",
    "Mr.",
    "van der",
    "王小明",
    "欧阳",
    "先生",
    "ﷺ",
    "Ａｎａ",
    "ANA MERCER",
    "de la",
]
_GLUE = [
    " ",
    "",
    "\n",
    "\u3000",
    "\u200b",
    "\u00a0",
    "\u202e",
    "-",
    ".",
    "，",
    "’s ",
    " and ",
    "和",
    "\x00",
    "\ud800",
    "👩‍👩‍👧",
]
_FRAMES = [
    "My name is ",
    "Call ",
    "born on 3 May 1990 in ",
    "我叫",
    "住在北京市海淀区中关村大街",
    "aged ",
    "@",
    "#",
    "(",
    "[",
]
UNITS = [
    "Ana ", "A", "Mr. ", "Dr.", "van der ", "Ana-", "O'", "王", "王小明", "先生", "in ", "at 1 ", "1 Main St ", "北京市", "路1号",
    "3 May ", "1990年", "aged 5 ", "5岁", "@a ", "@", "#a", "Inc. ", "公司", "the ", "\u202e", "\u200b", "\ud800", "👩‍👩‍👧", "ﷺ",
    "A. ", "a.b", "、", "“", "[PERSON]", "\ufffc", "1", "１", "e\u0301",
]  # fmt: skip


def config(policy: str = "redact") -> ScrubbingConfig:
    return ScrubbingConfig.model_validate({"languages": ("en", "zh"), "policy": policy, "min_score": 0.5})


DETECTORS = {"rules": RulesSettings(), "tagger": TaggerSettings()}
CONFIGS = {policy: config(policy) for policy in POLICIES}


def check(text: str, policy: str, lang: str | None) -> int:
    """The promises on one text; returns the number of spans."""
    key = KEY if policy in KEYED_POLICIES else None
    once, spans = scrub_text(text, lang, CONFIGS[policy], key=key)
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    assert all(left.end <= right.start for left, right in pairwise(spans))
    twice, again = scrub_text(once, lang, CONFIGS[policy], key=key)
    assert twice == once, [span.label for span in again]
    outside = [text[left:right] for left, right in _between(spans, len(text))]
    position = 0
    for part in outside:  # what no span covers stands in the result, in order
        found = once.find(part, position)
        assert found >= 0
        position = found + len(part)
    return len(spans)


def _between(spans: list, length: int) -> Iterator[tuple[int, int]]:  # type: ignore[type-arg]
    at = 0
    for span in spans:
        yield at, span.start
        at = span.end
    yield at, length


def hard_texts(count: int, seed: int) -> Iterator[str]:
    """Values, look-alikes and broken bytes of ``generate_records`` among names, places and what surrounds them."""
    rng = random.Random(seed)
    for text in generate_records(count, seed):
        parts = [rng.choice(rng.choice((_NAMES, _GLUE, _FRAMES))) for _ in range(rng.randrange(6))]
        yield "".join([*parts, text, *parts[::-1]])


@pytest.mark.parametrize("policy", POLICIES)
def test_generated_records_keep_the_promises(policy: str) -> None:
    found = sum(check(text, policy, None) for text in hard_texts(120, seed=5))
    assert found > 100


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_a_hundred_thousand_generated_records(seed: int) -> None:
    """From line to line as the verb does it: every record comes out once, or is counted under a reason."""
    policy = POLICIES[seed % 4]
    key = KEY if policy in KEYED_POLICIES else None
    lines = [json.dumps({"id": str(n), "text": text}) for n, text in enumerate(hard_texts(10_000, seed))]
    job = BlockJob(Block(1, "\n".join(lines).encode()), CONFIGS[policy], key, None, ".jsonl", ".jsonl")
    done = scrub_block(job)
    assert done.counts.records + sum(done.unreadable.values()) == len(lines)
    assert set(done.unreadable) <= {"nul_bytes", "lone_surrogate", "empty"}
    again = scrub_block(BlockJob(Block(1, done.output), CONFIGS[policy], key, None, ".jsonl", None))
    before, after = (out.splitlines() for out in (done.output, again.output))
    assert [n for n, (one, two) in enumerate(zip(before, after, strict=True)) if one != two] == []


@given(
    text=st.lists(st.sampled_from([*_NAMES, *_GLUE, *_FRAMES]) | st.text(max_size=20), max_size=8).map("".join),
    policy=st.sampled_from(POLICIES),
    lang=st.sampled_from(["en", "zh", "fr", None]),
)
@settings(max_examples=200, deadline=None)
def test_any_text_keeps_the_promises(text: str, policy: str, lang: str | None) -> None:
    check(text, policy, lang)


@given(st.binary(max_size=400), st.integers(1, 64))
@settings(max_examples=150, deadline=None)
def test_any_bytes_come_out_or_are_counted(data: bytes, block_bytes: int) -> None:
    import io

    records = lines = 0
    for block in read_blocks(io.BytesIO(data), block_bytes=block_bytes, max_line_bytes=100):
        done = scrub_block(BlockJob(block, CONFIGS["redact"], None, None, ".jsonl", None))
        records += done.counts.records + sum(done.unreadable.values())
        lines += sum(bool(line.strip()) for line in block.data.split(b"\n")) + block.too_long
        assert all(isinstance(json.loads(line), dict) for line in done.output.splitlines())
    assert records == lines


@pytest.mark.parametrize("kind", ["rules", "tagger"])
def test_time_a_megabyte_is_bounded(kind: str) -> None:
    """20 kB of a unit; a quadratic step would need hours for a megabyte and shows here."""
    engine = Engine(CONFIGS["redact"].model_copy(update={"detectors": (DETECTORS[kind],)}))
    engine.detect("Ana", None)  # weights are read once
    slow = {}
    for unit in UNITS:
        text = unit * (20_000 // len(unit))
        started = time.process_time()
        for span in engine.detect(text, None):
            assert 0 <= span.start < span.end <= len(text)
        seconds = time.process_time() - started
        if seconds > MAX_SECONDS_PER_MEGABYTE * len(text.encode("utf-8", "replace")) / 1e6 + 0.5:
            slow[unit] = seconds
    assert not slow
