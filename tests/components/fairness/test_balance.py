"""The balancing stage: train only, half of the covered records, groups and weights, coverage asserted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.core.corpus import read_records, write_records
from components.core.errors import ContractError
from components.core.jsonfiles import read_json
from components.fairness import BalanceConfig
from components.fairness.balance import balance_splits, coverage
from components.fairness.reweigh import cell_weights


def config(**changes: object) -> BalanceConfig:
    values: dict[str, object] = {
        "seed": 7,
        "languages": ("en", "zh"),
        "attribute_sets": ("pronouns", "nouns", "kinship", "titles", "occupations"),
        "counterfactual_probability": 0.5,
        "min_coverage": {"en": 0.1, "zh": 0.1},
        "reweigh": True,
        "max_weight": 10.0,
    }
    return BalanceConfig.model_validate(values | changes)


def write_splits(folder: Path, n: int = 400) -> None:
    """Women's reviews are negative nine times in ten; every second record is Chinese."""
    texts = {("en", "female"): "She says: fine.", ("en", "male"): "He says: fine."}
    texts |= {("zh", "female"): "她说：可以。", ("zh", "male"): "他说：可以。"}
    for split, rows in (("train", n), ("dev", 40), ("test", 40), ("holdout", 20)):
        records = []
        for i in range(rows):
            lang, group = ("en", "zh")[i % 2], ("female", "male")[i // 2 % 2]
            label = "negative" if (group == "female") == (i // 4 % 10 != 0) else "positive"
            text = texts[lang, group] + str(i)
            records.append({"id": f"{split}{i}", "text": text, "lang": lang, "group": group, "label": label})
        write_records(records, folder / split)


def test_train_is_balanced_and_the_rest_is_untouched(tmp_path: Path) -> None:
    write_splits(tmp_path / "in")
    report = balance_splits(tmp_path / "in", config(), out_dir=tmp_path / "out")
    for split in ("dev", "test", "holdout"):
        for path in (tmp_path / "in" / split).iterdir():
            assert path.read_bytes() == (tmp_path / "out" / split / path.name).read_bytes()
    before = list(read_records(tmp_path / "in" / "train"))
    after = list(read_records(tmp_path / "out" / "train"))
    assert report.rows == len(before) == len(after)
    assert [r["id"] for r in after] == [r["id"] for r in before]
    assert [r["label"] for r in after] == [r["label"] for r in before]
    flipped = sum(a["text"] != b["text"] for a, b in zip(before, after, strict=True))
    assert 0.4 * len(before) < flipped < 0.6 * len(before)
    for record in after:
        says_she = record["text"].startswith(("She", "她"))
        assert record["group"] == ("female" if says_she else "male")
    for a, b in zip(before, after, strict=True):
        assert (a["text"] != b["text"]) == (a["group"] != b["group"])
    negative = Counter(r["group"] for r in after if r["label"] == "negative")
    assert abs(negative["female"] - negative["male"]) < 0.2 * len(after)
    written = read_json(tmp_path / "out" / "report.json")
    assert written["groups_before"]["female"] == {"negative": 180, "positive": 20}
    assert sum(sum(row.values()) for row in written["groups_after"].values()) == len(after)
    assert written["languages"]["zh"]["coverage"] == 1.0


def test_weights_make_group_and_label_independent(tmp_path: Path) -> None:
    write_splits(tmp_path / "in")
    balance_splits(tmp_path / "in", config(counterfactual_probability=0.0), out_dir=tmp_path / "out")
    records = list(read_records(tmp_path / "out" / "train"))
    assert sum(r["weight"] for r in records) / len(records) == pytest.approx(1.0, abs=1e-6)
    mass = Counter[tuple[str, str]]()
    for record in records:
        mass[record["group"], record["label"]] += record["weight"]
    female = mass["female", "negative"] + mass["female", "positive"]
    male = mass["male", "negative"] + mass["male", "positive"]
    assert mass["female", "negative"] / female == pytest.approx(mass["male", "negative"] / male, abs=1e-6)


def test_kamiran_calders_by_hand() -> None:
    """2x2 table 40/10/20/30: w(f, n) = (50 * 60) / (100 * 40) = 0.75 and so on."""
    counts = {("f", "n"): 40, ("f", "p"): 10, ("m", "n"): 20, ("m", "p"): 30}
    expected = {("f", "n"): 0.75, ("f", "p"): 2.0, ("m", "n"): 1.5, ("m", "p"): 2 / 3}
    assert cell_weights(counts, max_weight=10) == pytest.approx(expected)


@given(
    st.dictionaries(st.tuples(st.sampled_from("ab"), st.sampled_from("xyz")), st.integers(1, 500), min_size=1),
    st.floats(1.0, 20.0),
)
def test_weights_keep_cap_and_mean(counts: dict[tuple[str, str], int], cap: float) -> None:
    weights = cell_weights(counts, max_weight=cap)
    total = sum(counts.values())
    assert all(0 < weight <= cap + 1e-9 for weight in weights.values())
    assert sum(counts[cell] * weight for cell, weight in weights.items()) / total == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_probability_zero_and_one(tmp_path: Path, probability: float) -> None:
    write_splits(tmp_path / "in", 40)
    balance_splits(
        tmp_path / "in", config(counterfactual_probability=probability, reweigh=False), out_dir=tmp_path / "out"
    )
    pairs = zip(read_records(tmp_path / "in" / "train"), read_records(tmp_path / "out" / "train"), strict=True)
    assert all((a["text"] != b["text"]) == bool(probability) for a, b in pairs)


def test_the_choice_depends_on_the_id_and_not_on_order(tmp_path: Path) -> None:
    write_splits(tmp_path / "in")
    records = list(read_records(tmp_path / "in" / "train"))
    write_records(reversed(records), tmp_path / "reversed" / "train")
    for name in ("in", "reversed"):
        balance_splits(tmp_path / name, config(), out_dir=tmp_path / f"{name}-out")
    texts = [
        {r["id"]: r["text"] for r in read_records(tmp_path / f"{name}-out" / "train")} for name in ("in", "reversed")
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("lang", "text", "changes", "message"),
    [
        ("zh", "天气很好。", {}, "language zh: 0 of 10"),
        ("en", "The weather is fine.", {}, "language en: 0 of 10"),
        ("zh", "他来了。", {"min_coverage": {"en": 0.1, "zh": 1.0}}, None),
        ("en", "The weather is fine.", {"min_coverage": {"en": 0.0, "zh": 0.1}}, None),
    ],
)
def test_a_language_without_terms_is_refused(
    tmp_path: Path, lang: str, text: str, changes: dict[str, object], message: str | None
) -> None:
    other = {"en": ("zh", "她来了。"), "zh": ("en", "She came.")}[lang]
    rows = [{"id": f"a{i}", "text": text, "lang": lang} for i in range(10)]
    rows += [{"id": f"b{i}", "text": other[1], "lang": other[0]} for i in range(10)]
    write_records(rows, tmp_path / "in" / "train")
    chosen = config(reweigh=False, **changes)
    if message is None:
        assert coverage(read_records(tmp_path / "in" / "train"), chosen)[lang].coverage >= chosen.min_coverage[lang]
        assert balance_splits(tmp_path / "in", chosen, out_dir=tmp_path / "out").rows == 20
    else:
        with pytest.raises(ContractError, match=message):
            balance_splits(tmp_path / "in", chosen, out_dir=tmp_path / "out")


def test_reweighing_without_groups_is_refused(tmp_path: Path) -> None:
    write_records([{"id": f"{i}", "text": "She came.", "lang": "en"} for i in range(9)], tmp_path / "in" / "train")
    with pytest.raises(ContractError, match="group and label"):
        balance_splits(tmp_path / "in", config(languages=("en",), min_coverage={"en": 0.1}), out_dir=tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"min_coverage": {"en": 0.1}}, "min_coverage"),
        ({"max_weight": 0.5}, "max_weight"),
        ({"counterfactual_probability": 1.5}, "counterfactual_probability"),
        ({"attribute_sets": ()}, "attribute_sets"),
        ({"seeds": 1}, "seeds"),
    ],
)
def test_bad_configs_are_refused_by_name(changes: dict[str, object], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        config(**changes)
