"""Opening local Hugging Face folders: safetensors only, no remote code, no network, nothing on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.core.errors import ContractError
from components.core.jsonfiles import read_json


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Silence the library's bars and load reports: a missing tensor is an error of ours, not a warning of theirs."""
    from transformers.utils import logging as transformers_logging

    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()


def architectures(model_dir: Path) -> tuple[str, ...]:
    """Class names in ``config.json``. Raises ContractError if the folder is no Hugging Face checkpoint."""
    path = model_dir / "config.json"
    if not path.is_file():
        raise ContractError(f"{model_dir}: no config.json; give a Hugging Face checkpoint folder")
    return tuple(read_json(path).get("architectures") or ())


def load_tokenizer(folder: Path) -> Any:
    """The fast tokenizer of a folder. Raises ContractError if there is none."""
    from transformers import AutoTokenizer

    if not (folder / "tokenizer.json").is_file() and not (folder / "vocab.txt").is_file():
        raise ContractError(f"{folder}: no tokenizer.json or vocab.txt; a model folder holds its tokenizer")
    with quiet_transformers():
        return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)


def load_model(auto_class: Any, model_dir: Path, *, may_lack: tuple[str, ...] = (), **settings: Any) -> Any:
    """A model in fp32 and evaluation mode.

    Args:
        auto_class: A Hugging Face (auto) model class.
        model_dir: Folder with ``config.json`` and ``model.safetensors`` (or shards of it).
        may_lack: Prefixes of tensors that may be missing and then start at random.
        settings: Values that replace those of ``config.json``.

    Raises:
        ContractError: No safetensors, or a tensor outside ``may_lack`` is missing.
    """
    import torch

    architectures(model_dir)
    if not any(model_dir.glob("*.safetensors")):
        raise ContractError(f"{model_dir}: no *.safetensors; convert the checkpoint, pickled weights are not loaded")
    with quiet_transformers():
        model, info = auto_class.from_pretrained(
            str(model_dir),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            **settings,
        )
    missing = sorted(name for name in info["missing_keys"] if not name.startswith(may_lack or ("\0",)))
    if missing:
        raise ContractError(
            f"{model_dir}: the checkpoint ({', '.join(architectures(model_dir)) or 'no architecture named'}) lacks "
            f"{len(missing)} tensors of {type(model).__name__}, first {missing[0]}; use a checkpoint with that head"
        )
    return model.eval()
