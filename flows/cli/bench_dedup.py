"""``touchstone bench dedup``: deduplication of planted near duplicates, ours beside datasketch."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from flows.cli import options, render
from flows.cli.progress import phases
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

        with tempfile.TemporaryDirectory() as folder, phases(3 if peer_documents else 2) as enter:
            result = measure_deduplication(
                Path(folder),
                documents=documents,
                workers=workers,
                peer_documents=peer_documents,
                seed=seed,
                begins=enter,
            )
        results.append(result)
    if json:
        return
    rows = [
        [
            name,
            f"{side['documents_per_second']:,.0f}",
            _share(side["precision"]),
            _share(side["recall"]),
        ]
        for name, side in (("touchstone", result["ours"]), ("datasketch", result["peer"]))
        if side is not None
    ]
    ours, work = result["ours"], result["work"]
    title = f"{documents:,} documents, {work['planted_copies']:,} planted copies"
    screen().print(render.plain_table(["", "documents/s", "precision", "recall"], rows, title=title))
    ratio = f"; {result['ratio']} times the peer" if result["ratio"] else ""
    screen().print(
        f"{ours['seconds']:,.0f} s, {ours['processor_seconds']:,.0f} s of processors, at most "
        f"{ours['peak_megabytes_main']:,} MB in the main process and {ours['peak_megabytes_worker']:,} MB in a "
        f"worker{ratio}",
        markup=False,
        soft_wrap=True,
    )


def _share(found: dict[str, float]) -> str:
    return f"{found['value']:.3f} [{found['ci_low']:.3f}, {found['ci_high']:.3f}]"
