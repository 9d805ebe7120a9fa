"""The data card: facts to sections, in English or Chinese. It says nothing that the facts do not hold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from components.core.evidence import Metric
from components.core.intervals import wilson_interval
from components.documentation.blocks import (
    Block,
    Cell,
    Code,
    Figure,
    Heading,
    Items,
    Mark,
    Paragraph,
    Section,
    Table,
    to_html,
    to_markdown,
)
from components.documentation.facts import DataFacts, StageFacts
from components.documentation.words import WORDS, Lang, reason_text
from components.validation.charts import Bar, bar_chart, stacked_chart
from components.validation.drift_report import DriftState, TestState
from components.validation.report import State

FILES: dict[Lang, tuple[str, str]] = {"en": ("card.md", "card.html"), "zh": ("card.zh.md", "card.zh.html")}
_RESIDUAL = "residual_personal_data"


def render_card(facts: DataFacts, lang: Lang) -> tuple[str, str]:
    """The card as Markdown and as HTML."""
    card = _Card(facts, WORDS[lang], lang)
    title = f"{WORDS[lang]['title']}: {facts.declared.name}"
    lead, sections = card.lead(), card.sections()
    other: Lang = "zh" if lang == "en" else "en"
    page = to_html(title, lang, lead, sections, link=(FILES[other][1], WORDS[lang]["other"]))
    return to_markdown(title, lead, sections), page


@dataclass(frozen=True, slots=True)
class _Card:
    """One card in one language."""

    facts: DataFacts
    words: Mapping[str, str]
    lang: Lang

    def lead(self) -> list[Block]:
        """What stands before the first section."""
        warning = [Paragraph(self.words["unscrubbed"], note=True)] if self.facts.scrubbing is None else []
        return [*warning, Paragraph(self.words["lead"])]

    def sections(self) -> list[Section]:
        """Every section, in order."""
        parts: list[tuple[str, Callable[[], Iterator[Block]]]] = [
            ("summary", self._summary),
            ("sources", self._sources),
            ("path", self._path),
            ("personal", self._personal),
            ("splits", self._splits),
            ("labels_groups", self._labels),
            ("validation", self._quality),
            ("drift_section", self._drift),
            ("benchmarks", self._benchmarks),
            ("provenance", self._provenance),
            ("gaps", self._gaps),
        ]
        made = [(name, list(blocks())) for name, blocks in parts]
        return [Section(self.words[name], blocks) for name, blocks in made if blocks]

    def _summary(self) -> Iterator[Block]:
        facts, words, declared = self.facts, self.words, self.facts.declared
        by_split = ", ".join(f"{words[split.name]} {split.records:,}" for split in facts.splits)
        replaced = sum(facts.spans_by_label.values())
        personal: Cell = Mark(words["skipped"], "bad")
        if facts.scrubbing is not None:
            personal = f"{facts.scrubbing.policy}, {words['replaced']} {replaced:,}"
        rows: list[tuple[str, Cell]] = [
            (words["records"], f"{facts.records:,} ({by_split})"),
            (words["languages"], _pairs(facts.total("languages"))),
            (words["purpose"], words[facts.purpose]),
            (words["licenses"], ", ".join(facts.license_names) or Mark(words["absent"], "open")),
            (words["personal"], personal),
            (words["quality"], self._state(facts.quality.state)),
            (words["drift"], self._drift_state()),
            (words["creator"], declared.creator or Mark(words["absent"], "open")),
            (words["url"], declared.url or Mark(words["absent"], "open")),
            (words["published"], str(declared.published or "") or Mark(words["absent"], "open")),
            (words["version"], declared.version),
        ]
        yield Table(["", ""], rows)

    def _sources(self) -> Iterator[Block]:
        words = self.words
        head = [words[key] for key in ("source", "license", "kept", "quarantined", "files", "digest")]
        rows: list[list[Cell]] = [
            [
                source.name,
                source.license or Mark(words["absent"], "open"),
                _count(source.kept),
                _count(source.quarantined),
                str(source.files),
                Code(source.digest) if source.digest else Mark(words["absent"], "open"),
            ]
            for source in self.facts.sources
        ]
        yield Table(head, rows, numbers=(2, 3, 4))

    def _path(self) -> Iterator[Block]:
        words = self.words
        head = [words[key] for key in ("stage", "read", "kept", "dropped", "changed")]
        rows = [self._stage_row(stage) for stage in self.facts.stages]
        yield Table(head, rows, numbers=(1, 2, 3, 4))
        chart = stacked_chart([(words[s.stage], _stage_bars(s)) for s in self.facts.stages], title=words["path_figure"])
        legend = [("k4", words["kept"]), ("k3", words["dropped"])]
        yield Figure(chart, words["path_figure"], legend)
        reasons = [
            [words[stage.stage], reason_text(reason, self.lang), Code(reason), f"{count:,}"]
            for stage in self.facts.stages
            for reason, count in sorted(stage.reasons.items(), key=lambda item: -item[1])
        ]
        if reasons:
            yield Table([words["stage"], words["reason"], "", words["dropped"]], reasons, numbers=(3,))
        else:
            yield Paragraph(words["no_drops"])
        yield Paragraph(words["adds_up"])

    def _stage_row(self, stage: StageFacts) -> list[Cell]:
        if stage.skipped:
            return [self.words[stage.stage], Mark(self.words["skipped"], "open"), f"{stage.kept:,}", "–", "–"]
        counts = (stage.read, stage.kept, stage.dropped)
        return [self.words[stage.stage], *(f"{count:,}" for count in counts), _count(stage.changed)]

    def _personal(self) -> Iterator[Block]:
        words, scrubbing = self.words, self.facts.scrubbing
        if scrubbing is None:
            yield Paragraph(words["scrub_skipped"], note=True)
        else:
            yield Items(
                [
                    f"{words['policy']}: {words.get(scrubbing.policy, scrubbing.policy)}",
                    f"{words['min_score']}: {scrubbing.min_score:g}",
                ]
            )
            totals = self.facts.spans_by_label
            langs = sorted(scrubbing.spans)
            rows = [
                [Code(label), *(f"{scrubbing.spans[lang].get(label, 0):,}" for lang in langs), f"{count:,}"]
                for label, count in totals.items()
            ]
            if rows:
                yield Table([words["label"], *langs, words["total"]], rows, numbers=range(1, len(langs) + 2))
                bars = [(label, [Bar(count, "c1", f"{count:,}")]) for label, count in totals.items()]
                yield Figure(bar_chart(bars, title=words["personal_figure"]), words["personal_figure"])
            if unseen := [label for label in scrubbing.labels if label not in totals]:
                yield Paragraph(f"{words['never_found']}: {', '.join(unseen)}")
        yield Heading(words["residual"])
        yield Paragraph(self._residual())
        yield from self._probes()

    def _residual(self) -> str:
        found = [item for item in self.facts.quality.expectations if item.name == _RESIDUAL]
        if not found or found[0].observed is None or not found[0].n:
            return self.words["residual_none"]
        share, n = found[0].observed, found[0].n
        low, high = wilson_interval(round(share * n), n)
        return self.words["residual_text"].format(
            n=f"{n:,}", share=_percent(share), low=_percent(low), high=_percent(high)
        )

    def _probes(self) -> Iterator[Block]:
        words = self.words
        probes = self.facts.scrubbing.probes if self.facts.scrubbing else ()
        if not probes:
            yield Paragraph(words["no_probes"])
            return
        rows = [
            [Code(p.label), p.lang, f"{p.recall.n:,}", *_measured(p.recall, _percent), *_measured(p.missed, _whole)]
            for p in probes
        ]
        yield Paragraph(words["probes"])
        head = [words[k] for k in ("label", "language", "planted", "recall", "interval", "missed", "interval")]
        yield Table(head, rows, numbers=(2, 3, 4, 5, 6))
        if self.facts.scrubbing and self.facts.scrubbing.not_probed:
            yield Paragraph(f"{words['not_probed']}: {', '.join(self.facts.scrubbing.not_probed)}")

    def _splits(self) -> Iterator[Block]:
        words, facts = self.words, self.facts
        langs = list(facts.total("languages"))
        users = any(split.users for split in facts.splits)
        rows = [
            [words[s.name], f"{s.records:,}", *(f"{s.languages.get(lang, 0):,}" for lang in langs),
             *([f"{s.users:,}"] if users else [])]
            for s in facts.splits
        ]  # fmt: skip
        head = [words["splits"], words["records"], *langs, *([words["users"]] if users else [])]
        yield Table(head, rows, numbers=range(1, len(head)))
        colours = dict(zip(langs, ("c1", "c2", "c3", "c4"), strict=False))
        bars = [
            (words[s.name], [Bar(s.languages.get(lang, 0), colour, f"{s.languages.get(lang, 0):,}")
             for lang, colour in colours.items()])
            for s in facts.splits
        ]  # fmt: skip
        legend = [(colour.replace("c", "k"), lang) for lang, colour in colours.items()]
        yield Figure(stacked_chart(bars, title=words["split_figure"]), words["split_figure"], legend)
        yield Paragraph(words[f"unit_{facts.split_unit}"])
        yield Paragraph(words["lengths"])
        lengths = [
            [words[s.name], *(" / ".join(f"{n:,}" for n in s.characters.get(lang, ())) or "–" for lang in langs)]
            for s in facts.splits
        ]
        yield Table([words["splits"], *langs], lengths, numbers=range(1, len(langs) + 1))

    def _labels(self) -> Iterator[Block]:
        words, facts = self.words, self.facts
        if labels := facts.total("labels"):
            yield Paragraph(words["labels_text"])
            rows = [
                [label, *(f"{s.labels.get(label, 0):,}" for s in facts.splits), f"{count:,}"]
                for label, count in labels.items()
            ]
            head = [words["class"], *(words[s.name] for s in facts.splits), words["total"]]
            yield Table(head, rows, numbers=range(1, len(head)))
        if groups := _add_groups(facts):
            yield Paragraph(words["groups_text"])
            names = list(labels)
            shares = [
                [group, f"{sum(counts.values()):,}", *(_percent(counts.get(label, 0) / sum(counts.values()))
                 for label in names)]
                for group, counts in groups.items()
            ]  # fmt: skip
            head = [words["group"], words["records"], *(f"{words['share_of']} {label}" for label in names)]
            yield Table(head, shares, numbers=range(1, len(head)))

    def _quality(self) -> Iterator[Block]:
        words = self.words
        rows: list[list[Cell]] = [
            [
                Code(item.name),
                self._state(item.state),
                "–" if item.observed is None else f"{item.observed:.6g}",
                f"{'≤' if item.side == 'max' else '≥'} {item.limit:g}",
                f"{item.n:,}",
            ]
            for item in self.facts.quality.expectations
        ]
        head = [words[key] for key in ("check", "result", "observed", "limit", "n")]
        yield Table(head, rows, numbers=(2, 3, 4))

    def _drift(self) -> Iterator[Block]:
        words, drift = self.words, self.facts.drift
        if drift is None:
            yield Paragraph(words["drift_none"])
            return
        yield Table(["", ""], [(words["result"], self._drift_state())])
        colours = {TestState.SAME: "good", TestState.DRIFTED: "bad", TestState.UNRESOLVED: "open"}
        rows: list[list[Cell]] = [
            [
                Code(test.name),
                Mark(words[str(test.state)], colours.get(test.state, "soft")),  # type: ignore[arg-type]
                _number(test.score),
                f"{test.threshold:g}",
                _number(test.chance),
                f"{test.n_current:,} / {test.n_reference:,}",
            ]
            for test in drift.tests
        ]
        head = [words[key] for key in ("check", "result", "distance", "limit", "chance", "n")]
        if rows:
            yield Table(head, rows, numbers=(2, 3, 4, 5))

    def _benchmarks(self) -> Iterator[Block]:
        words = self.words
        if not self.facts.benchmarks:
            yield Paragraph(words["benchmarks_none"])
            return
        rows = [[item.name, f"{item.items:,}", f"{item.dropped:,}"] for item in self.facts.benchmarks]
        yield Table([words["benchmark"], words["items"], words["dropped"]], rows, numbers=(1, 2))

    def _provenance(self) -> Iterator[Block]:
        rows: list[list[Cell]] = [[role, Code(digest)] for role, digest in self.facts.digests.items()]
        rows += [[name, Code(digest)] for name, digest in self.facts.files.items()]
        yield Table([self.words["what"], self.words["digest"]], rows)

    def _gaps(self) -> Iterator[Block]:
        words, facts = self.words, self.facts
        gaps = []
        if "license" not in facts.total("fields"):
            gaps += [words["gap_license"].format(source=s.name) for s in facts.sources if not s.license]
        gaps += [words[f"gap_{key}"] for key in ("creator", "url", "published") if getattr(facts.declared, key) is None]
        gaps.append(words["gap_collection"])
        if facts.total("labels"):
            gaps.append(words["gap_annotation"])
        if not _add_groups(facts):
            gaps.append(words["gap_groups"])
        if not (facts.scrubbing and facts.scrubbing.probes):
            gaps.append(words["gap_probes"])
        gaps.append(words["gap_drift"])
        yield Items(gaps)

    def _state(self, state: State) -> Mark:
        colours = {State.PASS: "good", State.FAIL: "bad", State.ERROR: "open"}
        return Mark(self.words[str(state)], colours[state])  # type: ignore[arg-type]

    def _drift_state(self) -> Mark:
        if self.facts.drift is None:
            return Mark(self.words["drift_none"], "soft")
        outcomes: dict[DriftState, Mark] = {
            DriftState.NO_DRIFT: Mark(self.words["no_drift"], "good"),
            DriftState.DRIFT: Mark(self.words["drift_found"], "bad"),
            DriftState.ERROR: Mark(self.words["error"], "open"),
        }
        return outcomes[self.facts.drift.state]


def _stage_bars(stage: StageFacts) -> list[Bar]:
    dropped = f"{stage.dropped:,}" if stage.dropped else ""
    return [Bar(stage.kept, "c4", f"{stage.kept:,}"), Bar(stage.dropped, "c3", dropped)]


def _add_groups(facts: DataFacts) -> dict[str, dict[str, int]]:
    groups: dict[str, dict[str, int]] = {}
    for split in facts.splits:
        for group, counts in split.groups.items():
            total = groups.setdefault(group, {})
            for label, count in counts.items():
                total[label] = total.get(label, 0) + count
    return dict(sorted(groups.items()))


def _pairs(counts: Mapping[str, int]) -> str:
    total = sum(counts.values()) or 1
    return ", ".join(f"{name} {count:,} ({count / total:.0%})" for name, count in counts.items())


def _count(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _measured(metric: Metric | None, show: Callable[[float], str]) -> tuple[str, str]:
    """A value and its interval."""
    if metric is None or metric.value is None:
        return "–", "–"
    if metric.ci_low is None or metric.ci_high is None:
        return show(metric.value), "–"
    return show(metric.value), f"{show(metric.ci_low)} – {show(metric.ci_high)}"


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _percent(share: float) -> str:
    return f"{share:.2%}" if 0 < share < 0.01 else f"{share:.1%}"
