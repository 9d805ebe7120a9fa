"""Folders, globs and archives: what is read, in which order, and how damage is told."""

from __future__ import annotations

import bz2
import gzip
import io
import random
import tarfile
import zipfile
from pathlib import Path

import pytest
import zstandard

from components.core.errors import ConfigError, ContractError
from components.ingestion.config import SourceConfig
from components.ingestion.readers import read_documents
from components.ingestion.records import Quarantined
from components.ingestion.sources import list_files

LINES = b'{"text": "one"}\n{"text": "two"}\n'


def read(path: Path | str, **settings: object) -> tuple[list[str], list[str]]:
    """Texts that were kept, and reasons why others were not."""
    items = list(read_documents([SourceConfig(path=str(path), **settings)]))
    return (
        [item["text"] for item in items if not isinstance(item, Quarantined)],
        [item.reason.value for item in items if isinstance(item, Quarantined)],
    )


def texts(path: Path | str, **settings: object) -> list[str]:
    kept, lost = read(path, **settings)
    assert lost == []
    return kept


def test_a_folder_is_read_in_order_without_hidden_or_unknown_files(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "b.txt").write_text("bee", encoding="utf-8")
    (tmp_path / "a.jsonl").write_bytes(LINES)
    (tmp_path / "sub" / "c.csv").write_text("text\nsea\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("no document", encoding="utf-8")
    (tmp_path / ".hidden.txt").write_text("no document", encoding="utf-8")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG")
    assert texts(tmp_path) == ["one", "two", "bee", "sea"]
    assert texts(tmp_path, format="markdown") == ["no document"]
    assert texts(f"{tmp_path}/*.jsonl") == ["one", "two"]
    assert texts(f"{tmp_path}/**/*.csv") == ["sea"]


def test_a_corpus_of_ours_is_its_shards_alone(tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    (tmp_path / "part-00000.jsonl").write_bytes(LINES)
    (tmp_path / "quarantine.jsonl").write_text('{"reason": "x"}\n', encoding="utf-8")
    (tmp_path / "truth" / "harmful.jsonl").write_text('{"text": "bad"}\n', encoding="utf-8")
    assert texts(tmp_path) == ["one", "two"]


def test_members_of_archives_are_read_in_place(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/one.jsonl", LINES)
        archive.writestr("x/two.txt.gz", gzip.compress(b"packed twice"))
        archive.writestr("__MACOSX/._one.jsonl", b"\x00")
        archive.writestr("x/readme.md", b"no document")
    assert texts(tmp_path / "a.zip") == ["one", "two", "packed twice"]
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for name, data in (
            ("../../etc/one.jsonl", LINES),
            ("/absolute.txt", b"absolute"),
            ("wiki_00", b'<doc id="1">\nt\nw\n</doc>'),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("link.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/hostname"
        archive.addfile(link)
    before = set(tmp_path.iterdir())
    assert texts(tmp_path / "a.tar.gz") == ["one", "two", "absolute", "w"]
    assert set(tmp_path.iterdir()) == before
    assert texts(tmp_path) == ["one", "two", "absolute", "w", "one", "two", "packed twice"]


def pack(name: str, data: bytes) -> bytes:
    """Data as the file of that name holds it."""
    if name.endswith((".tar.gz", ".tar.bz2", ".tar")):
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:" + name.partition(".tar")[2].lstrip(".")) as archive:
            info = tarfile.TarInfo("a.jsonl")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        return buffer.getvalue()
    if name.endswith(".zip"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zipped:
            zipped.writestr("a.jsonl", data)
        return buffer.getvalue()
    packers = {".gz": gzip.compress, ".bz2": bz2.compress, ".zst": zstandard.compress}
    return packers[Path(name).suffix](data)


PACKED = ["a.jsonl.gz", "a.jsonl.zst", "a.jsonl.bz2", "a.tar", "a.tar.gz", "a.tar.bz2", "a.zip"]


@pytest.mark.parametrize("name", PACKED)
def test_of_a_truncated_file_the_readable_start_is_kept_and_the_next_file_follows(tmp_path: Path, name: str) -> None:
    rng = random.Random(1)
    lines = b"".join(b'{"text": "%d %s"}\n' % (index, rng.randbytes(100).hex().encode()) for index in range(20_000))
    (tmp_path / name).write_bytes(pack(name, lines))
    whole = texts(tmp_path / name)
    assert len(whole) == 20_000
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    (tmp_path / "b.jsonl").write_bytes(LINES)
    kept, lost = read(tmp_path)
    assert kept[-2:] == ["one", "two"]
    assert "unreadable_file" in lost
    assert set(lost) <= {"unreadable_file", "not_json"}  # the line that was cut may be taken for one of its own
    if name != "a.zip":  # its table of contents is at its end
        assert 3_000 < len(kept) < 15_000  # up to the last whole block of the compression
    assert kept[:-2] == whole[: len(kept) - 2]


def test_a_flipped_byte_in_a_zip_is_noticed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", b"plain text " * 50)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[100] ^= 1
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ContractError, match="damaged"):
        read(tmp_path / "a.zip")


def test_an_encrypted_zip_says_so(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", b"secret")
    data = bytearray((tmp_path / "a.zip").read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    data[6] |= 1
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ContractError, match="encrypted"):
        read(tmp_path / "a.zip")


@pytest.mark.parametrize("name", [*PACKED, "a.parquet"])
def test_a_file_that_is_not_what_its_suffix_says(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"plain bytes, no archive")
    with pytest.raises(ContractError, match=name) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)
    (tmp_path / "b.jsonl").write_bytes(LINES)
    assert read(tmp_path) == (["one", "two"], ["unreadable_file"])


@pytest.mark.parametrize("frames", [1, 3])
def test_zstd_frames_follow_each_other(tmp_path: Path, frames: int) -> None:
    (tmp_path / "a.jsonl.zst").write_bytes(zstandard.compress(LINES) * frames)
    assert texts(tmp_path / "a.jsonl.zst") == ["one", "two"] * frames


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt.zst").write_bytes(zstandard.compress(b"a" * 300_000_000))
    with pytest.raises(ContractError, match="grows beyond"):
        read(tmp_path / "a.txt.zst")
    (tmp_path / "b.jsonl").write_bytes(LINES)
    assert read(tmp_path) == (["one", "two"], ["too_large_unpacked"])


@pytest.mark.parametrize(
    ("path", "message"),
    [("absent.jsonl", "no such file"), ("absent/*.jsonl", "no such file"), ("empty", "no file"), ("a.docx", "suffix")],
)
def test_paths_that_lead_nowhere(tmp_path: Path, path: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.docx").write_bytes(b"PK")
    with pytest.raises(ConfigError, match=message) as caught:
        texts(tmp_path / path)
    assert str(tmp_path / path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_name_with_glob_signs_is_taken_literally_where_it_exists(tmp_path: Path) -> None:
    path = tmp_path / "a[1].jsonl"
    path.write_bytes(LINES)
    assert [file.path for file in list_files(SourceConfig(path=str(path)))] == [str(path)]
