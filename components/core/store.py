"""The artefact store: content-addressed, atomic, the manifest last.

Layout under the root::

    artefacts/<Kind>/<key hex>/…files…, manifest.json     finished, or absent
    artefacts/<Kind>/.<key hex>.<pid>.tmp/                being written
    work/<key hex>/                                       checkpoints that survive a kill, removed on success
    work/<key hex>.lock                                   held while the stage is built: the second to want it waits

A stage's key is the digest of (stage, inputs' digests, config digest, code version). ``manifest.json`` is written
last and the folder renamed into place after it, so a folder with a manifest is complete.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from filelock import FileLock
from pydantic import BaseModel, ValidationError

from components.core.artefacts import Artefact
from components.core.config import StageConfig
from components.core.errors import InfrastructureError, IntegrityError
from components.core.hashing import digest_files, digest_value
from components.core.jsonfiles import read_json, write_json

MANIFEST = "manifest.json"

A = TypeVar("A", bound=Artefact)


class StageReport(BaseModel):
    """What a component returns beside its files: how many rows, and counts for people."""

    rows: int
    summary: dict[str, object] = {}


Build = Callable[[dict[str, Path], Path, Path], StageReport]


class ArtefactStore:
    """Finished stage outputs, found by what they were made from."""

    def __init__(self, root: Path) -> None:
        """``root`` is made on first write."""
        self.root = root

    def key(
        self,
        stage: str,
        inputs: Mapping[str, Artefact],
        config: StageConfig,
        code_version: str,
        outside: Mapping[str, str] | None = None,
    ) -> str:
        """Digest of everything that decides a stage's output; ``outside`` are digests of files not in the store."""
        return digest_value(
            {
                "stage": stage,
                "inputs": {role: artefact.digest for role, artefact in inputs.items()},
                "config": config.digest(),
                "code": code_version,
                "outside": dict(outside or {}),
            }
        )

    def find(self, kind: type[A], key: str) -> A | None:
        """The finished artefact of this kind and key, or None. A torn manifest counts as none."""
        path = self._folder(kind, key) / MANIFEST
        try:
            return kind.model_validate(read_json(path)) if path.exists() else None
        except (ValidationError, ValueError):
            return None

    def path(self, artefact: Artefact) -> Path:
        """Folder of an artefact. Raises IntegrityError if it is gone or is another one now."""
        folder = self.root / artefact.location
        found = self.find(type(artefact), artefact.key)
        if found is None or found.digest != artefact.digest:
            raise IntegrityError(
                f"{folder}: {artefact.kind} {artefact.digest[:19]} is missing or was replaced; run the pipeline again"
            )
        return folder

    def verify(self, artefact: Artefact) -> None:
        """Recompute every file's digest. Raises IntegrityError naming the first path that differs."""
        folder = self.path(artefact)
        if digest_value(digest_files(folder, exclude=[MANIFEST])) != artefact.digest:
            raise IntegrityError(f"{folder}: bytes differ from the manifest; delete the folder and run again")

    def produce(
        self,
        kind: type[A],
        *,
        stage: str,
        inputs: Mapping[str, Artefact],
        config: StageConfig,
        code_version: str,
        build: Build,
        outside: Mapping[str, str] | None = None,
        restricted: bool = False,
    ) -> tuple[A, bool]:
        """The stage's artefact, reused if it is finished, else built now; the flag says whether it was reused.

        ``build(input_folders, out_dir, work_dir)`` writes only under ``out_dir`` (new, empty) and may keep
        resumable state under ``work_dir``, which outlives a kill and is removed on success.
        Raises InfrastructureError if the disk is full or read-only.
        """
        key = self.key(stage, inputs, config, code_version, outside)
        if (found := self.find(kind, key)) is not None:
            return found, True
        folders = {role: self.path(artefact) for role, artefact in inputs.items()}
        final = self._folder(kind, key)
        temporary = final.with_name(f".{final.name}.{os.getpid()}.tmp")
        work = self.root / "work" / final.name
        try:
            work.mkdir(parents=True, exist_ok=True)
            lock = work.with_suffix(".lock")
            with FileLock(lock):
                if (found := self.find(kind, key)) is not None:
                    return found, True
                _make_empty(temporary, restricted=restricted)
                work.mkdir(parents=True, exist_ok=True)  # whoever held the lock before removed it
                report = build(folders, temporary, work)
                artefact = kind(
                    kind=kind.__name__,
                    stage=stage,
                    key=key,
                    digest=digest_value(digest_files(temporary)),
                    location=final.relative_to(self.root).as_posix(),
                    rows=report.rows,
                    config_digest=config.digest(),
                    parents={role: item.digest for role, item in inputs.items()} | dict(outside or {}),
                    restricted=restricted,
                    summary=report.summary,
                )
                write_json(artefact, temporary / MANIFEST)
                _rename(temporary, final)
                shutil.rmtree(work, ignore_errors=True)
                lock.unlink(missing_ok=True)  # whoever waits for it finds the artefact, whichever file it locks
        except OSError as error:
            raise _explain(error, temporary) from error
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return artefact, False

    def _folder(self, kind: type[Artefact], key: str) -> Path:
        return self.root / "artefacts" / kind.__name__ / key.removeprefix("sha256:")[:32]


def _make_empty(folder: Path, *, restricted: bool) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700 if restricted else 0o755)


def _rename(temporary: Path, final: Path) -> None:
    """Rename into place; a folder without a manifest (another writer's ruin) is replaced."""
    if final.exists() and not (final / MANIFEST).exists():
        shutil.rmtree(final)
    try:
        temporary.rename(final)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        # Somebody else finished the same key first; same key, same bytes.


def _explain(error: OSError, folder: Path) -> Exception:
    if error.errno == errno.ENOSPC:
        return InfrastructureError(f"{folder.parent}: the disk is full; free space and run the same command again")
    if error.errno in {errno.EROFS, errno.EACCES} and str(folder.parent) in str(error.filename or ""):
        return InfrastructureError(f"{error.filename}: not writable; set TOUCHSTONE_HOME to a folder that is")
    return error
