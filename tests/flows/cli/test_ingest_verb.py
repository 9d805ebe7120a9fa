"""``touchstone ingest``, and S3 addresses where verbs read and write."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from testkit.s3_server import running_s3_server

pytest.importorskip("moto", reason="the S3 server of the tests is not installed")
s3fs = pytest.importorskip("s3fs", reason="the extra `s3` is not installed")

Cli = Callable[..., Any]
ROWS = [
    {"id": f"r{n}", "text": f"The parcel number {n} has gone, mail bob{n}@example.com please.", "lang": "en"}
    for n in range(50)
]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def test_a_folder_with_a_damaged_file_becomes_a_corpus(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jsonl").write_text(LINES, encoding="utf-8")
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(LINES.encode())[:-20])
    refused = cli("ingest", str(folder), "-o", str(tmp_path / "out"), "--json")
    assert refused.code == 2
    assert "1 of 2 files" in refused.err and not (tmp_path / "out").exists()
    ended = cli("ingest", str(folder), "-o", str(tmp_path / "out"), "--max-quarantined-share", "0.5", "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["unreadable_files"] == 1
    assert found["kept"] + found["quarantined"] == found["read"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "part-00000.jsonl", "quarantine.jsonl", "report.json",
    ]  # fmt: skip
    assert not list((tmp_path / "home").glob("work/*"))
    again = cli("ingest", str(folder), "-o", str(tmp_path / "out"))
    assert again.code == 2 and "is there already" in again.err


def test_wrong_arguments_are_named(cli: Cli, tmp_path: Path) -> None:
    for arguments, words in (
        (["absent.jsonl", "-o", "out"], "absent.jsonl"),
        (["embedded", "-o", "out"], "embedded"),
        (["a.jsonl", "-o", "no/such/out"], "no such folder"),
        (["a.jsonl", "-o", "out", "--column", "txt=a"], "txt=a"),
    ):
        (tmp_path / "a.jsonl").write_text(LINES, encoding="utf-8")
        ended = cli("ingest", *arguments)
        assert ended.code == 2 and words in ended.err, ended.err


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with running_s3_server() as address:
        yield address


@pytest.fixture
def bucket(server: str, clean_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    names = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in (names | {"AWS_ENDPOINT_URL": server, "AWS_CONFIG_FILE": os.devnull}).items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    files.makedirs("tickets", exist_ok=True)
    files.pipe_file("tickets/in/a.jsonl.gz", gzip.compress(LINES.encode()))
    yield "s3://tickets"
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.servers
def test_from_s3_to_s3(cli: Cli, bucket: str, tmp_path: Path) -> None:
    ended = cli("ingest", f"{bucket}/in/*.gz", "-o", f"{bucket}/corpus", "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["kept"] == 50
    files = s3fs.S3FileSystem()
    assert sorted(path.rsplit("/", 1)[1] for path in files.ls("tickets/corpus")) == [
        "part-00000.jsonl", "quarantine.jsonl", "report.json",
    ]  # fmt: skip
    scrubbed = cli("scrub", f"{bucket}/corpus", "-o", f"{bucket}/clean/all.jsonl.gz", "--json")
    assert scrubbed.code == 0, scrubbed.err
    lines = gzip.decompress(files.cat_file("tickets/clean/all.jsonl.gz")).decode().splitlines()
    assert len(lines) == 50
    assert "example.com" not in "".join(lines) and "[EMAIL_ADDRESS]" in lines[0]
    assert not list((tmp_path / "home").glob("work/*"))
    absent = cli("scrub", f"{bucket}/absent.jsonl", "-o", f"{bucket}/clean/b.jsonl")
    assert absent.code == 2 and "absent.jsonl" in absent.err
    assert not files.exists("tickets/clean/b.jsonl")


def test_scrub_goes_on_behind_a_damaged_file(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.jsonl.gz").write_bytes(b"no gzip at all")
    (folder / "b.jsonl").write_text(LINES, encoding="utf-8")
    (folder / "c.jsonl").symlink_to("/etc/hostname")
    ended = cli("scrub", str(folder), "-o", str(tmp_path / "out.jsonl"), "--json")
    assert ended.code == 0, ended.err
    found = json.loads(ended.out)
    assert found["records"] == 50
    assert found["unreadable"] == {"outside_root": 1, "unreadable_file": 1}
    packed = gzip.compress(LINES.encode() * 40, mtime=0)
    (folder / "d.jsonl.gz").write_bytes(packed[: len(packed) * 3 // 4])
    torn = cli("scrub", str(folder / "d.jsonl.gz"), "-o", str(tmp_path / "torn.jsonl"), "--json")
    assert torn.code == 0, torn.err
    found = json.loads(torn.out)
    assert 50 < found["records"] < 2_000 and found["unreadable"] == {"unreadable_file": 1}
    alone = cli("scrub", str(folder / "a.jsonl.gz"), "-o", str(tmp_path / "none.jsonl"))
    assert alone.code == 2 and "a.jsonl.gz" in alone.err
    assert not (tmp_path / "none.jsonl").exists()
