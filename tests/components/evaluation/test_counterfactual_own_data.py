"""Counterfactual pairs made from the test records of one's own data."""

from __future__ import annotations

from components.evaluation.suites.counterfactual import pair_test_records


def test_only_records_with_a_gender_term_give_a_pair_and_only_the_term_differs() -> None:
    records = [
        {"id": "1", "lang": "en", "text": "She returned the lamp."},
        {"id": "2", "lang": "en", "text": "The lamp is green."},
        {"id": "3", "lang": "zh", "text": "他把台灯退了。"},
        {"id": "4", "lang": None, "text": "He kept it."},
    ]
    pairs = {pair.id: (pair.text_a, pair.text_b) for pair in pair_test_records(records, ("en", "zh"))}
    assert pairs == {
        "1": ("She returned the lamp.", "He returned the lamp."),
        "3": ("他把台灯退了。", "她把台灯退了。"),
    }


def test_a_language_that_is_not_evaluated_gives_none() -> None:
    assert pair_test_records([{"id": "1", "lang": "zh", "text": "她来了。"}], ("en",)) == []
