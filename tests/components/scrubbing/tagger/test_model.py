"""The shipped tagger: what it finds, that company does not matter, and that files are checked before use."""

from __future__ import annotations

import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from components.core.errors import ConfigError, IntegrityError
from components.scrubbing.detectors.tagger import TaggerDetector
from components.scrubbing.tagger.artifact import CARD_FILE, WEIGHTS_FILE, default_tagger, load
from components.scrubbing.tagger.features import HashedLexicon, Lexicon, shape_of
from components.scrubbing.tagger.hashing import hash_ideographs, mix
from components.scrubbing.tagger.tokens import PAD_COUNT, tokenise

PACKAGED = Path(str(resources.files("components.scrubbing.tagger"))) / "weights"
DETECTOR = TaggerDetector(recall_bias=0.5)
MAX_BYTES = 5_000_000
MEASURED_ONLY = {"cluener2020", "resume-ner", "multipriv", "synthpai"}

TEXTS = st.lists(
    st.one_of(
        st.text(max_size=60),
        st.sampled_from(
            [
                "My name is Olivia Norton and I live at 12 Baker Street, London.",
                "我叫王小明，住在北京市朝阳区建国路88号。",
                "On 3 May 2011 the applicant, Mr Robert Murray, was arrested.",
                "\x00\x00 \ufffc 王 \u200b Dr. \ufffc\n\n\n",
                "",
            ]
        ),
    ),
    min_size=1,
    max_size=5,
)


def found(text: str) -> set[tuple[str, str]]:
    return {(text[span.start : span.end], span.label) for span in DETECTOR.detect(text, "en")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Please write to Katarzyna Nowak in Gdansk.", {("Katarzyna Nowak", "PERSON"), ("Gdansk", "LOCATION")}),
        ("She was born on 12 March 1984 in Canada.", {("12 March 1984", "DATE_TIME"), ("Canada", "LOCATION")}),
        ("Send the parcel to 48 Church Road, Leeds.", {("48 Church Road", "STREET_ADDRESS"), ("Leeds", "LOCATION")}),
        ("我叫李晓燕，电话下面写着。", {("李晓燕", "PERSON")}),
        (
            "患者张伟明，男，45岁，于2019年3月5日入院。",
            {("张伟明", "PERSON"), ("45岁", "AGE"), ("2019年3月5日", "DATE_TIME")},
        ),
        ("聯絡人：陳志明，住在臺北。", {("陳志明", "PERSON"), ("臺北", "LOCATION")}),
        ("What is the limit of my card?", set()),
        ("今天天气不错，适合出门散步。", set()),
    ],
)
def test_what_is_found(text: str, expected: set[tuple[str, str]]) -> None:
    assert found(text) == expected


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_a_text_gets_the_same_spans_alone_and_among_others(texts: list[str]) -> None:
    together = DETECTOR.detect_many(texts, ["en"] * len(texts))
    assert [list(spans) for spans in together] == [list(DETECTOR.detect(text, "en")) for text in texts]


@settings(max_examples=40, deadline=None)
@given(TEXTS)
def test_spans_lie_within_the_text_apart_and_off_the_holes(texts: list[str]) -> None:
    for text, spans in zip(texts, DETECTOR.detect_many(texts, ["en"] * len(texts)), strict=True):
        at = 0
        for span in spans:
            assert at <= span.start < span.end <= len(text)
            assert "\ufffc" not in text[span.start : span.end]
            assert text[span.start : span.end] == text[span.start : span.end].strip()
            assert 0 <= span.score <= 1
            at = span.end


def test_more_bias_finds_no_less() -> None:
    text = "Talk to Wren about Marlow, or to anyone at Fenwick & Co about the 4th."
    counts = [
        sum(span.end - span.start for span in TaggerDetector(recall_bias=bias).detect(text, "en"))
        for bias in (-4.0, 0.0, 6.0)
    ]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_the_gate_changes_speed_only() -> None:
    """With the gate wide open the network sees every token; almost nothing else may come out."""
    from dataclasses import replace

    from components.scrubbing.tagger.model import Tagger

    shut = default_tagger()
    wide = Tagger(replace(load(PACKAGED), gate_threshold=-1e9))
    texts = [
        f"{name} met {other} in {place} on {day}, and the {thing} was late again."
        for name in ("Ana Ruiz", "Mr Petrov", "Li Na", "Kofi")
        for other in ("Dr Weiss", "Jane Doe")
        for place in ("Oslo", "San Juan", "Kyoto")
        for day in ("Monday", "4 July 1999")
        for thing in ("train", "report")
    ]
    gated, full = shut.tag(texts, recall_bias=0.5), wide.tag(texts, recall_bias=0.5)
    same = sum(a == b for a, b in zip(gated, full, strict=True))
    assert same >= 0.97 * len(texts)


def test_hashed_lexicon_is_the_sorted_one() -> None:
    rng = np.random.default_rng(3)
    hashes = np.unique(rng.integers(0, 2**32, 5000, dtype=np.uint32))
    values = rng.integers(1, 255, len(hashes), dtype=np.uint8)
    lexicon = Lexicon(hashes, values)
    wanted = np.concatenate([hashes[::3], rng.integers(0, 2**32, 2000, dtype=np.uint32)])
    assert (HashedLexicon(lexicon).look_up(wanted) == lexicon.look_up(wanted)).all()


def test_words_of_ideographs_hash_alike_alone_and_in_a_column() -> None:
    words = ["北京市", "张三丰"]
    columns = [np.array([ord(word[at]) for word in words], dtype=np.uint32) for at in range(3)]
    assert mix(*columns).tolist() == [hash_ideographs(word) for word in words]


@pytest.mark.parametrize(("word", "shape"), [("McDonald", "XxXxx"), ("ABC", "XX"), ("a1", "xd"), ("2024", "dd")])
def test_shapes(word: str, shape: str) -> None:
    assert shape_of(word) == shape


def test_card_and_weights_belong_together() -> None:
    card = yaml.safe_load((PACKAGED / CARD_FILE).read_text(encoding="utf-8"))
    assert (PACKAGED / WEIGHTS_FILE).stat().st_size == card["bytes"] <= MAX_BYTES
    assert card["command"].startswith("touchstone train-tagger")
    assert not MEASURED_ONLY & card["sets"].keys()
    assert all(entry["licence"] and entry["sha256"].startswith("sha256:") for entry in card["sets"].values())
    assert card["figures"]["presidio-research"]["exact"]["n"] > 1000


def test_changed_weights_are_refused(tmp_path: Path) -> None:
    shutil.copytree(PACKAGED, tmp_path / "tagger")
    weights = tmp_path / "tagger" / WEIGHTS_FILE
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(IntegrityError, match="is not the file"):
        load(tmp_path / "tagger")


def test_a_folder_without_a_tagger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="train-tagger"):
        TaggerDetector(weights=tmp_path).detect("x", "en")


def test_an_endless_line_is_read() -> None:
    text = "AAAA BBBB 王王 1234 " * 20_000
    spans = list(DETECTOR.detect(text, "en"))
    assert all(span.end <= len(text) for span in spans)


def test_empty_input() -> None:
    assert DETECTOR.detect_many([], []) == []
    assert len(tokenise([])) == PAD_COUNT


def test_a_name_is_found_again() -> None:
    text = "Mr. Olubunmi Adeyemiwa signed. The words “Adeyemiwa” and adeyemiwas differ; so does AdeyemiwaX."
    found_at = [span.start for span in DETECTOR.detect(text, "en") if span.label == "PERSON"]
    assert text.index("“Adeyemiwa") + 1 in found_at
    assert text.index("AdeyemiwaX") not in found_at
