"""``touchstone bench seal``: sealing and verifying a release beside reading it once with SHA-256."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli import options, render
from flows.cli.progress import phases
from flows.cli.session import prepare, result_on_stdout, screen

_PREPARATIONS = 1


def add_to(bench: typer.Typer) -> None:
    """Register the benchmark under ``bench``."""
    bench.command("seal", epilog="Example: touchstone bench seal --megabytes 500 --json")(seal)


def seal(
    megabytes: Annotated[int, typer.Option(min=1, max=100_000, help="Size of the weights.")] = 500,
    files: Annotated[int, typer.Option(min=1, max=1_000, help="Files that the weights are split into.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each side; the median counts.")] = 5,
    json: options.Json = False,
) -> None:
    """Seconds to seal and to verify a release, and how often it could be read with SHA-256 meanwhile."""
    with result_on_stdout(json) as results:
        settings = prepare(needs_write=True)
        from components.release.benchmark import measure_sealing

        settings.home.mkdir(parents=True, exist_ok=True)
        # On the disk that releases lie on: a folder for temporary files may be memory.
        with tempfile.TemporaryDirectory(prefix="bench-", dir=settings.home) as folder, \
                phases(_PREPARATIONS + rounds) as enter:  # fmt: skip
            results.append(measure_sealing(Path(folder), megabytes=megabytes, files=files, rounds=rounds, begins=enter))
    if not json:
        _show(results[0])


def _show(result: dict[str, Any]) -> None:
    peer, work = result["peer"], result["work"]
    rows = [[f"{peer['name']}, once", _seconds(peer), "1"]]
    rows += [
        [f"touchstone, {turn}", _seconds(result["ours"][turn]), _ratio(result[f"{turn}_ratio"])]
        for turn in ("seal", "verify")
    ]
    title = f"{work['megabytes']} MB in {work['files']} file(s), {work['cores']} cores, median of {work['rounds']}"
    screen().print(render.plain_table(["", "seconds", "ratio (least to most)"], rows, title=title))


def _seconds(spread: dict[str, float]) -> str:
    return f"{spread['median']:.2f}"


def _ratio(spread: dict[str, float]) -> str:
    return f"{spread['median']:.2f} ({spread['min']:.2f} to {spread['max']:.2f})"
