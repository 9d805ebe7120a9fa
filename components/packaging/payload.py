"""Building a payload: everything that is served, byte for byte, in one folder with one digest.

Layout::

    model/             the fine-tuned model, its tokenizer and its calibration
    language_model/    the pretrained model, where language-model suites are to judge it (optional)
    filter/            the safety filter
    code/components/   the files of ours that serving needs, and sitecustomize.py
    config.json        what the server accepts
    payload.json       the list of all these, written last

No pickle: files are copied by an allow-list of suffixes, links are refused.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from components.core.errors import ContractError, IntegrityError
from components.core.hashing import digest_file
from components.core.jsonfiles import read_json, write_json
from components.core.payload import (
    ALLOWED_SUFFIXES,
    PAYLOAD_FILE,
    PayloadFile,
    PayloadManifest,
    verify_payload,
    walk_files,
)
from components.core.store import MANIFEST, StageReport
from components.packaging.config import PackagingConfig
from components.packaging.serving_code import COMPONENTS_DIR, serving_files

CONFIG_FILE = "config.json"
SERVING_SCHEMA = "touchstone.serving/1"

# Written beside a model by the stages that made it; nothing reads them to serve.
_LEFT_BEHIND = frozenset({MANIFEST, "report.json", "metrics.jsonl", "quality.html"})

# Bytecode in a sealed folder would be an unlisted file that Python executes, so verification refuses it and the
# payload's own code never writes it. Python caches sitecustomize before running it, hence the last lines.
_SITECUSTOMIZE = '''"""Run by Python at start from a folder on its path: keeps bytecode out of a sealed payload."""

import sys
from contextlib import suppress
from pathlib import Path

sys.dont_write_bytecode = True
with suppress(OSError):
    Path(__cached__).unlink()
    Path(__cached__).parent.rmdir()
'''


def build_payload(
    model: Path, language_model: Path | None, safety_filter: Path, config: PackagingConfig, *, out_dir: Path
) -> StageReport:
    """Copy everything that serves, then list it.

    Raises: ContractError if a file's kind is not allowed or the model names no labels; IntegrityError at a link.
    """
    _copy_folder(model, out_dir / "model")
    if language_model is not None:
        _copy_folder(language_model, out_dir / "language_model")
    _copy_folder(safety_filter, out_dir / "filter")
    _copy_code(out_dir / "code")
    labels = _labels(out_dir / "model" / CONFIG_FILE)
    serving: dict[str, Any] = {
        "schema": SERVING_SCHEMA,
        "name": config.name,
        "task": config.task,
        "languages": list(config.languages),
        "labels": list(labels),
        "max_texts_per_request": config.max_texts_per_request,
    }
    write_json(serving, out_dir / CONFIG_FILE)
    manifest = PayloadManifest(
        name=config.name, files=_list(out_dir), task=config.task, languages=config.languages, labels=labels
    )
    (out_dir / PAYLOAD_FILE).write_text(manifest.text(), encoding="utf-8")
    digest = verify_payload(out_dir)
    total = sum(file.bytes for file in manifest.files.values())
    return StageReport(
        rows=len(manifest.files), summary={"payload_digest": digest, "bytes": total, "labels": list(labels)}
    )


def _copy_folder(source: Path, target: Path) -> None:
    """Copy a folder's files. Raises ContractError naming the first file that may not be packed."""
    if not source.is_dir():
        raise ContractError(f"{source}: no such folder to package; run the stage before")
    names = [name for name in walk_files(source) if name not in _LEFT_BEHIND]
    if not names:
        raise ContractError(f"{source}: nothing to package in this folder; run the stage before")
    for name in names:
        if Path(name).suffix not in ALLOWED_SUFFIXES:
            allowed = " ".join(sorted(ALLOWED_SUFFIXES))
            raise ContractError(f"{source / name}: only {allowed} may be packaged; save the model as safetensors")
        _copy_file(source / name, target / name)


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target, follow_symlinks=False)
    if target.is_symlink():
        raise IntegrityError(f"{source}: turned into a link while it was copied; package again")


def _copy_code(target: Path) -> None:
    for name in serving_files():
        _copy_file(COMPONENTS_DIR.parent / name, target / name)
    (target / "sitecustomize.py").write_text(_SITECUSTOMIZE, encoding="utf-8")


def _labels(path: Path) -> tuple[str, ...]:
    names = read_json(path).get("id2label") if path.exists() else None
    if not names:
        raise ContractError(f"{path}: no id2label, so the model's classes have no names; fine-tune it first")
    return tuple(str(names[key]) for key in sorted(names, key=int))


def _list(folder: Path) -> dict[str, PayloadFile]:
    return {
        name: PayloadFile(
            sha256=digest_file(folder / name).removeprefix("sha256:"), bytes=(folder / name).stat().st_size
        )
        for name in walk_files(folder)
    }


__all__ = ["PayloadManifest", "build_payload", "verify_payload"]
