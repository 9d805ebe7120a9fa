"""``touchstone bench dedup``: deduplication of planted near duplicates, ours beside datasketch."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from flows.cli import options, render
from flows.cli.session import prepare, result_on_stdout, screen


def add_to(bench: typer.Typer) -> None:
    """Register the benchmark under ``bench``."""
    bench.command("dedup", epilog="Example: touchstone bench dedup --documents 1000000 --workers 2")(dedup)


def dedup(
    documents: Annotated[int, typer.Option(min=1_000, help="Short documents in the made-up corpus.")] = 100_000,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; one a core by default.")] = None,
    peer_documents: Annotated[int, typer.Option(min=0, help="How many of them the peer gets; 0: no peer.")] = 5_000,
    seed: Annotated[int, typer.Option(min=0, help="Of the corpus.")] = 0,
    json: options.Json = False,
) -> None:
    """Documents a second, memory, precision and recall of near-duplicate search."""
    with result_on_stdout(json) as results:
        prepare()
        from components.cleaning.benchmark import measure_deduplication

        with tempfile.TemporaryDirectory() as folder:
            result = measure_deduplication(
                Path(folder), documents=documents, workers=workers, peer_documents=peer_documents, seed=seed
            )
        results.append(result)
    if json:
        return
    rows = [
        [
            name,
            render.number(side["documents_per_second"]),
            str(side["precision"]["value"]),
            str(side["recall"]["value"]),
        ]
        for name, side in (("touchstone", result["ours"]), ("datasketch", result["peer"]))
        if side is not None
    ]
    title = f"{documents} documents, {result['work']['planted_copies']} planted copies"
    screen().print(render.plain_table(["", "documents/s", "precision", "recall"], rows, title=title))
