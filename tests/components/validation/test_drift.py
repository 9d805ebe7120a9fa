"""Drift: seen where two centuries lie between, not between random halves, never passed on too few records."""

from __future__ import annotations

import random
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance
from testkit import shared_data

from components.core.corpus import Record, write_records
from components.core.jsonfiles import read_json
from components.validation import DriftConfig
from components.validation.drift import drift_frames, measure_drift

CONFIG = DriftConfig(min_rows=100, max_number_distance=0.1, max_category_distance=0.1, max_drifted_share=0.2)


def speeches(tmp: Path) -> Iterator[tuple[int, Record]]:
    """Passages of 400 characters with their year."""
    for archive in ("inaugural.zip", "state_union.zip"):
        with zipfile.ZipFile(shared_data("us-presidents", archive)) as files:
            for name in sorted(files.namelist()):
                year = re.search(r"/(\d{4})-", name)
                if year:
                    text = files.read(name).decode("utf-8", "replace")
                    for start in range(0, len(text) - 400, 800):
                        yield int(year[1]), {"id": f"{name}{start}", "text": text[start : start + 400], "lang": "en"}


@pytest.mark.shared_data
def test_two_centuries_drift_and_random_halves_do_not(tmp_path: Path) -> None:
    passages = list(speeches(tmp_path))
    early = [record for year, record in passages if year < 1870]
    late = [record for year, record in passages if year > 1985]
    halves = [record for _, record in passages]
    random.Random(1).shuffle(halves)
    for name, records in (("early", early), ("late", late), ("a", halves[::2]), ("b", halves[1::2])):
        write_records(records, tmp_path / name)
    drifted = measure_drift(tmp_path / "late", tmp_path / "early", CONFIG, out_dir=tmp_path / "drift")
    assert drifted.summary["state"] == "drift"
    assert "vocabulary_novelty" in drifted.summary["drifted"]  # type: ignore[operator]
    same = measure_drift(tmp_path / "a", tmp_path / "b", CONFIG, out_dir=tmp_path / "same")
    assert same.summary["state"] == "no_drift"
    assert same.summary["drifted"] == []


def made(n: int, *, seed: int, zh_share: float = 0.5, length: int = 8, label: str | None = None) -> list[Record]:
    rng = random.Random(seed)
    records = []
    for i in range(n):
        lang = "zh" if rng.random() < zh_share else "en"
        words = {"en": ["kettle", "lamp", "works", "well", "today"], "zh": ["水壶", "台灯", "好用", "今天", "很"]}[lang]
        text = (" " if lang == "en" else "").join(rng.choice(words) for _ in range(rng.randint(length, length + 6)))
        records.append({"id": f"{seed}-{i}", "text": text + "。" * (i % 2), "lang": lang})
        if label is not None:
            records[-1]["label"] = label if rng.random() < 0.9 else "other"
    return records


def test_scores_agree_with_scipy_and_pages_hold_no_text(tmp_path: Path) -> None:
    """Second road: Wasserstein over the reference's standard deviation, Jensen-Shannon in nats, by scipy."""
    current, reference = made(300, seed=1, zh_share=0.7, length=12), made(400, seed=2)
    write_records(current, tmp_path / "current")
    write_records(reference, tmp_path / "reference")
    measure_drift(tmp_path / "current", tmp_path / "reference", CONFIG, out_dir=tmp_path / "out")
    report = read_json(tmp_path / "out" / "report.json")
    scores = {column["column"]: column["score"] for column in report["columns"]}
    now, then = drift_frames(current, reference)
    for column in ("n_characters", "symbol_share"):
        slow = wasserstein_distance(then[column], now[column]) / max(then[column].std(ddof=0), 0.001)
        assert scores[column] == pytest.approx(slow, rel=1e-6)
    shares = [[(frame["lang"] == lang).mean() for lang in ("en", "zh")] for frame in (then, now)]
    assert scores["lang"] == pytest.approx(jensenshannon(*shares), rel=1e-6)
    assert set(scores) == {"n_characters", "symbol_share", "vocabulary_novelty", "lang"}
    assert report["state"] == "drift"
    assert {c["column"]: c["drifted"] for c in report["columns"]}["lang"] is True
    pages = (tmp_path / "out" / "report.html").read_text(encoding="utf-8") + str(report)
    assert not any(word in pages for word in ("kettle", "水壶", "1-17"))
    assert 'src="http' not in pages


def test_same_input_same_bytes(tmp_path: Path) -> None:
    write_records(made(150, seed=1, label="good"), tmp_path / "current")
    write_records(made(150, seed=2, label="good"), tmp_path / "reference")
    for name in ("one", "two"):
        measure_drift(tmp_path / "current", tmp_path / "reference", CONFIG, out_dir=tmp_path / name)
    for name in ("report.json", "report.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert "label" in {column["column"] for column in read_json(tmp_path / "one" / "report.json")["columns"]}


def test_labels_that_moved_are_drift(tmp_path: Path) -> None:
    write_records(made(200, seed=1, label="good"), tmp_path / "current")
    write_records(made(200, seed=2, label="bad"), tmp_path / "reference")
    strict = CONFIG.model_copy(
        update={"max_drifted_share": 0.0, "max_number_distance": 5.0, "max_category_distance": 0.3}
    )
    report = measure_drift(tmp_path / "current", tmp_path / "reference", strict, out_dir=tmp_path / "out")
    assert (report.summary["state"], report.summary["drifted"]) == ("drift", ["label"])


@pytest.mark.parametrize(("n_current", "n_reference"), [(0, 200), (200, 0), (99, 200), (200, 99), (0, 0)])
def test_too_few_records_are_an_error_and_no_pass(tmp_path: Path, n_current: int, n_reference: int) -> None:
    write_records(made(n_current, seed=1), tmp_path / "current")
    write_records(made(n_reference, seed=2), tmp_path / "reference")
    report = measure_drift(tmp_path / "current", tmp_path / "reference", CONFIG, out_dir=tmp_path / "out")
    assert report.summary["state"] == "error"
    assert read_json(tmp_path / "out" / "report.json")["reason"]
    assert (tmp_path / "out" / "report.html").exists()


def test_novelty_does_not_count_a_records_own_words(tmp_path: Path) -> None:
    """By hand: a word that stands in one record only is new to the other half, wherever the record lies."""
    reference = [{"id": f"r{i}", "text": f"common word{'abcdefghijklmnop'[i]}", "lang": "en"} for i in range(16)]
    now, then = drift_frames(reference, reference)
    assert (then["vocabulary_novelty"] == 0.5).all()
    assert now.equals(then)
