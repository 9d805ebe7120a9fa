"""Drift: how far a corpus has moved from a reference; the stage, its tests and their reports.

Six questions: in which languages are the texts, with which labels, how long, about what (topics), in which words
(vocabulary), and how many of the words are new. The last four are asked of each language for itself, so that a
changed language mix is reported once. Distances and what chance gives: ``drift_statistics``.

Out: ``report.json`` (DriftResult), ``report.html`` (in English and Chinese, no script) and ``evidently.html``
(Evidently's page of the same tests, self-contained). No text goes into any of them, so none can come out; labels are
named, unless there are so many that they look like text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.core.corpus import LANGUAGES
from components.core.jsonfiles import write_json
from components.core.store import StageReport
from components.validation.config import DriftConfig
from components.validation.drift_page import render_drift_page
from components.validation.drift_report import (
    Distribution,
    DriftResult,
    DriftState,
    DriftTest,
    TestState,
    combine,
    judge,
)
from components.validation.drift_sample import OTHER, Item, Sample, draw_sample, new_word_shares
from components.validation.drift_statistics import (
    MIN_UNITS,
    Bools,
    Floats,
    Ints,
    Measured,
    category_distance,
    count_distance,
    deal,
    mean_rise,
    order_distance,
)
from components.validation.drift_topics import count_words, find_topics

if TYPE_CHECKING:
    import pandas as pd

_MAX_LABELS = 100  # more distinct ones are a column of text taken for labels, and may hold personal data
_SHOWN_LABELS = 12
_MARGINAL_SHARE = 0.05  # a language that is rarer than this on both sides is not judged for itself
_REST = "…"
_QUANTILES = (5, 25, 50, 75, 95)


def measure_drift(current: Path, reference: Path, config: DriftConfig, *, out_dir: Path) -> StageReport:
    """Compare two corpora. Raises: ContractError if a folder holds no shard."""
    out_dir.mkdir(parents=True, exist_ok=True)
    now, then = (draw_sample(corpus, config.max_rows, seed=config.seed) for corpus in (current, reference))
    result, frames = compare(now, then, config)
    write_json(result, out_dir / "report.json")
    (out_dir / "report.html").write_text(
        render_drift_page(result, detail="evidently.html" if frames else None), encoding="utf-8"
    )
    if frames:
        from components.validation.drift_evidently import write_evidently_page

        write_evidently_page(result, *frames, out_dir / "evidently.html")
    summary: dict[str, object] = {
        "state": str(result.state),
        "drifted": result.drifted,
        "scores": {test.name: test.score for test in result.tests},
        "rows_reference": result.rows_reference,
    }
    return StageReport(rows=result.rows_current, summary=summary)


Frames = tuple["pd.DataFrame", "pd.DataFrame"]


def compare(current: Sample, reference: Sample, config: DriftConfig) -> tuple[DriftResult, Frames | None]:
    """The outcome, and the columns behind it (a row a record, no text); no columns where nothing was compared."""
    sizes = {
        "rows_current": current.rows,
        "rows_reference": reference.rows,
        "sampled_current": len(current.items),
        "sampled_reference": len(reference.items),
    }
    if min(current.rows, reference.rows) < config.min_rows:
        reason = f"{current.rows} current and {reference.rows} reference records; min_rows asks for {config.min_rows}"
        return DriftResult(state=DriftState.ERROR, tests=[], distributions=[], reason=reason, **sizes), None
    comparison = _Comparison(current.items, reference.items, config)
    comparison.run()
    state, reason = combine(comparison.tests)
    result = DriftResult(
        state=state, tests=comparison.tests, distributions=comparison.distributions, reason=reason, **sizes
    )
    return result, comparison.frames()


@dataclass(frozen=True, slots=True)
class _Question:
    """One test to be: of which records (positions among those of both sides), by which statistic, with which limit."""

    name: str
    statistic: str
    limit: float | None  # None: not asked
    members: Ints


class _Comparison:
    """The tests of one comparison, in order, with the columns and distributions behind them."""

    def __init__(self, current: Sequence[Item], reference: Sequence[Item], config: DriftConfig) -> None:
        self._items = [*current, *reference]
        self._is_current = np.arange(len(self._items)) < len(current)
        self._config = config
        self._columns: dict[str, list[object]] = {}
        self._dealt: tuple[Ints, Bools, tuple[int, int]] | None = None
        self.tests: list[DriftTest] = []
        self.distributions: list[Distribution] = []

    def run(self) -> None:
        """Every test that the config states a limit for."""
        everyone = np.arange(len(self._items))
        langs = [item.lang for item in self._items]
        languages = _Question("language", "jensen_shannon", self._config.max_language_distance, everyone)
        self._category(languages, langs, (*LANGUAGES, OTHER))
        self._label(_Question("label", "jensen_shannon", self._config.max_label_distance, everyone))
        for lang in (*LANGUAGES, OTHER):
            self._language(lang, np.flatnonzero(np.asarray(langs) == lang))

    def frames(self) -> Frames:
        """Current and reference columns."""
        import pandas as pd

        frame = pd.DataFrame(self._columns)
        return frame[self._is_current].reset_index(drop=True), frame[~self._is_current].reset_index(drop=True)

    def _label(self, question: _Question) -> None:
        labels = [item.label for item in self._items]
        named = Counter(label for label in labels if label is not None)
        sides = {"current": self._is_current, "reference": ~self._is_current}
        without = [name for name, side in sides.items() if any(labels[index] is None for index in np.flatnonzero(side))]
        if not named:
            self._skip(question, "records have no label")
        elif without:
            self._skip(question, f"not every {' and '.join(without)} record has a label")
        elif len(named) > _MAX_LABELS:
            self._skip(question, f"{len(named)} different labels: text, no labels")
        else:
            shown = [label for label, _ in named.most_common(_SHOWN_LABELS)]
            self._category(question, [str(label) for label in labels], sorted(shown))

    def _language(self, lang: str, members: Ints) -> None:
        """Lengths, topics, vocabulary and new words of the records in one language."""
        asked = self._questions(lang, members)
        if not len(members) or self._is_too_rare(members, asked):
            return
        items = [self._items[index] for index in members]
        self._number(asked["length"], np.log2([item.n_characters for item in items]), order_distance)
        if lang == OTHER:
            return
        counts = count_words(items)
        if asked["topics"].limit is not None:
            found = find_topics(counts, self._config.topics, seed=self._config.seed)
            names = [f"{lang} {topic + 1:02d}" for topic in found]
            self._category(asked["topics"], names, sorted(set(names)))
        self._test(asked["vocabulary"], lambda dealt: count_distance(counts, dealt))
        now, then = ([self._items[index] for index in side] for side in self._sides(members))
        self._number(asked["new_words"], np.concatenate(new_word_shares(now, then)), mean_rise)

    def _questions(self, lang: str, members: Ints) -> dict[str, _Question]:
        """What is asked of each language for itself; of several unknown ones together only the length."""
        config = self._config
        limits = {"length": ("wasserstein", config.max_length_distance)}
        if lang != OTHER:
            limits |= {
                "topics": ("jensen_shannon", config.max_topic_distance),
                "vocabulary": ("jensen_shannon", config.max_vocabulary_distance),
                "new_words": ("mean_rise", config.max_new_word_share),
            }
        return {
            name: _Question(f"{name}_{lang}", statistic, limit, members) for name, (statistic, limit) in limits.items()
        }

    def _is_too_rare(self, members: Ints, asked: Mapping[str, _Question]) -> bool:
        """Whether a language has too few records to be judged for itself; its tests are then listed with the reason.

        That is an error where the language is no rarity, and else covered by the test of the language mix.
        """
        now, then = self._sides(members)
        if min(len(now), len(then)) >= self._config.min_rows:
            return False
        share = max(len(now) / self._is_current.sum(), len(then) / (~self._is_current).sum())
        state = TestState.UNRESOLVED if share >= _MARGINAL_SHARE else TestState.NOT_JUDGED
        for question in asked.values():
            self._skip(question, f"{len(now)} current and {len(then)} reference records in this language", state)
        return True

    def _sides(self, members: Ints) -> tuple[Ints, Ints]:
        inside = self._is_current[members]
        return members[inside], members[~inside]

    def _number(self, question: _Question, values: Floats, measure: Callable[[Floats, Bools], Measured]) -> None:
        """A test of a number of each record, with its quantiles."""
        if not self._test(question, lambda dealt: measure(values, dealt)):
            return
        self._remember(question, values.tolist())
        inside = self._is_current[question.members]
        spread = [np.percentile(values[side], _QUANTILES).tolist() for side in (~inside, inside)]
        keys = [str(quantile) for quantile in _QUANTILES]
        self.distributions.append(
            Distribution(name=question.name, kind="quantiles", keys=keys, reference=spread[0], current=spread[1])
        )

    def _category(self, question: _Question, values: Sequence[str], shown: Sequence[str]) -> None:
        """A test of a category of each record, with its shares; categories beyond ``shown`` are shown as one."""
        codes_of = {value: code for code, value in enumerate(sorted(set(values)))}
        codes = np.asarray([codes_of[value] for value in values], dtype=np.int64)
        if not self._test(question, lambda dealt: category_distance(codes, dealt)):
            return
        folded = [value if value in shown else _REST for value in values]
        self._remember(question, folded)
        keys = [key for key in (*shown, _REST) if key in set(folded)]
        inside = self._is_current[question.members]
        shares = []
        for side in (~inside, inside):
            counts = Counter(value for value, is_in in zip(folded, side, strict=True) if is_in)
            shares.append([counts[key] / max(1, counts.total()) for key in keys])
        self.distributions.append(
            Distribution(name=question.name, kind="shares", keys=keys, reference=shares[0], current=shares[1])
        )

    def _remember(self, question: _Question, values: Sequence[object]) -> None:
        column: list[object] = [None] * len(self._items)
        for index, value in zip(question.members, values, strict=True):
            column[index] = value
        self._columns[question.name] = column

    def _test(self, question: _Question, measure: Callable[[Bools], Measured]) -> bool:
        """Measure and judge; False where the config states no limit."""
        if question.limit is None:
            return False
        dealt, n_units = self._deal(question.members)
        measured = measure(dealt)
        state, reason = judge(measured.score, measured.chance, question.limit)
        if min(n_units) < MIN_UNITS:
            state = TestState.UNRESOLVED
            reason = f"{n_units[0]} current and {n_units[1]} reference users or documents; {MIN_UNITS} needed"
        elif measured.reason:
            state, reason = TestState.UNRESOLVED, measured.reason
        self._add(question, state, reason, measured)
        return True

    def _deal(self, members: Ints) -> tuple[Bools, tuple[int, int]]:
        """The draws of some records, and how many units there are a side; the last ones are kept for the next test.

        One document on both sides (a corpus before and after a stage) is two units.
        """
        if self._dealt is None or self._dealt[0] is not members:
            is_current = self._is_current[members]
            numbers: dict[tuple[bool, str], int] = {}
            names = ((bool(now), self._items[index].unit) for index, now in zip(members, is_current, strict=True))
            units = np.asarray([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
            n_current = sum(1 for now, _ in numbers if now)
            dealt = deal(units, is_current, seed=self._config.seed)
            self._dealt = (members, dealt, (n_current, len(numbers) - n_current))
        return self._dealt[1:]

    def _skip(self, question: _Question, reason: str, state: TestState = TestState.NOT_JUDGED) -> None:
        if question.limit is not None:
            self._add(question, state, reason, None)

    def _add(self, question: _Question, state: TestState, reason: str, measured: Measured | None) -> None:
        now, then = self._sides(question.members)
        self.tests.append(
            DriftTest(
                name=question.name,
                statistic=question.statistic,
                score=round(measured.score, 9) if measured else None,
                chance=round(measured.chance, 9) if measured else None,
                threshold=float(question.limit or 0),
                n_current=len(now),
                n_reference=len(then),
                state=state,
                reason=reason,
            )
        )
