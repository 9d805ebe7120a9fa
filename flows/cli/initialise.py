"""``init``: a profile's YAML files to edit, fitted to a data file where one is given."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from components.core.errors import ConfigError
from flows.cli import options, render
from flows.cli.session import prepare, result_on_stdout, screen

if TYPE_CHECKING:
    from components.ingestion.guess import DataProfile

_DEFAULT_PROFILE = "finetune"


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command("init", epilog="Example: touchstone init mine --data tickets.csv --model ./bert-base-chinese")(init)


def init(
    folder: Annotated[Path, typer.Argument(help="New or empty folder.", metavar="DIR")],
    profile: Annotated[str, typer.Option("--profile", "-p", help="Profile to start from.")] = _DEFAULT_PROFILE,
    data: Annotated[Path | None, typer.Option("--data", help="Task data to look at: .csv, .jsonl, .parquet …")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Starting checkpoint: a Hugging Face folder or hub id.")
    ] = None,
    column: options.Columns = None,
    json: options.Json = False,
) -> None:
    """Write a profile's YAML files, every key commented; with --data mapped and fitted to the file."""
    from flows.cli.profile_files import comment_folder, fit_to_data, new_profile, set_checkpoint
    from flows.config import PROFILES_DIR, load_config

    with result_on_stdout(json) as results:
        prepare()
        known = options.parse_columns(column)
        found = _look(data, known) if data else None
        if found is not None:
            _check_usable(data, found)
        name = _name(folder)
        with new_profile(PROFILES_DIR / profile, folder) as files:
            changes = fit_to_data(folder, name, data.absolute(), found) if data and found else []
            if model is not None:
                changes.append(set_checkpoint(folder, model))
            comment_folder(folder)
            load_config(None, folder, [])
        outcome: dict[str, Any] = {
            "folder": str(folder),
            "profile": profile,
            "files": files,
            "data": found.model_dump(mode="json") if found else None,
            "changes": changes,
        }
        results.append(outcome)
    if not json:
        _print(outcome, folder, needs_model=profile == _DEFAULT_PROFILE and model is None)


def _look(data: Path, known: dict[Any, str]) -> DataProfile:
    from components.ingestion.guess import profile_data

    if not data.exists():
        raise ConfigError(f"--data {data}: no such file")
    found = profile_data(str(data), columns=known)
    if unknown := [name for name in known.values() if name not in found.all_columns]:
        raise ConfigError(f"--column {unknown[0]}: {data} has no such column; it has {', '.join(found.all_columns)}")
    return found


def _check_usable(data: Path | None, found: DataProfile) -> None:
    if not found.languages:
        raise ConfigError(f"--data {data}: neither English nor Chinese text in column {found.columns['text']!r}")
    if "label" not in found.columns:
        raise ConfigError(
            f"--data {data}: no column looks like a label; name it with --column label=COLUMN "
            f"(there are {', '.join(found.all_columns)})"
        )
    if len(found.labels) < 2:
        raise ConfigError(f"--data {data}: column {found.columns['label']!r} has one label; there is nothing to learn")


def _name(folder: Path) -> str:
    """A registered model's name from the folder's, Chinese in pinyin."""
    from pypinyin import lazy_pinyin

    spelled = "-".join(lazy_pinyin(folder.absolute().name))
    plain = re.sub(r"[^a-z0-9_.-]+", "-", spelled.lower()).strip("-._")
    if not plain:
        raise ConfigError(f"{folder}: no letter to name the model by; choose a folder name with one")
    return plain


def _print(outcome: dict[str, Any], folder: Path, *, needs_model: bool) -> None:
    console = screen()
    console.print(f"written: {len(outcome['files'])} files in {folder}", markup=False)
    if (data := outcome["data"]) is not None:
        languages = ", ".join(f"{name} {share:.0%}" for name, share in data["languages"].items())
        labels = ", ".join(f"{name} {count}" for name, count in data["labels"].items())
        console.print(f"{data['rows']} records; languages: {languages}; labels: {labels}", markup=False, soft_wrap=True)
        rows = [[field, column] for field, column in data["columns"].items()]
        console.print(render.plain_table(["field", "column"], rows, title="columns"))
    if outcome["changes"]:
        rows = [[item["key"], item["value"], item["why"]] for item in outcome["changes"]]
        console.print(render.plain_table(["key", "value", "why"], rows, title="fitted to the data; read and edit"))
    if needs_model:
        console.print("name the starting checkpoint in finetuning.yaml (checkpoint), if the default is not it")
    console.print(f"next: touchstone run --config {folder}", markup=False)
