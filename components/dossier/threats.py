"""The threat model as blocks, from ``threats.yaml``: who is trusted with what; prevented, only detected, neither."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import ClassVar, Literal

import yaml
from pydantic import BaseModel, ConfigDict

from components.documentation.blocks import Block, Cell, Items, Mark, Paragraph, Section, Table, to_markdown
from components.documentation.words import Lang

Outcome = Literal["prevented", "detected", "neither"]
Words = dict[Lang, str]
_COLOURS: dict[Outcome, Literal["good", "open", "bad"]] = {"prevented": "good", "detected": "open", "neither": "bad"}


class _Frozen(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class _Attack(_Frozen):
    outcome: Outcome
    en: tuple[str, str, str]
    zh: tuple[str, str, str]


class _Trust(_Frozen):
    title: Words
    head: dict[Lang, list[str]]
    rows: tuple[dict[Lang, tuple[str, str, str, str]], ...]


class _Attacks(_Frozen):
    title: Words
    head: dict[Lang, list[str]]
    words: dict[Outcome, Words]
    rows: tuple[_Attack, ...]


class _Assumptions(_Frozen):
    title: Words
    items: tuple[Words, ...]


class ThreatModel(_Frozen):
    """The whole of it."""

    title: Words
    goal: Words
    trust: _Trust
    attacks: _Attacks
    assumptions: _Assumptions

    def lead(self, lang: Lang) -> list[Block]:
        """What must not happen."""
        return [Paragraph(self.goal[lang], note=True)]

    def sections(self, lang: Lang) -> list[Section]:
        """Trust, attacks and assumptions."""
        attacks = self.attacks
        trust: Block = Table(self.trust.head[lang], [row[lang] for row in self.trust.rows])
        head = ["", *attacks.head[lang]]
        rows: list[list[Cell]] = [
            [Mark(attacks.words[row.outcome][lang], _COLOURS[row.outcome]), *(row.en if lang == "en" else row.zh)]
            for row in attacks.rows
        ]
        return [
            Section(self.trust.title[lang], [trust]),
            Section(attacks.title[lang], [Table(head, rows)]),
            Section(self.assumptions.title[lang], [Items([item[lang] for item in self.assumptions.items])]),
        ]

    def markdown(self, lang: Lang) -> str:
        """The page as Markdown."""
        return to_markdown(self.title[lang], self.lead(lang), self.sections(lang))


@cache
def threat_model() -> ThreatModel:
    """From the file beside this module."""
    text = resources.files(__package__).joinpath("threats.yaml").read_text(encoding="utf-8")
    return ThreatModel.model_validate(yaml.safe_load(text))
