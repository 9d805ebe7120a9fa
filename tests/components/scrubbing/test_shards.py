"""Shards: the same bytes whoever does them, and after a kill only what is left is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from components.core.corpus import read_records, write_records
from components.core.errors import ContractError, InfrastructureError
from components.scrubbing import LABELS, ScrubbingConfig
from components.scrubbing.scrub import scrub_corpus
from components.scrubbing.shards import ShardCounts, ShardJob, scrub_shard

ROOT = Path(__file__).parents[3]
KEY = b"k" * 32
SHARDS, RECORDS = 6, 150


def config(**changes: object) -> ScrubbingConfig:
    values = {
        "languages": ("en", "zh"), "labels": LABELS, "policy": "pseudonymize", "min_score": 0.5, "probes_per_label": 3,
    }  # fmt: skip
    return ScrubbingConfig.model_validate(values | changes)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    def records() -> list[dict[str, object]]:
        return [
            {
                "id": str(n), "lang": ("en", "zh")[n % 2], "n": n,
                "text": (
                    f"My name is Grace Mercer, mail g{n}@corp.io, call 415-555-{n % 10000:04d}. " * 5,
                    f"我叫马子轩，电话1381234{n % 10000:04d}，邮箱是m{n}@corp.cn。" * 5,
                )[n % 2],
            }
            for n in range(SHARDS * RECORDS)
        ]  # fmt: skip

    write_records(records(), tmp_path / "in", records_per_shard=RECORDS)
    return tmp_path / "in"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_bytes_do_not_depend_on_workers(corpus: Path, tmp_path: Path) -> None:
    for workers in (1, 3):
        scrub_corpus(corpus, config(workers=workers), out_dir=tmp_path / f"out{workers}", key=KEY)
    one = contents(tmp_path / "out1")
    assert one == contents(tmp_path / "out3")
    assert set(one) == {"report.json", "spans.jsonl", *(f"part-{n:05d}.jsonl" for n in range(SHARDS))}
    assert [record["id"] for record in read_records(tmp_path / "out1")] == [str(n) for n in range(SHARDS * RECORDS)]
    assert config(workers=3).digest() == config(workers=1, cluster="local").digest() != config(min_score=0.6).digest()


def test_only_unfinished_shards_are_done_again(corpus: Path, tmp_path: Path) -> None:
    done: list[str] = []

    def first_three_then_fail(jobs: Sequence[ShardJob]) -> list[ShardCounts]:
        for job in jobs[:3]:
            scrub_shard(job)
        raise InfrastructureError("the machine went away")

    def counting(jobs: Sequence[ShardJob]) -> list[ShardCounts]:
        before = {job.shard.name for job in jobs if job.done_path().exists()}
        stamps = {job.shard.name: job.result_path().stat().st_mtime_ns for job in jobs if job.shard.name in before}
        counts = [scrub_shard(job) for job in jobs]
        done.extend(j.shard.name for j in jobs if stamps.get(j.shard.name) != j.result_path().stat().st_mtime_ns)
        return counts

    work = tmp_path / "work"
    with pytest.raises(InfrastructureError):
        scrub_corpus(corpus, config(), out_dir=tmp_path / "a", work_dir=work, key=KEY, run_shards=first_three_then_fail)
    (work / "part-00001.done.json").write_text("{ torn")
    scrub_corpus(corpus, config(), out_dir=tmp_path / "a", work_dir=work, key=KEY, run_shards=counting)
    assert done == ["part-00001.jsonl", "part-00003.jsonl", "part-00004.jsonl", "part-00005.jsonl"]
    scrub_corpus(corpus, config(), out_dir=tmp_path / "b", key=KEY)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_done_shard_of_another_key_or_config_is_not_taken(corpus: Path, tmp_path: Path) -> None:
    job = ShardJob(shard=corpus / "part-00000.jsonl", work=tmp_path / "work", config=config(), key=KEY)
    scrub_shard(job)
    first = job.result_path().read_bytes()
    scrub_shard(job.model_copy(update={"key": b"other"}))
    assert job.result_path().read_bytes() != first
    scrub_shard(job.model_copy(update={"config": config(policy="redact")}))
    assert b"[EMAIL_ADDRESS]" in job.result_path().read_bytes()
    assert "kkkk" not in repr(job)


SCRIPT = """
import sys
from pathlib import Path
from components.scrubbing import LABELS, ScrubbingConfig
from components.scrubbing.scrub import scrub_corpus

if __name__ == "__main__":
    config = ScrubbingConfig(languages=("en", "zh"), labels=LABELS, policy="pseudonymize", min_score=0.5,
                             probes_per_label=3, workers=2)
    corpus, out, work = map(Path, sys.argv[1:])
    scrub_corpus(corpus, config, out_dir=out, work_dir=work, key=b"k" * 32)
"""


def test_kill_9_and_start_again(corpus: Path, tmp_path: Path) -> None:
    script, out, work = tmp_path / "run.py", tmp_path / "out", tmp_path / "work"
    script.write_text(SCRIPT)
    command = [sys.executable, str(script), str(corpus), str(out), str(work)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen(command, env=environment)
    deadline = time.monotonic() + 240
    while not list(work.glob("*.done.json")) and time.monotonic() < deadline:
        time.sleep(0.005)
    workers = psutil.Process(run.pid).children(recursive=True)
    run.send_signal(signal.SIGKILL)
    run.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive, "workers outlive their parent"
    finished = {path: path.stat().st_mtime_ns for path in work.glob("*.done.json")}
    assert 0 < len(finished) < SHARDS
    results = {path: path.stat().st_mtime_ns for path in work.glob("part-*.jsonl") if "spans" not in path.name}
    assert len(results) >= len(finished)

    again = [sys.executable, "-c", COUNTING, *command[2:]]
    counted = subprocess.run(again, env=environment, capture_output=True, text=True, check=False)
    assert counted.returncode == 0, counted.stderr
    assert sorted(counted.stdout.split()) == sorted(
        f"part-{n:05d}.jsonl" for n in range(SHARDS) if work / f"part-{n:05d}.done.json" not in finished
    )
    scrub_corpus(corpus, config(), out_dir=tmp_path / "whole", key=KEY)
    assert contents(out) == contents(tmp_path / "whole")


# Says which shards it did: those whose lines it had to read.
COUNTING = """
import sys
from pathlib import Path
from components.scrubbing import LABELS, ScrubbingConfig
from components.scrubbing import scrub, shards

config = ScrubbingConfig(languages=("en", "zh"), labels=LABELS, policy="pseudonymize", min_score=0.5,
                         probes_per_label=3)
scrub_lines = shards._scrub_lines
def noting(*arguments, name, **others):
    print(name)
    return scrub_lines(*arguments, name=name, **others)
shards._scrub_lines = noting
corpus, out, work = map(Path, sys.argv[1:])
scrub.scrub_corpus(corpus, config, out_dir=out, work_dir=work, key=b"k" * 32)
"""


def test_a_shard_with_a_broken_line_names_it_and_not_its_text(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "part-00000.jsonl").write_text('{"id": "a", "text": "x"}\n{"id": "ana@corp.io", "text"\n')
    with pytest.raises(ContractError, match=r"part-00000.jsonl, record 2") as caught:
        scrub_corpus(tmp_path / "in", config(), out_dir=tmp_path / "out", key=KEY)
    assert "corp.io" not in str(caught.value)
