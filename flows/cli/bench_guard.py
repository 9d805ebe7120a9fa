"""``touchstone bench guard``: the safety filter's rules beside a list of regular expressions."""

from __future__ import annotations

from typing import Annotated

import typer

from flows.cli import options, render
from flows.cli.session import prepare, result_on_stdout, screen


def add_to(bench: typer.Typer) -> None:
    """Register the benchmark under ``bench``."""
    bench.command("guard", epilog="Example: touchstone bench guard --messages 20000 --json")(guard)


def guard(
    messages: Annotated[int, typer.Option(min=100, help="Messages of 120 characters, in each language.")] = 5_000,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each side; the median counts.")] = 5,
    json: options.Json = False,
) -> None:
    """Messages a second through the rules, and the slowest of them, on one core."""
    with result_on_stdout(json) as results:
        prepare()
        from components.safety.benchmark import MESSAGE_CHARACTERS, measure_guard

        found = measure_guard(messages=messages, rounds=rounds)
        results.append(
            {
                "bench": "guard",
                "ours": {"name": "touchstone rules", **{lang: side["ours"] for lang, side in found.items()}},
                "peer": {"name": "list of regular expressions", **{lang: side["peer"] for lang, side in found.items()}},
                "ratio": min(side["ratio"] for side in found.values()),
                "unit": "messages/s",
                "work": {"messages": messages, "characters": MESSAGE_CHARACTERS, "rounds": rounds, "threads": 1},
            }
        )
    if json:
        return
    rows = [
        [
            lang,
            f"{side['ours']['messages_per_second']:,.0f}",
            f"{side['ours']['p50_ms']:.3f}",
            f"{side['ours']['p99_ms']:.3f}",
            f"{side['peer']['messages_per_second']:,.0f}",
            f"{side['ratio']:.0f}",
        ]
        for lang, side in found.items()
    ]
    heads = ["", "messages/s", "p50 ms", "p99 ms", "regular expressions/s", "ratio"]
    screen().print(render.plain_table(heads, rows, title=f"{messages:,} messages of 120 characters, one core"))
