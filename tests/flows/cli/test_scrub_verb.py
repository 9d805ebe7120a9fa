"""``touchstone scrub``: killed and started again, on pipes, on many files, with surrogates."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


RECORDS = 2_400
FILLER = (
    "The harbour was quiet in the evening and nobody had seen the boat. " * 22,
    "港口在傍晚很安静，没有人见过那条船。" * 28,
)


def text_of(number: int) -> str:
    return (
        f"My name is Grace Mercer, mail g{number}@corp.io or call 415-555-{number % 10_000:04d}. ",
        f"我叫马子轩，电话1381234{number % 10_000:04d}，邮箱是m{number}@corp.cn。",
    )[number % 2] + FILLER[number % 2]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    rows = ({"id": str(n), "text": text_of(n), "n": n} for n in range(RECORDS))
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    assert path.stat().st_size > 3 << 20  # several blocks
    return path


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TOUCHSTONE_HOME": str(home)}
    return subprocess.Popen(
        [sys.executable, "-m", "flows", "scrub", *arguments],
        cwd=home.parent, env=environment, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_kill_9_and_start_again(source: Path, tmp_path: Path, suffix: str) -> None:
    arguments = [
        str(source), "--policy", "pseudonymize", "--workers", "2", "--spans", f"spans{suffix}",
        "-o", f"out{suffix}", "--json",
    ]  # fmt: skip
    journal, partial = tmp_path / f".out{suffix}.progress.json", tmp_path / f".out{suffix}.partial"
    run = start(tmp_path / "home", *arguments)
    deadline = time.monotonic() + 240
    while not journal.exists() and run.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    run.send_signal(signal.SIGKILL)
    run.communicate()
    progress = json.loads(journal.read_text())
    assert progress["blocks"] >= 1
    assert not (tmp_path / f"out{suffix}").exists()
    sound = partial.read_bytes()[: progress["sizes"][0]]
    with partial.open("ab") as torn:
        torn.write(b"half a line that no journal vouches for")

    # If a finished block were done again, this mark would be gone.
    mark = b"x" if suffix == ".jsonl" else sound[:1]
    partial.write_bytes(mark + partial.read_bytes()[1:])
    again = start(tmp_path / "home", *arguments)
    out, err = again.communicate()
    assert again.returncode == 0, err
    assert json.loads(out)["records"] == RECORDS
    assert not journal.exists()
    assert not partial.exists()

    whole = start(
        tmp_path / "home", str(source), "--policy", "pseudonymize", "--spans", f"s{suffix}", "-o", f"w{suffix}"
    )
    whole.communicate()
    assert whole.returncode == 0
    resumed, uninterrupted = (tmp_path / f"out{suffix}").read_bytes(), (tmp_path / f"w{suffix}").read_bytes()
    assert (resumed[:1], resumed[1:]) == (mark, uninterrupted[1:])
    assert (tmp_path / f"spans{suffix}").read_bytes() == (tmp_path / f"s{suffix}").read_bytes()


def test_surrogates_of_surrogates_are_themselves(cli: Any, source: Path, tmp_path: Path) -> None:
    for name, given in (("once", source), ("twice", tmp_path / "once.jsonl")):
        assert cli("scrub", str(given), "-o", f"{name}.jsonl", "--policy", "pseudonymize").code == 0
    once = (tmp_path / "once.jsonl").read_text(encoding="utf-8")
    assert once == (tmp_path / "twice.jsonl").read_text(encoding="utf-8")
    assert not any(value in once for value in ("Grace", "Mercer", "corp.io", "马子轩", "1381234"))
    key = tmp_path / "home" / "keys" / "scrub-hash.key"
    assert key.stat().st_mode & 0o077 == 0


def test_pipe_to_pipe(tmp_path: Path) -> None:
    run = start(tmp_path / "home", "-", "-o", "-", "--workers", "2")
    out, _ = run.communicate('{"text": "mail ana@corp.io"}\n{"text": "x"}\n{"nothing": 1}\n')
    assert run.returncode == 0
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["mail [EMAIL_ADDRESS]", "x"]


def test_a_folder_is_read_file_by_file(cli: Any, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"id": "a", "text": "ana@corp.io"}')  # no line end
    with gzip.open(folder / "b.jsonl.gz", "wt") as handle:
        handle.write('{"id": "b", "text": "bob@corp.io"}\n')
    assert cli("scrub", "many", "-o", "out.jsonl").code == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert rows == [{"id": "a", "text": "[EMAIL_ADDRESS]"}, {"id": "b", "text": "[EMAIL_ADDRESS]"}]
    (folder / "c.csv").write_text("id,text\nc,eve@corp.io\n")
    assert cli("scrub", "many", "-o", "out.jsonl").code == 0
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3


def test_a_wrong_column_is_explained_and_leaves_nothing(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"body": "ana@corp.io"}\n')
    ended = cli("scrub", "in.jsonl", "-o", "out.jsonl")
    assert ended.code == 2
    assert "body" in ended.err
    assert not list(tmp_path.glob("*out.jsonl*"))
    assert not list(tmp_path.glob(".out*"))


def test_a_changed_input_is_not_taken_for_the_interrupted_one(cli: Any, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"id": "a", "text": "x"}\n')
    (tmp_path / ".out.jsonl.partial").write_text("of another run\n")
    (tmp_path / ".out.jsonl.progress.json").write_text('{"signature": "other", "blocks": 1, "sizes": [15]}')
    assert cli("scrub", "in.jsonl", "-o", "out.jsonl").code == 0
    assert json.loads((tmp_path / "out.jsonl").read_text()) == {"id": "a", "text": "x"}
