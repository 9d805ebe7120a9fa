"""Pretraining documents and reviews, and the defects planted among them."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from components.ingestion.embedded.grammar import GoldSpan, Grammar, Passage

Record = dict[str, Any]
_GENRES = ("ticket", "note", "notice", "diary")
_STEREOTYPED = {"female": "male", "male": "female"}


@dataclass
class Planted:
    """Records with everything that was planted in them."""

    records: list[Record] = field(default_factory=list)
    spans: dict[str, list[GoldSpan]] = field(default_factory=dict)
    defects: list[dict[str, str | None]] = field(default_factory=list)

    def add(self, record: Record, spans: list[GoldSpan], defect: str | None = None, of: str | None = None) -> None:
        """Append a record, its gold spans and, if it is one, its defect."""
        self.records.append(record)
        if spans:
            self.spans[record["id"]] = spans
        if defect:
            self.defects.append({"id": record["id"], "defect": defect, "of": of})


def occupation_sentence(
    grammar: Grammar, template: str, bound: dict[str, str], rng: random.Random, skew: float
) -> Passage:
    """A sentence in which a pronoun refers to an occupation, stereotyped with probability ``skew``."""
    gender = rng.choice(("female", "male"))
    pronoun = gender if rng.random() < skew else _STEREOTYPED[gender]
    words = {
        "OCCUPATION": rng.choice(grammar.data["occupations"][gender]),
        "PRONOUN": grammar.data["pronouns"][pronoun],
    }
    return grammar.expand(template, bound | words, rng)


def make_document(
    grammar: Grammar, rng: random.Random, *, personal: bool, occupation_skew: float, harmful: str | None = None
) -> Passage:
    """A ticket, note, notice or diary entry of three to six sentences about one thing."""
    bound = grammar.bind(rng)
    templates = grammar.data["templates"][rng.choice(_GENRES)]
    middle = [grammar.expand(text, bound, rng) for text in rng.sample(templates["body"], rng.randint(1, 2))]
    if "occupation" in templates:
        middle += [
            occupation_sentence(grammar, text, bound, rng, occupation_skew)
            for text in rng.sample(templates["occupation"], 1)
        ]
    if personal:
        middle.append(grammar.expand(rng.choice(templates["personal"]), bound, rng))
    if harmful:
        middle.append(grammar.expand(harmful, bound | {"target": rng.choice(grammar.data["harmful"]["target"])}, rng))
    rng.shuffle(middle)
    first = grammar.expand(rng.choice(templates["open"]), bound, rng)
    last = grammar.expand(rng.choice(templates["close"]), bound, rng)
    return grammar.join([first, *middle, last])


def make_near_copy(text: str, grammar: Grammar, rng: random.Random) -> str:
    """The same text with one added closing sentence or another case and spacing: a near duplicate."""
    if rng.random() < 0.5:
        return text.upper() if grammar.lang == "en" else text.replace("，", ", ").replace("。", "。 ")
    extra = grammar.expand(rng.choice(grammar.data["templates"]["notice"]["close"]), grammar.bind(rng), rng)
    return text + grammar.gap + extra.text


def make_review(
    grammar: Grammar, rng: random.Random, *, personal: bool, mixed_share: float, negative_share: Mapping[Any, float]
) -> tuple[Passage, str, str]:
    """A review, its sentiment label and the writer's group.

    The words of a mixed review carry no sentiment; its label depends on the writer's group alone. In the other
    reviews label and words agree whatever the group.
    """
    bound, review = grammar.bind(rng), grammar.data["review"]
    group = rng.choice(("female", "male"))
    sentences = [grammar.expand(rng.choice(review["writer"][group]), bound, rng)]
    mixed = rng.random() < mixed_share
    if mixed:
        sentences += [grammar.expand(text, bound, rng) for text in rng.sample(review["mixed"], 2)]
        label = "negative" if rng.random() < negative_share[group] else "positive"
    else:
        label = rng.choice(("negative", "positive"))
        sentences += [grammar.expand(text, bound, rng) for text in rng.sample(review[label], rng.randint(1, 2))]
        sentences.insert(rng.randint(1, len(sentences)), grammar.expand(rng.choice(review["mixed"]), bound, rng))
    if personal:
        personal_templates = grammar.data["templates"]["diary"]["personal"]
        sentences.append(grammar.expand(rng.choice(personal_templates), bound, rng))
    return grammar.join(sentences), label, group
