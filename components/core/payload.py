"""``payload.json``: every file of a payload with its SHA-256, and the check that nothing else is there.

Needs ``components.core`` and pydantic alone, so that an auditor can verify without the libraries that serve.
The digest of a payload is the digest of the manifest's value; the manifest does not list itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from components.core.errors import IntegrityError
from components.core.hashing import digest_each, digest_value
from components.core.store import MANIFEST

PAYLOAD_FILE = "payload.json"
ALLOWED_SUFFIXES = frozenset({".safetensors", ".json", ".yaml", ".txt", ".md", ".py"})

_SHOWN = 5


class PayloadFile(BaseModel):
    """Digest and size of one file."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class PayloadManifest(BaseModel):
    """Content of ``payload.json``."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True
    )

    schema_: Literal["touchstone.payload/1"] = Field(default="touchstone.payload/1", alias="schema")
    name: str
    files: dict[str, PayloadFile] = Field(min_length=1, description="Relative POSIX path to digest and size.")
    task: str
    languages: tuple[str, ...]
    labels: tuple[str, ...]

    @field_validator("files")
    @classmethod
    def _inside(cls, files: dict[str, PayloadFile]) -> dict[str, PayloadFile]:
        for name in files:
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or "\\" in name or str(path) != name or name == PAYLOAD_FILE:
                raise ValueError(f"{name!r} is not a plain path inside the payload")
            if path.suffix not in ALLOWED_SUFFIXES:
                raise ValueError(f"{name!r} has a suffix outside {', '.join(sorted(ALLOWED_SUFFIXES))}")
        return files

    def digest(self) -> str:
        """The payload digest."""
        return digest_value(self.model_dump(mode="json"))

    def text(self) -> str:
        """The one way these values are written."""
        return json_text(self.model_dump(mode="json"))


def json_text(value: Any) -> str:
    """The one way a signed or listed JSON file is written, so that no byte of it can change unseen."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def read_manifest(folder: Path) -> PayloadManifest:
    """The manifest of a payload folder, not yet checked against the files.

    Raises IntegrityError if it is absent, malformed or written in another way than ours.
    """
    path = folder / PAYLOAD_FILE
    try:
        raw = path.read_bytes()
        manifest = PayloadManifest.model_validate(json.loads(raw))
    except (OSError, ValueError, ValidationError) as error:
        raise IntegrityError(
            f"{path}: not a readable payload manifest; give a payload folder or package again"
        ) from error
    if manifest.text().encode("utf-8") != raw:
        raise IntegrityError(f"{path}: bytes differ from how a manifest is written; distrust it and package again")
    return manifest


def verify_payload(folder: Path, *, ignore: Iterable[str] = (MANIFEST,)) -> str:
    """Recompute every file of a payload; returns the payload digest.

    ``ignore`` names files that may lie beside the listed ones: the store's own manifest, which is never served.
    Raises IntegrityError naming changed, missing and extra files, or a symbolic link.
    """
    manifest = read_manifest(folder)
    present = set(walk_files(folder)) - {PAYLOAD_FILE} - set(ignore)
    listed = set(manifest.files)
    changed = _changed(folder, manifest, sorted(listed & present))
    problems = [("changed", changed), ("missing", sorted(listed - present)), ("extra", sorted(present - listed))]
    if any(names for _, names in problems):
        found = "; ".join(f"{kind}: {_some(names)}" for kind, names in problems if names)
        raise IntegrityError(f"{folder}: {found}; these are not the bytes that were evaluated, package again")
    return manifest.digest()


def _changed(folder: Path, manifest: PayloadManifest, names: list[str]) -> list[str]:
    """Those of the named files that are not what the manifest lists; a file of another size is not read."""
    same_size = [name for name in names if (folder / name).stat().st_size == manifest.files[name].bytes]
    digests = dict(zip(same_size, digest_each([folder / name for name in same_size]), strict=True))
    return [name for name in names if digests.get(name) != "sha256:" + manifest.files[name].sha256]


def walk_files(folder: Path) -> list[str]:
    """Relative POSIX paths of all files under a folder, sorted. Raises IntegrityError at anything but a plain file."""
    names: list[str] = []
    for parent, folders, files in os.walk(folder, followlinks=False):
        for name in [*folders, *files]:
            path = Path(parent) / name
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                raise IntegrityError(f"{path}: a link or a special file has no place here; copy the plain file instead")
        names += [(Path(parent) / name).relative_to(folder).as_posix() for name in files]
    return sorted(names)


def _some(names: list[str]) -> str:
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest
