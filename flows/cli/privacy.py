"""``ledger``: what private trainings have spent, of whose budget."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from flows.cli import options, render
from flows.cli.errors import NotPassedError
from flows.cli.session import prepare, result_on_stdout, screen


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command(epilog="Example: touchstone ledger --scope customers")(ledger)


def ledger(
    scope: Annotated[str | None, typer.Option("--scope", help="Show this scope alone.", metavar="NAME")] = None,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Go on after a broken chain with what can still be read; needs --reason."),
    ] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why the broken ledger is accepted.", metavar="TEXT")] = "",
    json: options.Json = False,
) -> None:
    """Show the privacy budget spent so far, by whom and what remains; exit 1 if the ledger's chain is broken."""
    from components.core.errors import ConfigError
    from components.privacy.ledger import spent_by_scope
    from tasks.audit import this_user
    from tasks.ledger import this_ledger

    with result_on_stdout(json) as results:
        settings = prepare(needs_write=accept)
        log = this_ledger(settings)
        if accept:
            if not reason.strip():
                raise ConfigError("--accept: say why with --reason; the old ledger stays beside the new one")
            log.accept(actor=this_user(), reason=reason)
        report = log.verify()
        scopes = spent_by_scope(report.records, scope)
        if scope is not None and not scopes and not report.problems:
            raise ConfigError(f"--scope {scope}: nothing was spent under this name; look: touchstone ledger")
        results.append({"ok": not report.problems, "count": len(report.records), "problems": list(report.problems),
                        "scopes": [item.model_dump(mode="json") for item in scopes]})  # fmt: skip
    if not json:
        _print(results[0])
    if report.problems:
        raise NotPassedError


def _print(found: dict[str, Any]) -> None:
    console = screen()
    for item in found["scopes"]:
        console.print(
            f"{item['scope']}: epsilon {item['epsilon']:.3f} of {item['lifetime_epsilon']:g} spent, "
            f"{item['remaining']:.3f} left, at delta {item['delta']:g} a {' or '.join(item['units'])}; "
            f"{item['steps']:,} steps, by {item['accountant'].upper()}",
            markup=False, soft_wrap=True,
        )  # fmt: skip
        rows = [[run["run"], run["actor"], f"{run['steps']:,}", f"{run['epsilon']:.3f}"] for run in item["runs"]]
        console.print(render.plain_table(["training", "who", "steps", "epsilon alone"], rows))
    for problem in found["problems"]:
        console.print(f"✗ {problem}", markup=False, soft_wrap=True)
    if not found["ok"]:
        console.print("the chain does not hold: private trainings wait until touchstone ledger --accept --reason TEXT",
                      style="bold red", soft_wrap=True)  # fmt: skip
    elif found["count"]:
        console.print(f"{found['count']} records, the chain holds", style="bold green")
    else:
        console.print("nothing was spent yet")
