"""Speed and quality of two contenders on the same documents, in turns so that a busy machine disturbs both alike.

Time is the processor time of the thread, which other processes disturb least.
"""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from components.core.errors import ConfigError
from components.scrubbing.benchmark.documents import BenchDocument

# A text in, (start, end, label) out, in any order.
Detect = Callable[[Sequence[str]], list[list[tuple[int, int, str]]]]


@dataclass(frozen=True, slots=True)
class Contender:
    """Something that detects, under a name and a version."""

    name: str
    version: str
    detect: Detect


class Speed(BaseModel):
    """Documents a second: the median of the rounds, and the slowest and the fastest."""

    model_config = ConfigDict(frozen=True)

    documents_per_second: float
    slowest: float
    fastest: float
    rounds: int


class Quality(BaseModel):
    """Found against planted, a value counting as found where a span of its label covers at least half of both."""

    model_config = ConfigDict(frozen=True)

    planted: int
    found: int
    reported: int
    right: int
    recall: float
    precision: float
    recall_per_label: dict[str, float]


class BenchReport(BaseModel):
    """Two contenders on the same work; ``ratio`` is of the medians, ours over the peer's."""

    model_config = ConfigDict(frozen=True)

    documents: int
    peer_documents: int
    characters: int
    ours: Speed
    peer: Speed
    ratio: float
    ours_quality: Quality
    peer_quality: Quality


def compare(
    ours: Contender, peer: Contender, documents: Sequence[BenchDocument], *, rounds: int, peer_share: int
) -> BenchReport:
    """Run both by turns; the peer gets every ``peer_share``-th document, as it may be a hundred times slower.

    Raises: ConfigError if fewer documents than ``peer_share`` are given.
    """
    few = documents[::peer_share]
    if len(documents) < peer_share or rounds < 1:
        raise ConfigError(f"bench: {len(documents)} documents, {rounds} rounds; give at least {peer_share} and 1")
    texts, few_texts = [document.text for document in documents], [document.text for document in few]
    ours_found, peer_found = ours.detect(texts), peer.detect(few_texts)  # also the warm-up
    ours_rates, peer_rates = [], []
    for _ in range(rounds):
        ours_rates.append(_rate(ours.detect, texts))
        peer_rates.append(_rate(peer.detect, few_texts))
    return BenchReport(
        documents=len(texts),
        peer_documents=len(few_texts),
        characters=sum(map(len, texts)),
        ours=_speed(ours_rates),
        peer=_speed(peer_rates),
        ratio=statistics.median(ours_rates) / statistics.median(peer_rates),
        ours_quality=judge(documents, ours_found),
        peer_quality=judge(few, peer_found),
    )


def speeds_by_turns(pairs: Sequence[tuple[Contender, Sequence[str]]], *, rounds: int) -> list[Speed]:
    """Each contender on its own texts, by turns after a warm-up."""
    for contender, texts in pairs:
        contender.detect(texts)
    rates = [[_rate(contender.detect, texts) for contender, texts in pairs] for _ in range(rounds)]
    return [_speed(list(of_one)) for of_one in zip(*rates, strict=True)]


def _rate(detect: Detect, texts: Sequence[str]) -> float:
    start = time.thread_time()
    detect(texts)
    return len(texts) / (time.thread_time() - start)


def _speed(rates: list[float]) -> Speed:
    return Speed(
        documents_per_second=statistics.median(rates), slowest=min(rates), fastest=max(rates), rounds=len(rates)
    )


def judge(documents: Sequence[BenchDocument], found: Sequence[Sequence[tuple[int, int, str]]]) -> Quality:
    """Recall and precision over values and spans of the same label. A set without values has recall 1."""
    planted, hit = Counter[str](), Counter[str]()
    reported = right = 0
    for document, spans in zip(documents, found, strict=True):
        reported += len(spans)
        right += sum(any(_same(span, value) for value in document.values) for span in spans)
        for value in document.values:
            planted[value[2]] += 1
            hit[value[2]] += any(_same(span, value) for span in spans)
    return Quality(
        planted=planted.total(),
        found=hit.total(),
        reported=reported,
        right=right,
        recall=hit.total() / planted.total() if planted else 1.0,
        precision=right / reported if reported else 1.0,
        recall_per_label={label: hit[label] / count for label, count in sorted(planted.items())},
    )


def _same(span: tuple[int, int, str], value: tuple[int, int, str]) -> bool:
    shared = min(span[1], value[1]) - max(span[0], value[0])
    return span[2] == value[2] and 2 * shared >= max(span[1] - span[0], value[1] - value[0])
