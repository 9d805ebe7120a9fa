"""Options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from components.core.errors import ConfigError

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout; everything else on stderr.")]
Profile = Annotated[
    str | None, typer.Option("--profile", "-p", help="A profile that ships with the program.", show_default=False)
]
ConfigDir = Annotated[
    Path | None, typer.Option("--config", "-c", help="A folder of YAML files, as `touchstone init` writes it.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="STAGE.KEY=VALUE, VALUE in YAML. May be repeated.", metavar="STAGE.KEY=VALUE"),
]
Model = Annotated[
    str,
    typer.Argument(
        help="Payload, release or Hugging Face folder, models:/NAME/VERSION, models:/NAME@ALIAS, runs:/RUN_ID/PATH.",
        metavar="MODEL",
    ),
]
KeyFile = Annotated[
    Path | None, typer.Option("--key", help="Private key file; without it the development key.", metavar="FILE")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is signed and stays on record.", metavar="TEXT")]
Port = Annotated[int | None, typer.Option(min=1, max=65535, show_default=False)]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", help="A column by its field, such as text=Body. May be repeated.", metavar="FIELD=COLUMN"),
]


def parse_columns(entries: list[str] | None) -> dict[Any, str]:
    """``FIELD=COLUMN`` options as a mapping of our field to the column. Raises ConfigError naming a wrong one."""
    from components.ingestion.config import FIELD_NAMES

    known: dict[Any, str] = {}
    for entry in entries or []:
        field, equals, name = entry.partition("=")
        if not equals or not name or field not in FIELD_NAMES:
            raise ConfigError(f"--column {entry}: expected FIELD=COLUMN, FIELD one of {', '.join(FIELD_NAMES)}")
        known[field] = name
    return known
