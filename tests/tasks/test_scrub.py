"""The scrubbing task: the key is the home's, takes part in what is reused, and is nowhere in the artefact."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.core.artefacts import RawCorpus
from components.core.corpus import read_records, write_records
from components.core.store import StageReport
from components.scrubbing import LABELS, ScrubbingConfig
from components.scrubbing.keys import KEY_FILE
from tasks.scrub import scrub
from tasks.stages import open_store

CONFIG = ScrubbingConfig.model_validate(
    {
        "languages": ("en",),
        "labels": LABELS,
        "policy": "pseudonymize",
        "min_score": 0.5,
        "workers": 2,
        "probes_per_label": 2,
    }
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("TOUCHSTONE_HOME", str(tmp_path / "home"))
    open_store.cache_clear()
    yield tmp_path / "home"
    open_store.cache_clear()


def raw_corpus() -> RawCorpus:
    def build(_: dict[str, Path], out: Path, __: Path) -> StageReport:
        rows = [{"id": str(n), "text": f"My name is Grace Mercer, g{n}@corp.io", "lang": "en"} for n in range(6)]
        return StageReport(rows=write_records(rows, out, records_per_shard=2))

    return open_store().produce(RawCorpus, stage="x", inputs={}, config=CONFIG, code_version="1", build=build)[0]


def test_the_key_decides_what_is_reused_and_is_not_in_it(home: Path) -> None:
    raw = raw_corpus()
    first = scrub.fn(raw, CONFIG, "clean")
    assert scrub.fn(raw, CONFIG.model_copy(update={"workers": 1}), "clean") == first
    texts = [record["text"] for record in read_records(open_store().path(first))]
    assert len({text.partition(",")[0] for text in texts}) == 1  # one person
    assert not any("Mercer" in text or "corp.io" in text for text in texts)
    assert 0 <= first.summary["residual_risk"]["recall"]["value"] <= 1

    key_file = home / "keys" / KEY_FILE
    key = key_file.read_bytes()
    for path in open_store().path(first).rglob("*"):
        assert key not in path.read_bytes()
        assert key.hex() not in path.read_text()
    key_file.write_bytes(b"another key of thirty-two bytes!")
    assert scrub.fn(raw, CONFIG, "clean").digest != first.digest
