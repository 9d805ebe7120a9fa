"""The shipped file: safetensors with whole numbers, and beside it a card that says what made it."""

from __future__ import annotations

import functools
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as parse_tensors
from safetensors.numpy import save as pack_tensors

from components.core.errors import ConfigError, IntegrityError
from components.core.hashing import digest_bytes
from components.scrubbing.tagger.labels import TAGGER_LABELS
from components.scrubbing.tagger.model import Parameters, Tagger, as_parameters

WEIGHTS_FILE = "tagger.safetensors"
CARD_FILE = "tagger.yaml"
SCHEMA = "touchstone.tagger/1"


def save(tensors: dict[str, NDArray[np.generic]], card: dict[str, Any], out_dir: Path) -> Path:
    """Write weights and card; the card names the digest of the weights and is written last."""
    out_dir.mkdir(parents=True, exist_ok=True)
    packed = pack_tensors({name: np.ascontiguousarray(tensor) for name, tensor in sorted(tensors.items())})
    (out_dir / WEIGHTS_FILE).write_bytes(packed)
    head = {"schema": SCHEMA, "labels": list(TAGGER_LABELS), "sha256": digest_bytes(packed), "bytes": len(packed)}
    text = yaml.safe_dump(head | card, sort_keys=False, allow_unicode=True, width=110)
    (out_dir / CARD_FILE).write_text(text, encoding="utf-8")
    return out_dir


def load(folder: Path) -> Parameters:
    """Weights of a folder that ``train-tagger`` wrote.

    Raises: ConfigError if a file is missing or of another schema; IntegrityError if the weights are not those that
    the card names.
    """
    return _parse(*(_read(folder / name) for name in (WEIGHTS_FILE, CARD_FILE)), where=str(folder))


@functools.cache
def default_tagger() -> Tagger:
    """The tagger that ships with the package; loaded once a process.

    Raises: ConfigError where this package ships none.
    """
    packaged = resources.files("components.scrubbing.tagger").joinpath("weights")
    if not packaged.joinpath(WEIGHTS_FILE).is_file():
        raise ConfigError(
            "scrubbing.detectors: this release ships no tagger; name a folder that touchstone train-tagger wrote"
        )
    weights, card = (packaged.joinpath(name).read_bytes() for name in (WEIGHTS_FILE, CARD_FILE))
    return Tagger(_parse(weights, card, where="the packaged tagger"))


def _read(path: Path) -> bytes:
    if not path.is_file():
        raise ConfigError(f"{path} is missing; name a folder that touchstone train-tagger wrote")
    return path.read_bytes()


def _parse(weights: bytes, card_bytes: bytes, *, where: str) -> Parameters:
    card = yaml.safe_load(card_bytes)
    if not isinstance(card, dict) or card.get("schema") != SCHEMA or card.get("labels") != list(TAGGER_LABELS):
        raise ConfigError(f"{where}: {CARD_FILE} is not a card of {SCHEMA}; train the tagger again")
    if digest_bytes(weights) != card.get("sha256"):
        raise IntegrityError(f"{where}: {WEIGHTS_FILE} is not the file that {CARD_FILE} names; train the tagger again")
    try:
        tensors = parse_tensors(weights)
        return as_parameters(tensors, float(card["gate_threshold"]))
    except (SafetensorError, KeyError, ValueError) as error:
        raise IntegrityError(
            f"{where}: {WEIGHTS_FILE} lacks what the tagger needs ({error}); train it again"
        ) from error
