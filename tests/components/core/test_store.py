"""The store: reuse by digest, the manifest last, nothing half-written."""

from __future__ import annotations

import hashlib
import stat
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.core.artefacts import CleanCorpus, RawCorpus
from components.core.config import StageConfig
from components.core.errors import IntegrityError
from components.core.store import ArtefactStore, StageReport


class Settings(StageConfig):
    words: int = 3


def build(text: str = "hello"):
    def write(_: dict[str, Path], out: Path, work: Path) -> StageReport:
        (out / "part-00000.jsonl").write_text(text, encoding="utf-8")
        return StageReport(rows=1, summary={"words": 1})

    return write


def make(store: ArtefactStore, *, kind: type = RawCorpus, text: str = "hello", **changes):
    arguments = {"stage": "s", "inputs": {}, "config": Settings(), "code_version": "v1", "build": build(text)}
    return store.produce(kind, **(arguments | changes))


def test_the_same_key_is_reused_and_another_config_is_not(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    first, reused = make(store)
    assert not reused
    again, reused = make(store, text="never written")
    assert reused and again == first
    other, reused = make(store, config=Settings(words=4))
    assert not reused and other.key != first.key


@pytest.mark.parametrize(
    "changes",
    [{"stage": "t"}, {"code_version": "v2"}, {"outside": {"file": "sha256:0"}}, {"config": Settings(words=9)}],
)
def test_everything_that_decides_the_output_is_in_the_key(tmp_path: Path, changes: dict) -> None:
    store = ArtefactStore(tmp_path)
    assert make(store)[0].key != make(store, **changes)[0].key


def test_inputs_are_in_the_key_by_digest(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    one, two = make(store)[0], make(store, stage="t", text="other")[0]
    assert one.digest != two.digest
    children = [make(store, kind=CleanCorpus, inputs={"corpus": parent})[0] for parent in (one, two)]
    assert children[0].key != children[1].key
    assert children[0].parents == {"corpus": one.digest}


def test_digest_is_over_paths_and_bytes(tmp_path: Path) -> None:
    artefact, _ = make(ArtefactStore(tmp_path))
    file_digest = "sha256:" + hashlib.sha256(b"hello").hexdigest()
    expected = hashlib.sha256(f'{{"part-00000.jsonl":"{file_digest}"}}'.encode()).hexdigest()
    assert artefact.digest == "sha256:" + expected


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    def fail(_: dict[str, Path], out: Path, __: Path) -> StageReport:
        (out / "half").write_text("x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(ArtefactStore(tmp_path), build=fail)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_work_outlives_a_failure_and_goes_after_success(tmp_path: Path) -> None:
    store, seen = ArtefactStore(tmp_path), []

    def fail_once(_: dict[str, Path], out: Path, work: Path) -> StageReport:
        seen.append(sorted(path.name for path in work.iterdir()))
        (work / "checkpoint").write_text("step 7")
        if len(seen) == 1:
            raise RuntimeError("killed")
        (out / "model").write_text("done")
        return StageReport(rows=1)

    with pytest.raises(RuntimeError):
        make(store, build=fail_once)
    make(store, build=fail_once)
    assert seen == [[], ["checkpoint"]]
    assert not list((tmp_path / "work").iterdir())


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    artefact, _ = make(store)
    store.verify(artefact)
    (store.path(artefact) / "part-00000.jsonl").write_text("hellO")
    with pytest.raises(IntegrityError, match="differ"):
        store.verify(artefact)


def test_a_torn_manifest_counts_as_absent(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    artefact, _ = make(store)
    manifest = store.path(artefact) / "manifest.json"
    manifest.write_text(manifest.read_text()[:40])
    with pytest.raises(IntegrityError, match="missing or was replaced"):
        store.path(artefact)


def test_restricted_artefacts_are_the_owners_alone(tmp_path: Path) -> None:
    store = ArtefactStore(tmp_path)
    folder = store.path(make(store, restricted=True)[0])
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_two_that_want_the_same_build_once(tmp_path: Path) -> None:
    built: list[int] = []

    def slow(_: dict[str, Path], out: Path, __: Path) -> StageReport:
        built.append(1)
        time.sleep(0.3)
        (out / "text").write_text("x")
        return StageReport(rows=1)

    with ThreadPoolExecutor(4) as pool:
        made = [pool.submit(make, ArtefactStore(tmp_path), build=slow) for _ in range(4)]
    assert len(built) == 1
    assert sorted(future.result()[1] for future in made) == [False, True, True, True]
