"""Residual risk: what share of personal data the scrubber misses in this very corpus, with an interval.

Probes (``probe_values``) are put into sentences of the corpus, in memory only, and the detectors look for them. A probe
counts as found when spans, of whatever label, cover all of its letters and digits: half a number is a leak. Recall by
label and language comes with Wilson's 95 % interval; from it and from what was found follows how many values were
probably missed, ``found * (1 - recall) / recall``.

What the figure cannot say: the probes' formats are the usual ones. Values nobody thought of are not in it.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

from pydantic import BaseModel

from components.core.corpus import shard_paths
from components.core.evidence import Metric
from components.core.seeds import derive_seed
from components.scrubbing.config import ScrubbingConfig
from components.scrubbing.engine import guess_lang
from components.scrubbing.probe_values import LEAD_INS, probe_value
from components.scrubbing.shards import ShardCounts
from components.scrubbing.spans import Span

_SEED = 20_240_607  # the probes of a corpus and config are always the same
_CARRIERS = 400
_SHARDS_READ, _RECORDS_READ = 20, 400
_CARRIER_CHARACTERS = (20, 300)
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])|\n+")
_SPACE = re.compile(" ")
_CLAUSE_END = re.compile(r"[，。；！？]")
_CONFIDENCE = 0.95


class Finder(Protocol):
    """What is measured: the configured detectors."""

    def detect_many(self, texts: Sequence[str], langs: Sequence[str | None] | None = None) -> list[list[Span]]:
        """Spans a text."""
        ...


class ResidualRisk(BaseModel):
    """Recall on planted probes. ``expected_missed`` is a count of values in the corpus, by language and label."""

    recall: Metric
    labels: dict[str, Metric] = {}
    slices: dict[str, dict[str, Metric]] = {}
    expected_missed: dict[str, dict[str, Metric]] = {}
    not_probed: list[str] = []

    def as_metrics(self) -> dict[str, float]:
        """Numbers for a tracker, by name: ``scrub.recall``, ``scrub.recall.en.PERSON``, with ``.ci_low`` and so on."""
        named = {"scrub.recall": self.recall}
        named |= {f"scrub.recall.{label}": metric for label, metric in self.labels.items()}
        for lang, labels in self.slices.items():
            named |= {f"scrub.recall.{lang}.{label}": metric for label, metric in labels.items()}
        for lang, labels in self.expected_missed.items():
            named |= {f"scrub.expected_missed.{lang}.{label}": metric for label, metric in labels.items()}
        parts = (("", "value"), (".ci_low", "ci_low"), (".ci_high", "ci_high"))
        values = {name + end: getattr(metric, part) for name, metric in named.items() for end, part in parts}
        return {name: float(value) for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Probe:
    """A text that holds one planted value at ``start`` to ``end``."""

    label: str
    lang: str
    text: str
    start: int
    end: int


def measure_residual_risk(
    corpus: Path, finder: Finder, config: ScrubbingConfig, counts: ShardCounts | None = None
) -> ResidualRisk:
    """Recall of the configured detectors on probes in sentences of a corpus folder."""
    if not config.probes_per_label:
        return ResidualRisk(recall=_share(0, 0, "probes are switched off (scrubbing.probes_per_label: 0)"))
    carriers = read_carriers(corpus, config.languages)
    probes = plant_probes(carriers, config)
    found = find_probes(probes, finder)
    return _report(probes, found, config, carriers, counts or ShardCounts())


def read_carriers(corpus: Path, languages: Sequence[str]) -> dict[str, list[str]]:
    """Sentences a language, from records spread over the corpus, always the same ones."""
    sentences: dict[str, list[str]] = {lang: [] for lang in languages}
    shards = shard_paths(corpus)
    for shard in shards[:: max(1, len(shards) // _SHARDS_READ)]:
        for lang, text in _texts(shard):
            wanted = sentences.get(lang)
            if wanted is not None and len(wanted) < 50 * _CARRIERS:
                wanted += [part.strip() for part in _SENTENCE_END.split(text) if _may_carry(part.strip(), lang)]
    rng = random.Random(derive_seed(_SEED, "carriers"))
    return {lang: rng.sample(found, min(_CARRIERS, len(found))) for lang, found in sentences.items()}


def _texts(shard: Path) -> Iterator[tuple[str, str]]:
    with shard.open(encoding="utf-8") as handle:
        for line in islice(handle, _RECORDS_READ):
            record = json.loads(line)
            yield record.get("lang") or guess_lang(record["text"]), record["text"]


def _may_carry(sentence: str, lang: str) -> bool:
    low, high = _CARRIER_CHARACTERS
    return low <= len(sentence) * (2 if lang == "zh" else 1) and len(sentence) <= high


def plant_probes(carriers: dict[str, list[str]], config: ScrubbingConfig) -> list[Probe]:
    """``probes_per_label`` probes a label and language that has carriers."""
    probes: list[Probe] = []
    for lang, sentences in carriers.items():
        for label in config.labels if sentences else ():
            rng = random.Random(derive_seed(_SEED, lang, label))
            lead_ins = LEAD_INS[lang].get(label, ("",))
            for number in range(config.probes_per_label):
                value = probe_value(label, lang, rng)
                if value is None:
                    break
                introduced = lead_ins[number % len(lead_ins)] + value
                text, start = _plant(introduced, rng.choice(sentences), lang, rng)
                end = start + len(introduced)
                probes.append(Probe(label, lang, text, end - len(value), end))
    return probes


def _plant(planted: str, carrier: str, lang: str, rng: random.Random) -> tuple[str, int]:
    """The carrier with a phrase between two words, or two clauses in Chinese, and where the phrase starts."""
    end_of_part, before, after = (_CLAUSE_END, "", "，") if lang == "zh" else (_SPACE, "", " ")
    places = [match.end() for match in end_of_part.finditer(carrier)]
    if not places:
        places, before, after = [len(carrier)], "，" if lang == "zh" else " ", ""
    place = rng.choice(places)
    head = carrier[:place] + before
    return head + planted + after + carrier[place:], len(head)


def find_probes(probes: Sequence[Probe], finder: Finder) -> list[bool]:
    """Which probes the detectors cover."""
    spans = finder.detect_many([probe.text for probe in probes], [probe.lang for probe in probes])
    return [_covers(found, probe) for found, probe in zip(spans, probes, strict=True)]


def _covers(spans: Sequence[Span], probe: Probe) -> bool:
    open_ = {at for at in range(probe.start, probe.end) if probe.text[at].isalnum()}
    for span in spans:
        open_.difference_update(range(span.start, span.end))
    return not open_


def _report(
    probes: Sequence[Probe],
    found: Sequence[bool],
    config: ScrubbingConfig,
    carriers: dict[str, list[str]],
    counts: ShardCounts,
) -> ResidualRisk:
    hits: dict[tuple[str, str], list[bool]] = {}
    for probe, hit in zip(probes, found, strict=True):
        hits.setdefault((probe.lang, probe.label), []).append(hit)
    slices: dict[str, dict[str, Metric]] = {}
    missed: dict[str, dict[str, Metric]] = {}
    for (lang, label), outcomes in hits.items():
        metric = slices.setdefault(lang, {})[label] = _share(sum(outcomes), len(outcomes))
        number = counts.spans_per_label.get(lang, {}).get(label, 0)
        missed.setdefault(lang, {})[label] = _expected_missed(number, metric)
    labels = {
        label: _share(sum(mine), len(mine))
        for label in config.labels
        if (mine := [hit for (_, name), outcomes in hits.items() if name == label for hit in outcomes])
    }
    silent = [lang for lang, sentences in carriers.items() if not sentences]
    note = f"no sentence to carry probes in {', '.join(silent)}" if silent else ""
    return ResidualRisk(
        recall=_share(sum(found), len(found), note),
        labels=labels,
        slices=slices,
        expected_missed=missed,
        not_probed=[label for label in config.labels if label not in labels],
    )


def _share(hits: int, n: int, note: str = "") -> Metric:
    """A share with Wilson's interval."""
    if not n:
        return Metric(value=None, n=0, note=note or "no probe could be planted")
    from scipy.stats import binomtest

    interval = binomtest(hits, n).proportion_ci(_CONFIDENCE, method="wilson")
    return Metric(value=hits / n, ci_low=float(interval.low), ci_high=float(interval.high), n=n, note=note)


def _expected_missed(number: int, recall: Metric) -> Metric:
    """Values that were probably missed beside ``number`` found ones; None where recall may be nought."""

    def missed(share: float | None) -> float | None:
        return number * (1 - share) / share if share else None

    return Metric(value=missed(recall.value), ci_low=missed(recall.ci_high), ci_high=missed(recall.ci_low), n=recall.n)
