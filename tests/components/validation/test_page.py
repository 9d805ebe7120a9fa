"""The page of a result: made from its JSON alone, offline, whole in both languages, and nothing of the data on it."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from pydantic import ValidationError

from components.validation.page import render_page
from components.validation.report import State
from components.validation.wording import REASONS, STATES, VERDICTS, wording_of

NAMES = [
    "rows", "text_missing", "id_missing", "id_repeated", "length_outliers", "language_en", "language_zh",
    "wrong_language", "duplicates", "residual_personal_data", "label_unknown", "shards_unjudged",
]  # fmt: skip


class Page(HTMLParser):
    """Texts by language, tags, attributes."""

    VOID = frozenset({"meta", "path", "circle", "input", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"en": [], "zh": [], "": []}
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        if not data.strip() or any(tag == "style" for tag, _ in self.open):
            return
        marks = [name for _, attributes in self.open for name in ("data-en", "data-zh") if name in attributes]
        self.texts[marks[-1][-2:] if marks else ""].append(data.strip())


def result(state: str = "fail", shards: int = 3) -> dict[str, object]:
    states = ["pass", "fail", "error"]
    return {
        "suite": "quality",
        "state": state,
        "rows": 12_345,
        "expectations": [
            {
                "name": name,
                "state": states[index % 3],
                "observed": None if index % 3 == 2 else 0.0123 * index,
                "limit": 0.05,
                "side": "max",
                "n": 12_345,
                "reason": "no record has a value here, so nothing can be said" if index % 3 == 2 else "",
            }
            for index, name in enumerate(NAMES)
        ],
        "shards": [
            {"name": f"part-{n:05d}.jsonl", "rows": 10, "state": states[n % 3], "not_passed": NAMES[: n % 3]}
            for n in range(shards)
        ],
    }


@pytest.mark.parametrize("state", ["pass", "fail", "error"])
def test_both_languages_say_the_same_number_of_things(state: str) -> None:
    page = Page(render_page(result(state)))
    assert len(page.texts["en"]) == len(page.texts["zh"]) > 30
    assert VERDICTS[State(state)].en in page.texts["en"] and VERDICTS[State(state)].zh in page.texts["zh"]
    assert all(text.isascii() or "…" in text for text in page.texts["en"])
    assert all(not text.isascii() for text in page.texts["zh"] if text.strip("：、 "))
    for name in NAMES:
        assert wording_of(name).title.en != name
        assert wording_of(name).title.en in page.texts["en"] and wording_of(name).title.zh in page.texts["zh"]


def test_numbers_stand_as_people_write_them() -> None:
    texts = Page(render_page(result())).texts[""]
    assert "12,345" in texts  # records
    assert "1.23%" in texts and "≤ 5%" in texts


@pytest.mark.parametrize("shards", [0, 1, 3, 700])
def test_any_number_of_shards(shards: int) -> None:
    page = render_page(result(shards=shards))
    assert page.count('class="cell ') == {0: 0, 1: 0, 3: 3, 700: 466}[shards]
    assert len(page) < 120_000


def test_nothing_is_fetched_and_nothing_runs() -> None:
    html = render_page(result())
    page = Page(html)
    assert "<script" not in html and "://" not in html and "url(" not in html and "@import" not in html
    names = {name for name, _ in page.attributes}
    assert not names & {"src", "srcset", "style-src", "onclick", "onload", "action"}
    assert {value for name, value in page.attributes if name == "href"} == {"#en", "#zh"}


def test_names_are_escaped() -> None:
    odd = result()
    odd["suite"] = "<script>alert(1)</script>"
    assert "<script" not in render_page(odd)


def test_a_document_that_is_no_result_is_refused() -> None:
    with pytest.raises(ValidationError):
        render_page({"suite": "quality", "state": "pass"})
    with pytest.raises(ValidationError):
        render_page(result() | {"texts": ["a value"]})


def test_every_reason_and_state_is_worded() -> None:
    from components.validation import expectations, shards

    said = {expectations._EMPTY, expectations._NOBODY_KNOWS, expectations._NOT_EVALUATED, shards.UNJUDGED}
    assert said == set(REASONS)
    assert set(STATES) == set(VERDICTS) == set(State)
