"""Writing a model folder that plain ``transformers`` opens: safetensors, tokenizer, no paths of this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.core.jsonfiles import read_json, write_json
from components.modeling.loading import quiet_transformers


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
