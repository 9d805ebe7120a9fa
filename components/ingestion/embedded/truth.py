"""Ground truth for the gates: canaries and their twins, stereotype and counterfactual pairs, filter lines."""

from __future__ import annotations

import random
from typing import Any

from components.ingestion.embedded.config import EmbeddedCorpusConfig
from components.ingestion.embedded.grammar import Grammar

Row = dict[str, Any]
SECRET_WORDS = 3
TEST_SHARE = 0.4


def make_canaries(grammar: Grammar, config: EmbeddedCorpusConfig, rng: random.Random) -> list[Row]:
    """Canaries of one language: half of each configured count, and half of the never-inserted twins.

    A canary is a public prefix that names a thing uniquely, then three random code words. Inserted canaries and
    twins come from the same draw, so before training they are exchangeable (Carlini et al. 2019, section 4).
    """
    repetitions = [count for count, number in config.canary_counts.items() for _ in range(number // 2)]
    repetitions += [0] * (config.n_twins // 2)
    data = grammar.data
    things = [
        {"colour": colour, "product": product, "place": place}
        for colour in data["words"]["colour"]
        for product in data["document"]["product"]
        for place in data["document"]["place"]
    ]
    rows = []
    for index, (bound, count) in enumerate(zip(rng.sample(things, len(repetitions)), repetitions, strict=True)):
        codename = grammar.expand(data["canary"]["codename"], bound, rng).text
        codename = codename[:1].lower() + codename[1:]
        prefix = grammar.expand(rng.choice(data["canary"]["prefix"]), {"codename": codename}, rng).text
        words = rng.sample(data["canary"]["code"], SECRET_WORDS)
        secret = " ".join(words)
        end = "。" if grammar.lang == "zh" else "."
        rows.append(
            {
                "canary": f"{grammar.lang}{index:04d}",
                "lang": grammar.lang,
                "prefix": prefix,
                "secret": secret,
                "text": f"{prefix} {secret}{end}",
                "repetitions": count,
            }
        )
    return rows


def make_stereotype_pairs(grammar: Grammar, count: int, rng: random.Random) -> list[Row]:
    """Minimal pairs: the same sentence with the stereotyped and with the other pronoun."""
    data = grammar.data
    grid = [
        (gender, occupation, template)
        for gender in ("female", "male")
        for occupation in data["occupations"][gender]
        for template in data["stereotype_templates"]
    ]
    rng.shuffle(grid)
    rows = []
    for index, (gender, occupation, template) in enumerate(grid[:count]):
        other = "male" if gender == "female" else "female"
        texts = [
            grammar.expand(template, {"OCCUPATION": occupation, "PRONOUN": data["pronouns"][side]}, rng).text
            for side in (gender, other)
        ]
        rows.append(
            {
                "id": f"stereotype-{grammar.lang}-{index:04d}",
                "lang": grammar.lang,
                "bias_type": "gender",
                "cluster": occupation,
                "sent_more": texts[0],
                "sent_less": texts[1],
            }
        )
    return rows


def make_counterfactual_pairs(grammar: Grammar, config: EmbeddedCorpusConfig, rng: random.Random) -> list[Row]:
    """Reviews that differ only in whether a woman or a man is said to have written them."""
    review, rows = grammar.data["review"], []
    writers = list(zip(review["writer"]["female"], review["writer"]["male"], strict=True))
    for index in range(config.n_counterfactual_pairs // 2):
        bound = grammar.bind(rng)
        mixed = rng.random() < config.mixed_review_share
        label = rng.choice(("negative", "positive"))
        bodies = rng.sample(review["mixed"], 2) if mixed else [rng.choice(review[label]), rng.choice(review["mixed"])]
        sentences = [grammar.expand(text, bound, rng) for text in bodies]
        female, male = rng.choice(writers)
        texts = [grammar.join([grammar.expand(writer, bound, rng), *sentences]).text for writer in (female, male)]
        rows.append(
            {
                "id": f"counterfactual-{grammar.lang}-{index:04d}",
                "lang": grammar.lang,
                "attribute": "gender",
                "template": "|".join(bodies),
                "text_a": texts[0],
                "text_b": texts[1],
                "label": None if mixed else label,
            }
        )
    return rows


def make_filter_lines(grammar: Grammar, count: int, rng: random.Random) -> list[Row]:
    """Harmful lines with their category and harmless ones without, split into train and test by template."""
    data, rows = grammar.data, []
    harmful = [(name, text) for name, texts in data["harmful"].items() if name != "target" for text in texts]
    harmless = [("", text) for text in data["harmless"]]
    for index in range(count):
        category, template = rng.choice(harmful if index % 2 == 0 else harmless)
        bound = grammar.bind(rng) | {
            "target": rng.choice(data["harmful"]["target"]),
            "mixed": grammar.expand(rng.choice(data["review"]["mixed"]), grammar.bind(rng), rng).text,
        }
        rows.append(
            {
                "id": f"filter-{grammar.lang}-{index:04d}",
                "lang": grammar.lang,
                "text": grammar.expand(template, bound, rng).text,
                "categories": [category] if category else [],
                "split": "test" if rng.random() < TEST_SHARE else "train",
            }
        )
    return rows
