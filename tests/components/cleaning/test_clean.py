"""The cleaning stage: each step drops what it should, says why, and drops nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from components.cleaning.clean import clean_corpus
from components.cleaning.config import CleaningConfig
from components.cleaning.quality import (
    broken_share,
    mean_word_characters,
    repeated_line_share,
    repetition_share,
    symbol_share,
)
from components.cleaning.shingles import TokenHasher, shingle_set
from components.cleaning.sketches import exact_digest
from components.core.corpus import Record, read_records, write_records
from components.core.errors import ConfigError, ContractError
from components.core.jsonfiles import read_json, read_jsonl
from components.ingestion.embedded import EmbeddedCorpusConfig, write_embedded_corpus

FULL: dict[str, object] = {
    "languages": ["en", "zh"],
    "normalise": "full",
    "length": {"min_characters": 10, "max_characters": 5_000},
    "language": {"min_confidence": 0.8},
    "quality": {"max_symbol_share": 0.3, "max_repetition_share": 0.5},
    "exact_duplicates": "drop",
    "near_duplicates": {"threshold": 0.7},
}
OFF: dict[str, object] = {
    "languages": ["en", "zh"],
    "normalise": "minimal",
    "length": None,
    "language": None,
    "quality": None,
    "exact_duplicates": "keep",
    "near_duplicates": None,
}
ENGLISH = "The parcel that we ordered on Monday has not arrived, and nobody in the office knows where it is now."
CHINESE = "我们星期一订的包裹到现在还没有到，办公室里谁也不知道它现在到底在什么地方。"
KEPT: list[Record] = [{"id": "en", "text": ENGLISH, "lang": "en"}, {"id": "zh", "text": CHINESE, "lang": "zh"}]

DEFECTS: list[tuple[Record, dict[str, str]]] = [
    ({"text": "\u200b \x00"}, {"reason": "empty"}),
    ({"text": "Too short"}, {"reason": "too_short"}),
    ({"text": ENGLISH * 60}, {"reason": "too_long"}),
    ({"text": "#@~^|\\" * 10}, {"reason": "too_many_symbols"}),
    ({"text": "非常不错的" * 20, "lang": "zh"}, {"reason": "too_repetitive"}),
    (
        {"text": "El paquete llegó tarde y nadie supo explicar qué pasó.", "lang": "en"},
        {"reason": "wrong_language"},
    ),
    ({"text": "この荷物はまだ届いていません。", "lang": "zh"}, {"reason": "wrong_language"}),
    ({"text": "我们星期二去了公园，天气很好。", "lang": "en"}, {"reason": "language_mismatch"}),
    ({"text": ENGLISH.upper().replace(" ", "  "), "lang": "en"}, {"reason": "exact_duplicate", "of": "en"}),
    ({"text": ENGLISH + " Please help.", "lang": "en"}, {"reason": "near_duplicate", "of": "en"}),
    (
        {"text": CHINESE.replace("，", "， ").replace("。", "！"), "lang": "zh"},
        {"reason": "near_duplicate", "of": "zh"},
    ),
]


def clean(
    tmp_path: Path, records: list[Record], settings: dict[str, object]
) -> tuple[list[Record], list[dict[str, str]], Path]:
    corpus, out = tmp_path / "in", tmp_path / "out"
    for folder in (corpus, out):
        folder.mkdir()
    write_records(records, corpus)
    report = clean_corpus(corpus, CleaningConfig.model_validate(settings), out_dir=out)
    dropped = list(read_jsonl(out / "dropped.jsonl"))
    assert report.rows + len(dropped) == len(records) == report.summary["read"]
    assert report.summary["dropped"] == len(dropped) == sum(report.summary["reasons"].values())
    assert report.summary == read_json(out / "report.json")
    return list(read_records(out)), dropped, out


@pytest.mark.parametrize(("record", "expected"), DEFECTS)
def test_each_defect_is_dropped_with_its_reason(tmp_path: Path, record: Record, expected: dict[str, str]) -> None:
    kept, dropped, _ = clean(tmp_path, [*KEPT, {"id": "bad"} | record], FULL)
    assert [row["id"] for row in kept] == ["en", "zh"]
    assert dropped == [{"id": "bad"} | expected]


def test_all_steps_off_changes_nothing_but_what_nothing_could_store(tmp_path: Path) -> None:
    records = [*KEPT, *({"id": str(index)} | record for index, (record, _) in enumerate(DEFECTS))]
    kept, dropped, out = clean(tmp_path, records, OFF)
    assert [row["id"] for row in dropped] == [] or {row["reason"] for row in dropped} == {"empty"}
    assert [row["text"] for row in kept[:2]] == [ENGLISH, CHINESE]
    assert all("\x00" not in row["text"] for row in kept)
    assert sorted(path.name for path in out.iterdir()) == ["dropped.jsonl", "part-00000.jsonl", "report.json"]


def test_keys_order_and_language_of_what_stays(tmp_path: Path) -> None:
    records = [KEPT[1] | {"group": "g", "force_split": "train"}, {"id": "new", "text": "  " + ENGLISH}]
    kept, _, _ = clean(tmp_path, records, FULL)
    assert kept == [records[0], {"id": "new", "text": ENGLISH, "lang": "en"}]


def test_mismatch_can_be_relabelled(tmp_path: Path) -> None:
    settings_ = FULL | {"language": {"min_confidence": 0.8, "mismatch": "relabel"}}
    kept, _, _ = clean(
        tmp_path, [*KEPT, {"id": "x", "text": "我们星期二去了公园，天气很好。", "lang": "en"}], settings_
    )
    assert kept[2]["lang"] == "zh"


def test_an_unsure_detection_does_not_overrule_the_record(tmp_path: Path) -> None:
    kept, _, _ = clean(tmp_path, [*KEPT, {"id": "x", "text": "odd and weird", "lang": "en"}], FULL)
    assert kept[-1]["id"] == "x"


@pytest.mark.parametrize(
    ("name", "data", "row"),
    [
        ("b.jsonl", json.dumps({"a": [{"q": ENGLISH}]}), "en"),
        ("b.csv", f'id,sent\n1,"{ENGLISH}"\n', "en"),
        ("b.txt", CHINESE + "\n", "zh"),
    ],
)
def test_benchmarks_are_protected(tmp_path: Path, name: str, data: str, row: str) -> None:
    (tmp_path / name).write_text(data, encoding="utf-8")
    other = {
        "id": "other",
        "text": "数学是利用符号语言研究数量与结构的学科。" if row == "zh" else "We went home by train and slept.",
    }
    surrounded = [record | {"text": f"Before. {record['text']} After."} for record in KEPT]
    kept, dropped, _ = clean(tmp_path, [*surrounded, other | {"lang": row}], FULL | {"protect": [str(tmp_path / name)]})
    assert dropped == [{"id": row, "reason": "overlaps_protected", "benchmarks": [name]}]
    assert len(kept) == 2


def test_a_missing_benchmark_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cleaning\.protect"):
        clean(tmp_path, KEPT, FULL | {"protect": [str(tmp_path / "absent.csv")]})


@pytest.mark.parametrize(("records", "message"), [(KEPT[:1], "no record in zh"), ([], "none of 0 records")])
def test_too_little_left_is_refused(tmp_path: Path, records: list[Record], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        clean(tmp_path, records, FULL)


EVERYTHING = FULL | {
    "license": {"allow": ["mit"], "missing": "keep"},
    "length": {"min_characters": 2, "max_characters": 60},
    "language": {"min_confidence": 0.99},
    "quality": {
        "max_symbol_share": 0.5, "max_repetition_share": 0.5, "max_repeated_line_share": 0.5, "max_broken_share": 0.3,
        "max_mean_word_characters": 9,
    },
    "boilerplate": {"max_share": 0.6, "min_documents": 2},
}  # fmt: skip
SHORT = st.one_of(
    st.text("ab字 。#\x00\u200b\n", max_size=40),
    st.lists(
        st.sampled_from(["one line", "two", "第三行", "版权所有", "\ufffd\ufffd", "Ã©", "x" * 12]), max_size=5
    ).map("\n".join),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)


@given(rows=st.lists(st.tuples(SHORT, st.sampled_from(["mit", "gpl", None])), max_size=14))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_the_same_with_every_filter_on(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str | None]]
) -> None:
    records = [
        {"id": "first", "text": "A door stood open.", "lang": "en"},
        {"id": "second", "text": "门一直开着没有关。", "lang": "zh"},
        *({"id": str(index), "text": text, "lang": "en", "license": name} for index, (text, name) in enumerate(rows)),
    ]
    kept, _, _ = clean(tmp_path_factory.mktemp("once"), records, EVERYTHING)
    again, dropped, _ = clean(tmp_path_factory.mktemp("twice"), kept, EVERYTHING)
    assert again == kept and dropped == []


@given(texts=st.lists(st.text("ab字 。#\x00\u200b\n", max_size=40), max_size=12))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_kept_and_dropped_are_what_was_read_and_cleaning_twice_is_once(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    records = [*KEPT, *({"id": str(index), "text": text} for index, text in enumerate(texts))]
    kept, _, _ = clean(tmp_path_factory.mktemp("once"), records, FULL)
    again, dropped, _ = clean(tmp_path_factory.mktemp("twice"), kept, FULL)
    assert again == kept and dropped == []


class Scorer:
    """Scores by a word."""

    def scores(self, text: str, lang: str | None = None) -> dict[str, float]:
        return {"hate": 0.9 if "worthless" in text else 0.1, "threat": 0.5 if lang == "zh" else 0.0}


def test_harmful_text_goes_by_its_score(tmp_path: Path) -> None:
    harmful = {"id": "bad", "text": ENGLISH + " They are worthless people.", "lang": "en"}
    corpus = tmp_path / "in"
    write_records([*KEPT, harmful], corpus)
    for name, toxicity, gone in (
        ("all", {"max_score": 0.8}, ["bad"]),
        ("one", {"max_score": 0.4, "categories": ["hate"]}, ["bad"]),
        ("none", {"max_score": 0.95}, []),
    ):
        (tmp_path / name).mkdir()
        config = CleaningConfig.model_validate(OFF | {"toxicity": toxicity})
        clean_corpus(corpus, config, out_dir=tmp_path / name, make_scorer=Scorer)
        assert list(read_jsonl(tmp_path / name / "dropped.jsonl")) == [{"id": row, "reason": "toxic"} for row in gone]
    with pytest.raises(ConfigError, match="no harm classifier"):
        clean_corpus(corpus, config, out_dir=tmp_path / "none")
    unknown = CleaningConfig.model_validate(OFF | {"toxicity": {"max_score": 0.5, "categories": ["spam"]}})
    with pytest.raises(ConfigError, match="spam unknown; known: hate, threat"):
        clean_corpus(corpus, unknown, out_dir=tmp_path / "none", make_scorer=Scorer)


def test_licences_and_boilerplate_and_encodings(tmp_path: Path) -> None:
    notice = "This page was printed from the archive of the town library on demand of a reader."
    records: list[Record] = [
        *(record | {"license": "CC BY 4.0"} for record in KEPT),
        {"id": "nc", "text": ENGLISH + " nc", "lang": "en", "license": "cc-by-nc-4.0"},
        {"id": "unsaid", "text": ENGLISH + " unsaid", "lang": "en"},
        {"id": "broken", "text": "\ufffd\ufffd" + ENGLISH, "lang": "en", "license": "cc0"},
        {
            "id": "mended",
            "text": "The café — it was closed, and nobody knew why.".encode().decode("cp1252"),
            "license": "cc0",
        },
        *(
            {"id": f"n{index}", "text": f"{notice}\nItem {index} of {index + 7}", "license": "cc0"}
            for index in range(6)
        ),
    ]
    settings_ = FULL | {
        "license": {"allow": ["cc-by-*", "cc0"], "deny": ["*-nc-*"], "missing": "drop"},
        "quality": {"max_symbol_share": 0.3, "max_repetition_share": 0.5, "max_broken_share": 0.01},
        "near_duplicates": {"threshold": 0.95},
        "boilerplate": {"max_share": 0.6, "min_documents": 5},
    }
    kept, dropped, _ = clean(tmp_path, records, settings_)
    assert [row["id"] for row in kept] == ["en", "zh", "mended"]
    assert kept[2]["text"] == "The café — it was closed, and nobody knew why."
    reasons = {row["id"]: row["reason"] for row in dropped}
    assert reasons == {
        "nc": "license_refused",
        "unsaid": "license_missing",
        "broken": "broken_encoding",
    } | {f"n{index}": "boilerplate" for index in range(6)}


def test_a_copy_of_what_was_dropped_is_judged_for_itself(tmp_path: Path) -> None:
    records = [
        *KEPT[1:],
        KEPT[0] | {"id": "refused", "license": "gpl"},
        KEPT[0] | {"id": "allowed", "license": "mit"},
    ]
    kept, dropped, _ = clean(tmp_path, records, FULL | {"license": {"allow": ["mit"], "missing": "keep"}})
    assert [row["id"] for row in kept] == ["zh", "allowed"]
    assert dropped == [{"id": "refused", "reason": "license_refused"}]


def test_exact_digest_ignores_case_width_and_space_only() -> None:
    assert exact_digest("Ａ b\n字") == exact_digest("a  B 字")
    assert exact_digest("a b") != exact_digest("ab")


def test_shares_by_hand() -> None:
    assert symbol_share("ab#@") == 0.5
    assert symbol_share("很好！（真的）, ok.") == 0
    assert symbol_share(" \n") == 1
    hasher = TokenHasher()
    # 23 words in a circle of 3 give 21 triples, of which 3 are distinct.
    grams = hasher.document(" ".join(["a", "b", "c"] * 7 + ["a", "b"]))
    assert repetition_share(grams.size, shingle_set(grams).size) == pytest.approx(18 / 21)
    assert repetition_share(4, 1) == 0
    assert repeated_line_share("aa\nbb\n aa \n\ncc\naa") == pytest.approx(4 / 10)
    assert repeated_line_share("") == 0
    assert broken_share("a\ufffd \ufffdb") == 0.5
    assert mean_word_characters(["two", "words", "字", "x"]) == 3
    assert mean_word_characters(["字"]) == 0


def test_the_embedded_corpus_loses_its_planted_defects(tmp_path: Path) -> None:
    values = {
        "seed": 11, "n_documents": 1000, "n_reviews": 100, "personal_data_share": 0.3, "exact_duplicate_share": 0.1,
        "near_duplicate_share": 0.1, "foreign_share": 0.03, "broken_share": 0.03, "harmful_share": 0.0,
        "occupation_skew": 0.9, "mixed_review_share": 0.5, "negative_share": {"female": 0.9, "male": 0.2},
        "canary_counts": {4: 4}, "n_twins": 0,
        "n_stereotype_pairs": 2, "n_counterfactual_pairs": 2,
    }  # fmt: skip
    raw, out = tmp_path / "raw", tmp_path / "out"
    for folder in (raw, out):
        folder.mkdir()
    write_embedded_corpus(EmbeddedCorpusConfig.model_validate(values), "pretraining", raw)
    clean_corpus(raw, CleaningConfig.model_validate(FULL), out_dir=out)
    kept = {row["id"] for row in read_records(out)}
    defects = list(read_jsonl(raw / "truth" / "defects.jsonl"))
    planted = {row["id"]: row["defect"] for row in defects}
    assert not [name for name, defect in planted.items() if defect in {"wrong_language", "broken"} and name in kept]
    copies = [row for row in defects if row["defect"] in {"exact_duplicate", "near_duplicate"}]
    both = [row for row in copies if row["id"] in kept and row["of"] in kept]
    assert len(copies) > 100
    assert len([row for row in both if row["defect"] == "exact_duplicate"]) == 0
    assert len(both) <= 0.02 * len(copies)
    ordinary = [row["id"] for row in read_records(raw) if row["id"] not in planted]
    lost = [name for name in ordinary if name not in kept and f"{name}-copy" not in kept and f"{name}-near" not in kept]
    assert len(lost) <= 0.01 * len(ordinary)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": {"min_characters": 9, "max_characters": 3}}, "min_characters"),
        ({"near_duplicates": {"treshold": 0.8}}, "treshold"),
        ({"normalise": "some"}, "normalise"),
    ],
)
def test_bad_settings_name_their_key(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CleaningConfig.model_validate(FULL | change)
