"""S3 in and out, against a real server on loopback."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from testkit.s3_server import running_s3_server

from components.core.corpus import read_records
from components.core.errors import ConfigError, InfrastructureError
from components.core.remote import list_remote, open_remote, upload_folder, write_remote
from components.ingestion.config import IngestionConfig, SourceConfig
from components.ingestion.ingest import ingest_corpus, source_fingerprint
from components.ingestion.readers import read_documents

s3fs = pytest.importorskip("s3fs", reason="the extra `s3` is not installed")
pytest.importorskip("moto", reason="the S3 server of the tests is not installed")

pytestmark = pytest.mark.servers

ROWS = [{"id": f"r{n}", "text": f"The parcel number {n} was here and it has gone.", "lang": "en"} for n in range(300)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """Address of a bucket with the same rows in several forms."""
    names = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    with running_s3_server() as address, pytest.MonkeyPatch.context() as patch:
        for name, value in (names | {"AWS_ENDPOINT_URL": address, "AWS_CONFIG_FILE": os.devnull}).items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("corpus")
        parquet = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(ROWS), parquet, row_group_size=50)
        for name, data in (
            ("in/a.jsonl", LINES),
            ("in/b.jsonl.gz", gzip.compress(LINES)),
            ("in/deep/c.parquet", parquet.getvalue()),
            ("in/README.md", b"no document"),
            ("in/.hidden.jsonl", b"no document"),
            ("broken/a.jsonl.gz", gzip.compress(LINES)[:-30]),
            ("broken/b.jsonl", LINES),
        ):
            with write_remote(f"s3://corpus/{name}") as handle:
                handle.write(data)
        yield "s3://corpus"
        s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.parametrize("name", ["in/a.jsonl", "in/b.jsonl.gz", "in/deep/c.parquet"])
def test_every_form_is_read(bucket: str, name: str) -> None:
    assert list(read_documents([f"{bucket}/{name}"])) == ROWS


def test_a_prefix_is_a_folder_and_a_glob_is_a_glob(bucket: str) -> None:
    assert len(list(read_documents([f"{bucket}/in"]))) == 3 * len(ROWS)
    assert list(read_documents([f"{bucket}/in/a*.jsonl"])) == ROWS
    assert [file.address for file in list_remote(f"{bucket}/in/**/*.parquet")] == [f"{bucket}/in/deep/c.parquet"]


def test_the_corpus_is_that_of_the_same_files_on_disk(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES)
    outs = []
    for name, source, workers in (("one", tmp_path / "a.jsonl", 1), ("two", f"{bucket}/in/a.jsonl", 2)):
        config = IngestionConfig.model_validate({"sources": [str(source)], "languages": ["en"], "workers": workers})
        ingest_corpus(config, key=b"k", out_dir=tmp_path / name, unit_bytes=5_000)
        outs.append({path.name: path.read_bytes() for path in (tmp_path / name).glob("part-*")})
    assert len(outs[0]) > 3
    assert outs[0] == outs[1]


def test_a_corpus_goes_up_and_is_read_back(bucket: str, tmp_path: Path) -> None:
    config = IngestionConfig.model_validate({"sources": [f"{bucket}/in/a.jsonl"], "languages": ["en"]})
    ingest_corpus(config, key=b"k", out_dir=tmp_path / "out", unit_bytes=5_000)
    count = upload_folder(tmp_path / "out", f"{bucket}/out/v1", last="report.json")
    assert count == len(list((tmp_path / "out").iterdir()))
    assert list(read_documents([f"{bucket}/out/v1"])) == list(read_records(tmp_path / "out")) == ROWS


def test_fingerprints_follow_the_bytes(bucket: str) -> None:
    config = IngestionConfig.model_validate({"sources": [f"{bucket}/change.jsonl"], "languages": ["en"]})
    found = []
    for data in (LINES, LINES, LINES.replace(b"parcel", b"letter")):
        with write_remote(f"{bucket}/change.jsonl") as handle:
            handle.write(data)
        found.append(source_fingerprint(config))
    assert list(found[0]) == [f"{bucket}/change.jsonl"]
    assert found[0] == found[1] != found[2]


def test_an_object_appears_whole_or_not_at_all(bucket: str) -> None:
    with pytest.raises(RuntimeError, match="half way"), write_remote(f"{bucket}/half.jsonl") as handle:
        handle.write(os.urandom(20_000_000))
        raise RuntimeError("half way")
    assert list_remote(f"{bucket}/half.jsonl") == []


def test_a_large_object_is_read_in_ranges_and_written_in_parts(bucket: str) -> None:
    data = os.urandom(20_000_000)
    with write_remote(f"{bucket}/large.bin") as handle:
        handle.write(data)
    with open_remote(f"{bucket}/large.bin") as stream:
        stream.seek(19_000_000)
        assert stream.read(1_000) == data[19_000_000:19_001_000]


def test_damage_on_s3_costs_its_file_alone(bucket: str) -> None:
    items = list(read_documents([SourceConfig(path=f"{bucket}/broken")]))
    reasons = [item.reason.value for item in items if not isinstance(item, dict)]
    assert "unreadable_file" in reasons
    assert sum(isinstance(item, dict) for item in items) >= len(ROWS)


@pytest.mark.parametrize(
    ("address", "message"), [("s3://corpus/absent.jsonl", "no object"), ("s3://nobucket/x", "no object|no such")]
)
def test_what_is_not_there(bucket: str, address: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        list(read_documents([address]))
    assert address in str(caught.value) and "\n" not in str(caught.value)


def test_a_server_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        with pytest.raises(InfrastructureError, match="cannot be reached"):
            list(read_documents(["s3://corpus/a.jsonl"]))
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
