"""Export: the task model of a payload as a plain Hugging Face folder, with a card.

The safety filter stays behind, and the card says so.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from components.core.errors import ConfigError
from components.core.payload import PayloadManifest, read_manifest, verify_payload


def export_model(payload: Path, out_dir: Path, *, card: str | None = None) -> Path:
    """Copy the model out of a verified payload; returns ``out_dir``.

    Args:
        payload: Payload folder.
        out_dir: New or empty folder.
        card: Text under the front matter of README.md; a short one is written if absent.

    Raises: ConfigError if ``out_dir`` holds something; IntegrityError if the payload does not verify.
    """
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise ConfigError(f"{out_dir}: not an empty folder; export somewhere new")
    verify_payload(payload)
    manifest = read_manifest(payload)
    out_dir.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{out_dir.name}.", dir=out_dir.parent))
    try:
        shutil.copytree(payload / "model", temporary, dirs_exist_ok=True)
        (temporary / "README.md").write_text(
            _front_matter(manifest) + (card or _short_card(manifest)), encoding="utf-8"
        )
        temporary.chmod(0o755)
        temporary.replace(out_dir)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out_dir


def _front_matter(manifest: PayloadManifest) -> str:
    languages = "".join(f"- {language}\n" for language in manifest.languages)
    return f"---\nlibrary_name: transformers\npipeline_tag: {manifest.task}\nlanguage:\n{languages}---\n\n"


def _short_card(manifest: PayloadManifest) -> str:
    return (
        f"# {manifest.name}\n\nLabels: {', '.join(manifest.labels)}. Exported from payload `{manifest.digest()}`.\n\n"
        "This folder holds the model alone, without the safety filter it was evaluated with.\n\n"
        "本文件夹只含模型，不含评估时所用的安全过滤器。\n"
    )
