"""Language identification on plain, mixed and foreign text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.ingestion.languages import detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The parcel that we ordered has not arrived.", "en"),
        ("THE PARCEL THAT WE ORDERED HAS NOT ARRIVED.", "en"),
        ("客服态度很好", "zh"),
        ("客服態度很好，發貨也快", "zh"),
        ("我用iPhone拍的照片，太好看了", "zh"),
        ("今天 OK", "zh"),
        ("これは日本語の文章です。", "other"),
        ("이 문장은 한국어입니다.", "other"),
        ("Это предложение написано по-русски.", "other"),
        ("Die Lieferung kam am Dienstag an und der Karton war leider ganz nass geworden.", "other"),
        ("Le chat dort sur la table et il ne veut pas descendre avant ce soir.", "other"),
        ("El paquete llegó tarde y nadie en la oficina supo explicar lo que había pasado.", "other"),
        ("La réunion aura lieu jeudi soir. Il negozio resta chiuso per tutta la settimana.", "other"),
        ("", "other"),
        ("12345 !!! ☎", "other"),
    ],
)
def test_known_texts(text: str, language: str) -> None:
    found, score = detect_language(text)
    assert found == language
    assert 0 <= score <= 1


def test_foreign_sentences_are_sure_and_fragments_are_not() -> None:
    assert detect_language("El paquete llegó tarde y nadie en la oficina supo explicar lo que había pasado.")[1] > 0.9
    assert detect_language("odd and weird")[1] < 0.5
    assert detect_language("42")[1] == 0


def test_a_preface_does_not_decide_for_a_long_text() -> None:
    assert detect_language("Preface. " * 20 + "数学是利用符号语言研究数量、结构的学科。" * 100)[0] == "zh"


@given(st.text(max_size=200))
def test_any_text_has_an_answer_and_the_same_one_twice(text: str) -> None:
    assert detect_language(text) == detect_language(text)
    assert 0 <= detect_language(text)[1] <= 1
