"""``train-tagger``: make the name tagger that ships with the program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from components.core.errors import ConfigError
from flows.cli import options
from flows.cli.session import result_on_stdout, say


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command("train-tagger", epilog="Example: touchstone train-tagger --data sets -o tagger --folds 5")(train_tagger)


def train_tagger(
    data: Annotated[Path, typer.Option(help="Folder that holds each published set in a folder of its name.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the weights and their card.")] = Path(
        "tagger"
    ),
    folds: Annotated[int, typer.Option(min=0, max=20, help="Measure by that many folds; 0: do not measure.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Everything is drawn from this seed.")] = 20240229,
    recall_bias: Annotated[float, typer.Option(help="Log-odds towards finding at which figures are taken.")] = 1.0,
    json: options.Json = False,
) -> None:
    """Train the tagger of names, places and dates on openly licensed sets, and write weights with their card.

    Needs the extra tagger. The same data and seed give the same bytes on one kind of machine.
    """
    if folds == 1:
        raise ConfigError("--folds 1: one fold leaves nothing to train on; use 0 for none, or 2 and more")
    with result_on_stdout(json) as results:
        try:
            from components.scrubbing.tagger.training.fit import TrainingConfig
            from components.scrubbing.tagger.training.run import train_tagger as train
        except ImportError as error:
            raise ConfigError(f"{error.name} is not installed; run pip install 'touchstone[tagger]'") from error
        card = train(data, output, TrainingConfig(seed=seed), folds=folds, recall_bias=recall_bias)
        if json:
            results.append(card)
        else:
            say(f"wrote {output}; to use it, set scrubbing.detectors to [{{kind: tagger, weights: {output}}}]")
