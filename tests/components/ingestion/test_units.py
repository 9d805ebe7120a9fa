"""Units: the same bytes whoever reads them and however they are cut, line numbers of the file, restart after a kill."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core.corpus import read_records
from components.core.errors import ContractError
from components.core.jsonfiles import read_json, read_jsonl
from components.ingestion.config import IngestionConfig
from components.ingestion.ingest import ingest_corpus
from components.ingestion.readers import read_documents
from components.ingestion.records import Quarantined
from components.ingestion.units import plan_units

ROOT = Path(__file__).parents[3]


def make_line(rng: random.Random, number: int) -> str:
    """A record, a broken line, a blank one, or a record whose id or text stood before."""
    kind = rng.random()
    if kind < 0.05:
        return rng.choice(["{broken", "[1]", '{"text": 7}', '{"text": "\\ud800"}'])
    if kind < 0.1:
        return ""
    record = {"text": f"The parcel number {rng.randrange(200)} was here and it has gone."}
    if kind < 0.6:
        record["id"] = rng.choice(["a", "b", "a~2", f"n{number}"])
    return json.dumps(record)


def write_source(path: Path, lines: int, seed: int = 1) -> Path:
    rng = random.Random(seed)
    path.write_text("\n".join(make_line(rng, number) for number in range(lines)) + "\n", encoding="utf-8")
    return path


def config_of(path: Path, **changes: object) -> IngestionConfig:
    values: dict[str, object] = {"sources": [str(path)], "languages": ["en"], "max_quarantined_share": 1.0}
    return IngestionConfig.model_validate(values | changes)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_same_bytes_whatever_the_number_of_workers(tmp_path: Path) -> None:
    write_source(tmp_path / "a.jsonl", 3_000)
    write_source(tmp_path / "b.jsonl", 500, seed=2)
    (tmp_path / "c.csv").write_text("text\n" + "The letter that came has gone.\n" * 50, encoding="utf-8")
    found = []
    for workers in (1, 2, 3):
        config = config_of(
            tmp_path, workers=workers, sources=[str(tmp_path / n) for n in ("a.jsonl", "b.jsonl", "c.csv")]
        )
        ingest_corpus(config, key=b"k", out_dir=tmp_path / f"out{workers}", unit_bytes=20_000)
        found.append(content(tmp_path / f"out{workers}"))
    assert len(found[0]) > 5
    assert found[0] == found[1] == found[2]
    assert config_of(tmp_path, workers=2).digest() == config_of(tmp_path, workers=1).digest()


@given(st.integers(0, 60), st.integers(1, 600), st.integers(0, 1_000))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cutting_a_file_changes_no_record_and_no_line_number(
    tmp_path: Path, lines: int, unit_bytes: int, seed: int
) -> None:
    folder = tmp_path / f"{lines}-{unit_bytes}-{seed}"
    folder.mkdir(exist_ok=True)
    path = write_source(folder / "a.jsonl", lines, seed)
    whole = list(read_documents([str(path)]))
    try:
        ingest_corpus(config_of(path), key=b"k", out_dir=folder / "out", unit_bytes=unit_bytes)
    except ContractError:
        assert not any(isinstance(item, dict) for item in whole)
        return
    kept = list(read_records(folder / "out"))
    assert [record["text"] for record in kept] == [item["text"] for item in whole if isinstance(item, dict)]
    assert list(read_jsonl(folder / "out" / "quarantine.jsonl")) == [
        item.as_row() for item in whole if isinstance(item, Quarantined)
    ]
    names = [record["id"] for record in kept]
    assert len(set(names)) == len(names)
    lines_kept = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith('{"text": "The')]
    given_names = [json.loads(line).get("id") for line in lines_kept]
    for name, wanted in zip(names, given_names, strict=True):
        assert wanted is None or name == wanted or name.startswith(f"{wanted}~")
    for first in ("a", "b", "a~2"):  # an id is its first record's
        if first in given_names:
            assert names[given_names.index(first)] == first


def test_row_groups_are_units(tmp_path: Path) -> None:
    texts = [f"The parcel number {n} was here and it has gone." for n in range(1_000)] + [None]
    pq.write_table(pa.table({"text": texts}), tmp_path / "a.parquet", row_group_size=100)
    config = config_of(tmp_path / "a.parquet")
    assert len(plan_units(config, unit_bytes=1_000)) > 3
    ingest_corpus(config, key=b"k", out_dir=tmp_path / "out", unit_bytes=1_000)
    assert [record["text"] for record in read_records(tmp_path / "out")] == texts[:-1]
    assert [row["line"] for row in read_jsonl(tmp_path / "out" / "quarantine.jsonl")] == [1_001]


def test_a_line_longer_than_many_units(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = json.dumps({"text": "The parcel was here and it has gone."}) + "\n"
    path.write_text(good + '{"text": "' + "a" * 3_000_000 + '"}\n' + good + "{broken\n", encoding="utf-8")
    ingest_corpus(config_of(path), key=b"k", out_dir=tmp_path / "out", unit_bytes=10_000)
    rows = list(read_jsonl(tmp_path / "out" / "quarantine.jsonl"))
    assert [(row["line"], row["reason"]) for row in rows] == [(2, "too_long"), (4, "not_json")]
    assert read_json(tmp_path / "out" / "report.json")["kept"] == 2


def test_small_files_share_a_unit_and_limits_are_one(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"{number:02d}.txt").write_text("The letter that came has gone.", encoding="utf-8")
    assert len(plan_units(config_of(tmp_path))) == 1
    assert len(plan_units(config_of(tmp_path), unit_bytes=300)) == 5
    assert len(plan_units(config_of(tmp_path, max_records=7), unit_bytes=300)) == 1


def test_what_was_read_is_not_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [{"id": f"n{n}", "text": f"The parcel number {n} was here and it has gone."} for n in range(1_000)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ingest_corpus(config_of(path), key=b"k", out_dir=tmp_path / "whole", unit_bytes=20_000)
    units = tmp_path / "work" / "units"
    units.mkdir(parents=True)
    (units / "unit-000002").write_text("in the way of the third unit", encoding="utf-8")
    with pytest.raises(OSError, match="unit-000002"):
        ingest_corpus(
            config_of(path), key=b"k", out_dir=tmp_path / "broken", work_dir=tmp_path / "work", unit_bytes=20_000
        )
    assert units.stat().st_mode & 0o777 == 0o700  # it holds records as they were read
    second = (units / "unit-000001" / "chunk-00000.jsonl").stat().st_ino
    (units / "unit-000002").unlink()
    ingest_corpus(config_of(path), key=b"k", out_dir=tmp_path / "out", work_dir=tmp_path / "work", unit_bytes=20_000)
    assert (tmp_path / "out" / "part-00001.jsonl").stat().st_ino == second
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert not units.exists()


KILLED = 12_000


def test_killed_it_goes_on_with_unfinished_shards_only(tmp_path: Path) -> None:
    """The program itself, `kill -9` in the middle, the same command again."""
    rng = random.Random(3)
    words = " ".join(rng.choices(["here", "this", "was", "parcel", "letter", "gone", "came"], k=20_000))
    with (tmp_path / "a.jsonl").open("w", encoding="utf-8") as handle:
        for number in range(KILLED):  # about 97 MB: seven units
            start = rng.randrange(80_000)
            text = words[start : start + 8_000]
            handle.write(json.dumps({"id": str(number % (KILLED - 100)), "text": f"This is {text}"}) + "\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TOUCHSTONE_HOME": str(tmp_path / "home")}

    def command(out: str, workers: int) -> list[str]:
        arguments = ["ingest", str(tmp_path / "a.jsonl"), "-o", str(tmp_path / out), "--workers", str(workers)]
        return [sys.executable, "-m", "flows", *arguments, "--json"]

    with subprocess.Popen(command("out", 2), env=environment, stdout=subprocess.DEVNULL) as process:
        finished: list[Path] = []
        while not finished and process.poll() is None:
            finished = list((tmp_path / "home").glob("work/*/units/unit-*/counts.json"))
            time.sleep(0.01)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
    assert not (tmp_path / "out").exists()
    read_before = {path.stat().st_ino for path in (tmp_path / "home").glob("work/*/units/unit-*/chunk-*.jsonl")}
    units = len(list((tmp_path / "home").glob("work/*/units/unit-*/counts.json")))
    assert 0 < units < 7
    again = subprocess.run(command("out", 2), env=environment, check=True, capture_output=True)
    assert json.loads(again.stdout)["kept"] == KILLED
    # A chunk that was read before the kill is the very file that became a shard (or was rewritten for its ids).
    shards = {path.stat().st_ino for path in (tmp_path / "out").glob("part-*.jsonl")}
    assert read_before & shards
    subprocess.run(command("whole", 1), env=environment, check=True, capture_output=True)
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert not list((tmp_path / "home").glob("work/ingest-*"))
