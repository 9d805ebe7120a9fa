"""Writing a model folder that plain ``transformers`` opens: safetensors, tokenizer, no paths of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.core.jsonfiles import read_json, write_json
from components.modeling.loading import quiet_transformers
from components.modeling.networks import PAIR_HEAD_FILE, PretrainingNetwork


def save_network(network: PretrainingNetwork, tokenizer: Any, out_dir: Path) -> None:
    """Save a pretraining network: the model as plain ``transformers`` knows it, and our pair head beside it."""
    from safetensors.torch import save_file

    if network.layout != "bert":
        tokenizer.model_input_names = ["input_ids", "attention_mask"]  # these models refuse token types
    save_model(network.model, tokenizer, out_dir)
    if network.pair_head is not None:
        weights = {name: value.detach().contiguous() for name, value in network.pair_head.state_dict().items()}
        save_file(weights, out_dir / PAIR_HEAD_FILE, metadata={"format": "pt"})


def save_model(model: Any, tokenizer: Any, out_dir: Path) -> None:
    """Save weights, config and tokenizer; the same weights give the same bytes wherever they came from."""
    model.config._name_or_path = ""
    with quiet_transformers():
        model.save_pretrained(str(out_dir), safe_serialization=True)
        tokenizer.save_pretrained(str(out_dir))
    for name in ("config.json", "tokenizer_config.json"):
        path = out_dir / name
        if path.is_file():
            values = read_json(path)
            for key in ("_name_or_path", "name_or_path"):
                values.pop(key, None)
            write_json(values, path)
