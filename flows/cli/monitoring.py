"""``monitor``: what comes in and what the served filter did, held against what was trained on and agreed to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from components.core.errors import ConfigError
from flows.cli import options, render
from flows.cli.errors import NotPassedError
from flows.cli.session import (
    ensure_writable,
    prefect_for_one_run,
    prepare,
    result_on_stdout,
    say,
    screen,
    wait_for_prefect,
)


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command(epilog="Example: touchstone monitor may.jsonl --config mine --max-blocked-share 0.02 --retrain")(
        monitor
    )


def monitor(
    source: Annotated[
        str | None,
        typer.Argument(
            help="Documents that came in; without them only decisions are looked at.",
            metavar="[INPUT]",
            show_default=False,
        ),
    ] = None,
    profile: options.Profile = None,
    config: options.ConfigDir = None,
    max_blocked_share: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Largest share of served texts that may be blocked.", show_default=False),
    ] = None,
    retrain: Annotated[bool, typer.Option("--retrain", help="Run the pipeline if the documents drifted.")] = False,
    json: options.Json = False,
) -> None:
    """Hold documents against the training data (drift) and served decisions against a limit (harm).

    Exit 1 where something drifted, was blocked too often, or could not be judged.
    """
    if profile is not None and config is not None:
        raise ConfigError("give --profile or --config, not both")
    if source is None and max_blocked_share is None:
        raise ConfigError("monitor: give documents to compare, --max-blocked-share to hold decisions against, or both")
    if retrain and source is None:
        raise ConfigError("--retrain: follows from drift, so give the documents that came in")
    with result_on_stdout(json) as results:
        settings = prepare()
        drift = _drift(source, profile, config, retrain=retrain) if source is not None else None
        harm = None
        if max_blocked_share is not None:
            from components.safety.decisions import judge_decisions

            harm = judge_decisions(settings.logs_folder, max_blocked_share=max_blocked_share).model_dump(mode="json")
        results.append({"drift": drift, "harm": harm})
    if not json:
        _print(drift, harm)
    if (drift is not None and drift["state"] != "no_drift") or (harm is not None and harm["state"] != "pass"):
        raise NotPassedError


def _drift(source: str, profile: str | None, config: Path | None, *, retrain: bool) -> dict[str, Any]:
    """Run the flow; the drift report's summary, and whether the pipeline ran after it."""
    from flows.config import load_config
    from tasks.settings import Settings

    load_config(profile, config, [])  # a wrong file is found before a server starts
    settings = Settings()
    ensure_writable(settings.home)
    with prefect_for_one_run(settings):
        from flows.monitor import monitor as flow

        wait_for_prefect()
        state: Any = flow(
            source, profile=profile, config_dir=str(config) if config else None, retrain=retrain, return_state=True
        )
        report = state.result()
    return {
        **report.summary,
        "rows_current": report.rows,
        "report": str(settings.home / report.location / "report.html"),
        "retrained": retrain and report.summary["state"] == "drift",
    }


def _print(drift: Mapping[str, Any] | None, harm: Mapping[str, Any] | None) -> None:
    console = screen()
    if drift is not None:
        what = f": {', '.join(drift['drifted'])}" if drift["drifted"] else ""
        console.print(f"drift: {drift['state']}{what} ({drift['rows_current']} documents against "
                      f"{drift['rows_reference']})", markup=False, soft_wrap=True)  # fmt: skip
        say(f"report: {drift['report']}")
        if drift["retrained"]:
            say("the pipeline ran again: touchstone status")
    if harm is not None:
        value = "–" if harm["blocked_share"] is None else render.number(harm["blocked_share"])
        interval = f" [{render.number(harm['ci_low'])}, {render.number(harm['ci_high'])}]" if harm["n"] else ""
        console.print(
            f"blocked: {value}{interval} of {harm['n']} served texts, limit {render.number(harm['limit'])}: "
            f"{harm['state']}",
            markup=False,
        )
