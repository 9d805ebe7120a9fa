from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from components.core.errors import ContractError, IntegrityError
from components.core.payload import PayloadManifest, verify_payload
from components.packaging.config import PackagingConfig
from components.packaging.payload import build_payload
from components.packaging.serving_code import serving_files

CONFIG = PackagingConfig(name="demo", task="text-classification", languages=("en", "zh"), max_texts_per_request=4)


@pytest.fixture
def copy(payload: Path, tmp_path: Path) -> Path:
    shutil.copytree(payload, tmp_path / "payload")
    return tmp_path / "payload"


def test_the_list_holds_every_file_with_its_own_hash(payload: Path) -> None:
    listed = json.loads((payload / "payload.json").read_text())
    present = {path.relative_to(payload).as_posix() for path in payload.rglob("*") if path.is_file()}
    assert set(listed["files"]) == present - {"payload.json"}
    for name, entry in listed["files"].items():
        data = (payload / name).read_bytes()
        assert entry == {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    assert (listed["schema"], listed["labels"]) == ("touchstone.payload/1", ["negative", "positive"])
    assert not {"model/metrics.jsonl", "model/quality.html"} & present
    assert {"model/calibration.json", "filter/filter.json", "code/components/packaging/serving.py"} <= present


def test_the_digest_is_that_of_the_lists_canonical_text(payload: Path) -> None:
    value = json.loads((payload / "payload.json").read_text())
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert verify_payload(payload) == "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def test_the_same_parts_give_the_same_bytes(payload: Path, parts: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    build_payload(parts[0], None, parts[1], CONFIG, out_dir=tmp_path / "again")
    assert (tmp_path / "again" / "payload.json").read_bytes() == (payload / "payload.json").read_bytes()


def test_a_language_model_travels_along(parts: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    build_payload(parts[0], parts[0], parts[1], CONFIG, out_dir=tmp_path / "out")
    assert (tmp_path / "out" / "language_model" / "model.safetensors").is_file()
    verify_payload(tmp_path / "out")


def test_any_changed_byte_is_named(copy: Path) -> None:
    for path in sorted(p for p in copy.rglob("*") if p.is_file() and p.stat().st_size):
        good = path.read_bytes()
        bad = bytearray(good)
        bad[len(bad) // 2] ^= 1
        path.write_bytes(bad)
        # A bit of the manifest's own may lie in the digest of a file, which is then the one that differs.
        named = "payload" if path.name == "payload.json" else path.name
        with pytest.raises(IntegrityError, match=named.replace(".", r"\.")):
            verify_payload(copy)
        path.write_bytes(good)
    verify_payload(copy)


def test_missing_changed_and_extra_files_are_named_together(copy: Path) -> None:
    (copy / "config.json").write_text("{}")
    (copy / "filter" / "filter.json").unlink()
    (copy / "model" / "extra.json").write_text("{}")
    with pytest.raises(IntegrityError) as caught:
        verify_payload(copy)
    message = str(caught.value)
    assert "changed: config.json" in message
    assert "missing: filter/filter.json" in message
    assert "extra: model/extra.json" in message


def test_the_stores_own_manifest_is_tolerated_only_where_asked_for(copy: Path) -> None:
    (copy / "manifest.json").write_text("{}")
    verify_payload(copy)
    with pytest.raises(IntegrityError, match="extra: manifest"):
        verify_payload(copy, ignore=())


def test_bytecode_beside_the_code_is_refused(copy: Path) -> None:
    cache = copy / "code" / "components" / "__pycache__"
    cache.mkdir()
    (cache / "__init__.cpython-311.pyc").write_bytes(b"\x00")
    with pytest.raises(IntegrityError, match="extra"):
        verify_payload(copy)


def test_links_are_refused_in_parts_and_in_payloads(copy: Path, parts: tuple[Path, Path], tmp_path: Path) -> None:
    (copy / "model" / "link.json").symlink_to(copy / "config.json")
    with pytest.raises(IntegrityError, match="link"):
        verify_payload(copy)
    model = tmp_path / "model"
    shutil.copytree(parts[0], model)
    (model / "inside").symlink_to(tmp_path)
    (tmp_path / "out").mkdir()
    with pytest.raises(IntegrityError, match="link"):
        build_payload(model, None, parts[1], CONFIG, out_dir=tmp_path / "out")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "state.pkl", "run.sh", "weights.joblib", "noname"])
def test_files_of_other_kinds_are_refused(parts: tuple[Path, Path], tmp_path: Path, name: str) -> None:
    model = tmp_path / "model"
    shutil.copytree(parts[0], model)
    (model / name).write_bytes(b"x")
    (tmp_path / "out").mkdir()
    with pytest.raises(ContractError, match=name):
        build_payload(model, None, parts[1], CONFIG, out_dir=tmp_path / "out")


@pytest.mark.parametrize("name", ["../outside.json", "/etc/passwd.json", "a//b.json", "./a.json", "a\\b.json", "x.pkl"])
def test_a_list_that_names_a_path_outside_is_refused(copy: Path, name: str) -> None:
    value = json.loads((copy / "payload.json").read_text())
    value["files"][name] = {"sha256": "0" * 64, "bytes": 1}
    (copy / "payload.json").write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
    with pytest.raises(IntegrityError, match="not a readable payload manifest"):
        verify_payload(copy)


def test_a_folder_that_is_no_payload_is_named(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match=r"payload\.json"):
        verify_payload(tmp_path)


def test_a_model_without_names_for_its_classes_is_refused(parts: tuple[Path, Path], tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(parts[0], model)
    (model / "config.json").write_text("{}")
    (tmp_path / "out").mkdir()
    with pytest.raises(ContractError, match="id2label"):
        build_payload(model, None, parts[1], CONFIG, out_dir=tmp_path / "out")


def test_the_serving_code_is_closed_and_small() -> None:
    """By another road: every module that a fresh interpreter loads to serve is among the files."""
    import subprocess
    import sys

    script = (
        "import sys, components.packaging.server, components.packaging.serving, components.scrubbing.detect\n"
        "print('\\n'.join(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'components'))\n"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    files = set(serving_files())
    assert loaded
    assert {"components/" + name.rpartition("/components/")[2] for name in loaded} <= files
    rooms = {name.split("/")[1] for name in files if name.count("/") > 1}
    assert rooms == {"core", "scrubbing", "safety", "modeling", "packaging", "privacy"}
    assert not any(name.startswith("components/modeling/pretrain") for name in files)
    assert {name for name in files if name.startswith("components/privacy/")} == {
        "components/privacy/__init__.py", "components/privacy/config.py"}  # fmt: skip
    assert "components/safety/characters.yaml" in files
    assert not any(name.startswith("components/safety/default/") for name in files)


def test_a_manifest_round_trips() -> None:
    value = {"model/a.json": {"sha256": "0" * 64, "bytes": 3}}
    manifest = PayloadManifest(name="d", files=value, task="t", languages=("en",), labels=("a",))  # type: ignore[arg-type]
    assert PayloadManifest.model_validate_json(manifest.text()) == manifest
