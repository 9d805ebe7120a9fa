"""All verbs of ``touchstone``."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli import bench, data, ingest, initialise, models, monitoring, operate, privacy, release, run, tagger
from flows.cli.session import Options

app = typer.Typer(
    name="touchstone",
    help="Text in, a model out that was measured for privacy, fairness and safety before anyone may serve it. "
    "English and Chinese.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: [bold]touchstone demo[/bold], then [bold]touchstone init mine --data tickets.csv[/bold]",
)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"touchstone {version('touchstone')}")
        raise typer.Exit


@app.callback()
def options(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what the libraries say, on stderr.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the verb."""
    del version
    Options.verbose = verbose


for theme in (run, initialise, operate, monitoring, ingest, data, models, bench, release, privacy, tagger):
    theme.add_to(app)
