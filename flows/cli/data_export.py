"""``export --data``: the data behind a model as a folder for others."""

from __future__ import annotations

from pathlib import Path

from components.core.errors import ConfigError, InfrastructureError
from flows.cli.session import prepare, result_on_stdout, say, screen

_PURPOSES = ("pretraining", "finetuning")


def export_data(model: str, folder: Path, purpose: str | None, *, allow_personal_data: bool, as_json: bool) -> None:
    """Write a DatasetDict with its card and Croissant document, which is validated where mlcroissant is installed."""
    if purpose not in _PURPOSES:
        raise ConfigError(f"--data {purpose or ''}: expected {' or '.join(_PURPOSES)}")
    with result_on_stdout(as_json) as results:
        settings = prepare()
        from components.documentation.check import check_croissant
        from components.documentation.document import CROISSANT_FILE
        from components.documentation.export import export_dataset
        from tasks.documents import find_documents

        facts = export_dataset(
            find_documents(model, purpose, settings), folder, allow_personal_data=allow_personal_data
        )
        try:
            missing = check_croissant(folder / CROISSANT_FILE)
            croissant, notes = "valid", list(missing)
        except InfrastructureError as error:
            croissant, notes = "not validated", [str(error)]
        splits = {split.name: split.records for split in facts.splits}
        results.append(
            {
                "folder": str(folder),
                "name": facts.declared.name,
                "splits": splits,
                "scrubbed": facts.scrubbing is not None,
                "croissant": croissant,
                "notes": notes,
            }
        )
    if as_json:
        return
    counts = ", ".join(f"{name} {count}" for name, count in splits.items())
    screen().print(f"written: {folder} ({counts}); Croissant {croissant}", markup=False, soft_wrap=True)
    for note in notes:
        say(f"  {note}")
    screen().print(
        f"open it with datasets.load_from_disk, read {folder / 'card.html'} first", markup=False, soft_wrap=True
    )
