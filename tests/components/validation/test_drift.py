"""Drift: seen where two centuries or two disasters lie between, not between halves, never passed on too few records."""

from __future__ import annotations

import random
import re
import zipfile
from pathlib import Path

import pytest
from testkit import shared_data
from testkit.offline import open_in_browser, outside_references

from components.core.corpus import Record, write_records
from components.core.errors import ContractError
from components.core.jsonfiles import read_json
from components.core.store import StageReport
from components.validation import DriftConfig
from components.validation.drift import measure_drift
from components.validation.drift_sample import draw_sample, find_words, new_word_shares

CONFIG = DriftConfig(
    min_rows=100,
    max_length_distance=0.3,
    max_language_distance=0.1,
    max_label_distance=0.1,
    max_topic_distance=0.2,
    max_vocabulary_distance=0.2,
    max_new_word_share=0.05,
)


def compare(tmp: Path, current: list[Record], reference: list[Record], config: DriftConfig = CONFIG) -> StageReport:
    write_records(current, tmp / "current")
    write_records(reference, tmp / "reference")
    return measure_drift(tmp / "current", tmp / "reference", config, out_dir=tmp / "out")


def states(tmp: Path) -> dict[str, str]:
    return {test["name"]: test["state"] for test in read_json(tmp / "out" / "report.json")["tests"]}


def speeches() -> list[tuple[int, str, Record]]:
    """Passages of 400 characters with their year and speech; a speech is one document."""
    found = []
    for archive in ("inaugural.zip", "state_union.zip"):
        with zipfile.ZipFile(shared_data("us-presidents", archive)) as files:
            for name in sorted(files.namelist()):
                if year := re.search(r"/(\d{4})-", name):
                    text = files.read(name).decode("utf-8", "replace")
                    for piece, start in enumerate(range(0, len(text) - 400, 800)):
                        record = {"id": f"{name}#{piece}", "text": text[start : start + 400], "lang": "en"}
                        found.append((int(year[1]), name, record))
    return found


@pytest.mark.shared_data
def test_two_centuries_drift_and_halves_of_one_time_do_not(tmp_path: Path) -> None:
    passages = speeches()
    early = [record for year, _, record in passages if year < 1870]
    late = [record for year, _, record in passages if year > 1985]
    drifted = compare(tmp_path / "time", late, early)
    assert drifted.summary["state"] == "drift"
    assert drifted.summary["drifted"] == ["topics_en", "vocabulary_en", "new_words_en"]
    names = sorted({name for _, name, _ in passages})
    random.Random(1).shuffle(names)
    chosen = set(names[::2])
    left = [record for _, name, record in passages if name in chosen]
    right = [record for _, name, record in passages if name not in chosen]
    same = compare(tmp_path / "same", left, right)
    assert (same.summary["state"], same.summary["drifted"]) == ("no_drift", [])


def tweets(section: str) -> list[Record]:
    text = shared_data("broad-twitter-corpus", f"{section}.conll").read_text(encoding="utf-8")
    rows = [[line.split("\t")[0] for line in block.splitlines()] for block in text.split("\n\n") if block.strip()]
    return [{"id": f"{section}{n}", "text": " ".join(words), "lang": "en"} for n, words in enumerate(rows)]


@pytest.mark.shared_data
def test_tweets_of_the_same_weeks_are_the_same_and_of_a_disaster_are_not(tmp_path: Path) -> None:
    """Sections a and b are the United Kingdom in January 2012; e is the MH17 disaster of July 2014, g is news."""
    before = tweets("a")
    assert compare(tmp_path / "b", tweets("b"), before).summary["state"] == "no_drift"
    for section in ("e", "g"):
        report = compare(tmp_path / section, tweets(section), before)
        assert report.summary["drifted"] == ["length_en", "topics_en", "vocabulary_en", "new_words_en"]


WORDS = {
    "en": ["kettle", "lamp", "works", "well", "today", "radio", "shop", "price", "box", "colour"],
    "zh": ["水壶", "台灯", "好用", "今天", "收音机", "商店", "价格", "盒子", "颜色", "很"],
}


def made(n: int, *, seed: int, zh: float = 0.5, length: int = 8, label: str | None = None) -> list[Record]:
    rng = random.Random(seed)
    records: list[Record] = []
    for i in range(n):
        lang = "zh" if rng.random() < zh else "en"
        text = (" " if lang == "en" else "").join(
            rng.choice(WORDS[lang]) for _ in range(rng.randint(length, length + 6))
        )
        records.append({"id": f"{seed}-{i}", "text": text + "。" * (i % 2), "lang": lang})
        if label is not None:
            records[-1]["label"] = label if rng.random() < 0.9 else "other"
    return records


def test_each_change_is_seen_by_its_own_test_alone(tmp_path: Path) -> None:
    base = made(800, seed=1, label="good")
    changes = {
        "language": (made(800, seed=2, label="good", zh=0.75), ["language"]),
        "label": (made(800, seed=3, label="bad"), ["label"]),
        "length": (made(800, seed=4, label="good", length=12), ["length_en", "length_zh"]),
    }
    for name, (current, drifted) in changes.items():
        assert compare(tmp_path / name, current, base).summary["drifted"] == drifted
    assert compare(tmp_path / "none", made(800, seed=5, label="good"), base).summary["state"] == "no_drift"


def test_new_words_are_counted_as_planted(tmp_path: Path) -> None:
    """One English word in five becomes one that the reference has not: the share rises by 0.2 there, nowhere else."""
    rng = random.Random(7)
    base, current = made(800, seed=1), made(800, seed=2)
    for record in current:
        if record["lang"] == "en":
            record["text"] = " ".join("zyxw" if rng.random() < 0.2 else word for word in record["text"].split())
    report = compare(tmp_path, current, base)
    scores: dict[str, float] = report.summary["scores"]  # type: ignore[assignment]
    assert scores["new_words_en"] == pytest.approx(0.2, abs=0.03)
    assert scores["new_words_zh"] == 0
    assert states(tmp_path)["vocabulary_en"] == "drifted"
    assert states(tmp_path)["vocabulary_zh"] == "same"


def test_a_record_does_not_vouch_for_its_own_words() -> None:
    """By hand: a word of one record only is new to the other half, on both sides; its document is one unit."""
    import tempfile

    records = [{"id": f"r{i}", "text": f"common word{'abcdefghijklmnop'[i]}", "lang": "en"} for i in range(16)]
    with tempfile.TemporaryDirectory() as folder:
        write_records(records, Path(folder))
        items = draw_sample(Path(folder), 100, seed=0).items
    for shares in new_word_shares(items, items):
        assert shares == [0.5] * 16
    pieces = [{"id": f"doc#{i}", "text": "same words", "lang": "en"} for i in range(4)]
    with tempfile.TemporaryDirectory() as folder:
        write_records(pieces, Path(folder))
        sample = draw_sample(Path(folder), 100, seed=0).items
    assert len({item.unit for item in sample}) == len({item.half for item in sample}) == 1
    assert new_word_shares(sample, sample)[0] == [1.0] * 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't stop", ["don", "t", "stop"]),
        ("我爱北京", ["我爱", "爱北", "北京"]),
        ("用iPhone", ["用", "iphone"]),
        ("[PERSON] met [EMAIL_ADDRESS:0123456789abcdef]", ["met"]),
        ("", []),
        ("123 !!", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert find_words(text) == words


@pytest.mark.parametrize(("n_current", "n_reference"), [(0, 200), (200, 0), (99, 200), (200, 99), (0, 0)])
def test_too_few_records_are_an_error_and_no_pass(tmp_path: Path, n_current: int, n_reference: int) -> None:
    report = compare(tmp_path, made(n_current, seed=1), made(n_reference, seed=2))
    assert report.summary["state"] == "error"
    assert read_json(tmp_path / "out" / "report.json")["reason"].endswith("min_rows asks for 100")
    assert (tmp_path / "out" / "report.html").exists()
    assert not (tmp_path / "out" / "evidently.html").exists()


def test_a_folder_that_is_no_corpus_is_refused(tmp_path: Path) -> None:
    (tmp_path / "current").mkdir()
    with pytest.raises(ContractError, match="no part-"):
        measure_drift(tmp_path / "current", tmp_path / "current", CONFIG, out_dir=tmp_path / "out")


def test_chance_beyond_the_limit_is_an_error(tmp_path: Path) -> None:
    strict = CONFIG.model_copy(update={"max_label_distance": 0.01})
    report = compare(tmp_path, made(120, seed=1, label="good"), made(120, seed=2, label="good"), strict)
    assert report.summary["state"] == "error"
    assert states(tmp_path)["label"] == "unresolved"


def test_a_language_that_became_rare_is_drift_and_one_that_always_was_is_no_error(tmp_path: Path) -> None:
    gone = compare(tmp_path / "gone", made(400, seed=1, zh=0.02), made(400, seed=2, zh=0.5))
    assert gone.summary["drifted"] == ["language"]
    assert states(tmp_path / "gone")["topics_zh"] == "unresolved"
    rare = compare(tmp_path / "rare", made(400, seed=1, zh=0.02), made(400, seed=2, zh=0.02))
    assert rare.summary["state"] == "no_drift"
    assert states(tmp_path / "rare")["topics_zh"] == "not_judged"


def test_labels_on_one_side_only_are_not_judged_and_text_taken_for_labels_is_not_shown(tmp_path: Path) -> None:
    half = compare(tmp_path / "half", made(300, seed=1), made(300, seed=2, label="good"))
    assert half.summary["state"] == "no_drift"
    reasons = {test["name"]: test["reason"] for test in read_json(tmp_path / "half" / "out" / "report.json")["tests"]}
    assert reasons["label"] == "not every current record has a label"
    rows = [record | {"label": f"call 1381234{n:04d}"} for n, record in enumerate(made(300, seed=1))]
    compare(tmp_path / "text", rows, rows)
    assert states(tmp_path / "text")["label"] == "not_judged"
    for path in (tmp_path / "text" / "out").iterdir():
        assert "1381234" not in path.read_text(encoding="utf-8")


def test_same_input_same_bytes_whatever_the_order(tmp_path: Path) -> None:
    current, reference = made(300, seed=1, label="good"), made(300, seed=2, label="good")
    compare(tmp_path / "one", current, reference)
    random.Random(3).shuffle(current)
    random.Random(4).shuffle(reference)
    compare(tmp_path / "two", current, reference)
    for name in ("report.json", "report.html", "evidently.html"):
        assert (tmp_path / "one" / "out" / name).read_bytes() == (tmp_path / "two" / "out" / name).read_bytes()


def test_a_sample_is_bounded_and_says_so(tmp_path: Path) -> None:
    bounded = CONFIG.model_copy(update={"max_rows": 150})
    compare(tmp_path, made(400, seed=1), made(300, seed=2), bounded)
    report = read_json(tmp_path / "out" / "report.json")
    counts = {key: report[key] for key in ("rows_current", "rows_reference", "sampled_current", "sampled_reference")}
    assert counts == {"rows_current": 400, "rows_reference": 300, "sampled_current": 150, "sampled_reference": 150}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pages")
    compare(folder, made(300, seed=1, zh=0.8, label="good"), made(300, seed=2, label="bad"))
    return [folder / "out" / name for name in ("report.html", "evidently.html")]


def test_pages_hold_no_text_and_fetch_nothing(pages: list[Path]) -> None:
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert not any(word in text for word in ("kettle", "水壶", "1-17"))
        assert outside_references(text) == []


def test_pages_open_in_a_browser_without_a_network(pages: list[Path], tmp_path: Path) -> None:
    """A real browser with its net log on: nothing is asked for by the page, which has its content all the same."""
    for page, words in zip(pages, ("Distributions", "chance reaches"), strict=True):
        shown, asked = open_in_browser(page, tmp_path)
        assert words in shown
        assert asked == []


def test_the_browser_would_have_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<link rel="stylesheet" href="http://127.0.0.1:9/a.css"><p>words</p>', encoding="utf-8")
    assert open_in_browser(page, tmp_path)[1] == ["http://127.0.0.1:9/a.css"]
    assert len(outside_references(page.read_text(encoding="utf-8"))) == 1


def test_few_writers_cannot_tell_one_corpus_from_another(tmp_path: Path) -> None:
    """Four writers a side of 100 records each: what differs may be the writers alone."""
    sides = [[row | {"user": f"{seed}-{n % 4}"} for n, row in enumerate(made(400, seed=seed))] for seed in (1, 2)]
    assert compare(tmp_path, *sides).summary["state"] == "error"
    tests = read_json(tmp_path / "out" / "report.json")["tests"]
    assert tests[0]["reason"] == "4 current and 4 reference users or documents; 10 needed"
