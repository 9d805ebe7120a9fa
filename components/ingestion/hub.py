"""Data sets through ``datasets``: ``hf://owner/name[@revision][:config][#split]`` or ``hf://FOLDER``.

A folder is one as it lies on the hub (data files, a README that names configurations), or one that
``save_to_disk`` wrote.

Without a split, all splits are read and each record says which it came from, under the names this product uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.core.errors import ConfigError, InfrastructureError
from components.ingestion.config import SplitName
from components.ingestion.reading import ReadLimits, Row, check_columns
from components.ingestion.records import FileError
from components.ingestion.sources import HUB_PREFIX

_OUR_SPLITS: dict[str, SplitName] = {
    "train": "train",
    "validation": "dev",
    "valid": "dev",
    "dev": "dev",
    "test": "test",
}
_SAVED_MARKS = ("dataset_dict.json", "state.json")
_ADDRESS = re.compile(r"^hf://(?P<name>[^#:@]+?)(?:@(?P<revision>[^#:]+))?(?::(?P<config>[^#]+))?(?:#(?P<split>.+))?$")


@dataclass(frozen=True, slots=True)
class HubAddress:
    """A data set, its configuration and split."""

    name: str
    revision: str | None
    config: str | None
    split: str | None

    @property
    def folder(self) -> Path | None:
        """The local folder, where the name is one."""
        path = Path(self.name).expanduser()
        return path if path.exists() else None


def parse_address(address: str) -> HubAddress:
    """Raises ConfigError if the address does not read as ``hf://owner/name[@revision][:config][#split]``."""
    match = _ADDRESS.match(address)
    if match is None:
        raise ConfigError(f"{address}: write {HUB_PREFIX}owner/name[@revision][:config][#split] in ingestion.sources")
    return HubAddress(**match.groupdict())


def read_hub(limits: ReadLimits) -> Iterator[Row]:
    """Rows of a data set, class labels as their names, one split after the other.

    Raises: ConfigError if there is no such data set, configuration or split; InfrastructureError if the hub cannot
    be reached; FileError if the text column is missing or the data cannot be read.
    """
    address = parse_address(limits.source.path)
    parts = _load(address)
    number = 0
    for name, part in parts.items():
        present = part.column_names or (list(part.features) if part.features else [])
        if present:
            check_columns(present, limits)
        class_names = _class_names(part.features, limits)
        given = _OUR_SPLITS.get(name) if len(parts) > 1 else None
        for row in _iterate(part, limits.name):
            number += 1
            values = {**row, **{key: names.get(row[key], row[key]) for key, names in class_names.items()}}
            yield number, values if given is None or "split" in values else {**values, "split": given}


def _load(address: HubAddress) -> dict[str, Any]:
    import datasets
    from huggingface_hub.errors import HfHubHTTPError

    where = f"{HUB_PREFIX}{address.name}"
    if address.folder is not None and any((address.folder / name).is_file() for name in _SAVED_MARKS):
        return _load_saved(address, address.folder)
    source = str(address.folder) if address.folder else address.name
    try:
        loaded = datasets.load_dataset(
            source, name=address.config, split=address.split, revision=address.revision, streaming=True
        )
    except datasets.exceptions.DatasetNotFoundError as error:
        raise ConfigError(f"{where}: no such data set; check the name in ingestion.sources") from error
    except (FileNotFoundError, ValueError) as error:  # unknown config or split, or a folder without data files
        raise ConfigError(
            f"{where}: no data for config {address.config!r}, split {address.split!r}; check both"
        ) from error
    except (ConnectionError, HfHubHTTPError, OSError) as error:
        raise InfrastructureError(
            f"{where}: the hub cannot be reached ({type(error).__name__}); check the network, or name a local folder"
        ) from error
    return dict(loaded) if isinstance(loaded, dict) else {address.split or "train": loaded}


def _load_saved(address: HubAddress, folder: Path) -> dict[str, Any]:
    import datasets

    try:
        loaded = datasets.load_from_disk(str(folder))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(f"{folder}: not a data set that datasets saved, or damaged; save it again") from error
    parts = dict(loaded) if isinstance(loaded, dict) else {"train": loaded}
    if address.split is None:
        return parts
    if address.split not in parts:
        raise ConfigError(f"{folder}: no split {address.split!r}; there is {', '.join(parts)}")
    return {address.split: parts[address.split]}


def _iterate(part: Any, name: str) -> Iterator[dict[str, Any]]:
    import datasets

    rows = iter(part)
    while True:
        try:
            row = next(rows, None)
        except (datasets.exceptions.DatasetsError, ValueError, TypeError) as error:
            raise FileError(f"{name}: cannot be read as one table ({type(error).__name__}); check its files") from error
        except OSError as error:
            raise InfrastructureError(f"{name}: reading failed ({type(error).__name__}); try again") from error
        if row is None:
            return
        yield row


def _class_names(features: Any, limits: ReadLimits) -> dict[str, dict[int, str]]:
    """Number to name for columns of class labels; none where a label map is given, which then sees the numbers."""
    import datasets

    if not features or limits.source.label_map is not None:
        return {}
    return {key: dict(enumerate(kind.names)) for key, kind in features.items() if isinstance(kind, datasets.ClassLabel)}


def hub_revision(address: HubAddress) -> str:
    """Commit of a data set on the hub. Raises InfrastructureError if the hub cannot be reached."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

    try:
        return str(HfApi().dataset_info(address.name, revision=address.revision).sha)
    except RepositoryNotFoundError as error:
        raise ConfigError(
            f"{HUB_PREFIX}{address.name}: no such data set; check the name in ingestion.sources"
        ) from error
    except (ConnectionError, HfHubHTTPError, OSError) as error:
        raise InfrastructureError(
            f"{HUB_PREFIX}{address.name}: the hub cannot be reached ({type(error).__name__}); check the network"
        ) from error
