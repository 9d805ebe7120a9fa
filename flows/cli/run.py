"""``demo``, ``run`` and ``schedule``: the pipeline, once or by the clock."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from flows.cli import options, render
from flows.cli.errors import NotPassedError
from flows.cli.session import prefect_for_one_run, prepare, result_on_stdout, say, screen, wait_for_prefect

if TYPE_CHECKING:
    from flows.config import PipelineConfig
    from tasks.settings import Settings

Timezone = Annotated[str, typer.Option("--timezone", help="IANA name, such as Asia/Shanghai.", metavar="TZ")]
PrefectPort = Annotated[
    int | None, typer.Option("--prefect-port", help="Port of the Prefect server, where one must be started.")
]

DEMO_REASON = "touchstone demo: every blocking gate passed on the embedded corpus"
DEMO_REQUESTS = (
    "The battery lasts all day and the screen is lovely. 很满意，下次还会再来。",
    "I will find you and kill you.",
)


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command(epilog="Example: touchstone demo --json | jq '.candidates[].decision'")(demo)
    app.command(epilog="Example: touchstone run --config mine --set finetuning.epochs=2")(run)
    app.command(epilog='Example: touchstone schedule --profile demo --cron "*/30 * * * *" --timezone Asia/Shanghai')(
        schedule
    )


def demo(overrides: options.Overrides = None, json: options.Json = False) -> None:
    """Train two candidates on the embedded corpus; refuse one, promote the other, ask it twice."""
    from flows.config import load_config

    started = time.monotonic()
    with result_on_stdout(json) as results:
        settings = prepare(needs_write=True)
        config = load_config("demo", None, overrides or [])
        with prefect_for_one_run(settings):
            result = execute(config, settings)
            promoted = [_promote(candidate, config, settings) for candidate in _pending(result)]
        answers = _ask(config.pipeline.name, settings) if promoted else []
        result["seconds"] = round(time.monotonic() - started, 1)
        results.append(_document(result) | {"requests": answers})
    if not json:
        _print_demo(result, answers)
    if not promoted:
        raise NotPassedError


def run(
    profile: options.Profile = None,
    config: options.ConfigDir = None,
    overrides: options.Overrides = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Say that an earlier run is meant to go on. Finished stages are always reused."),
    ] = False,
    json: options.Json = False,
) -> None:
    """Run the whole pipeline once; each candidate ends refused or pending approval."""
    _one_source(profile, config)
    from flows.config import load_config

    with result_on_stdout(json) as results:
        settings = prepare(needs_write=True)
        loaded = load_config(profile, config, overrides or [])
        if resume:
            say("finished stages are reused, training goes on from its last checkpoint")
        with prefect_for_one_run(settings):
            result = execute(loaded, settings)
        results.append(_document(result))
    if not json:
        _print_run(result)
    if all(candidate["decision"] == "refused" for candidate in result["candidates"]):
        raise NotPassedError


def schedule(
    cron: Annotated[str, typer.Option("--cron", help="Five fields: minute hour day month weekday.", metavar="EXPR")],
    profile: options.Profile = None,
    config: options.ConfigDir = None,
    timezone: Timezone = "UTC",
    prefect_port: PrefectPort = None,
) -> None:
    """Serve the pipeline as a Prefect deployment that fires by the clock, until Ctrl-C.

    A run that is still going when the next one is due makes that one be skipped.
    """
    from flows.cli.deployment import check_cron, serve_on_schedule

    _one_source(profile, config)
    check_cron(cron, timezone)
    from flows.config import load_config

    settings = prepare(needs_write=True)
    load_config(profile, config, [])  # a wrong file is found now and not at midnight
    parameters: dict[str, Any] = {"config_dir": str(config.absolute())} if config else {"profile": profile or "demo"}
    name = config.name if config else (profile or "demo")
    serve_on_schedule(name, parameters, settings, cron=cron, timezone=timezone, prefect_port=prefect_port)


def execute(config: PipelineConfig, settings: Settings) -> dict[str, Any]:
    """Run the pipeline with progress on stderr; the result as JSON-able values. Call it with Prefect on its way up."""
    from flows.cli import progress
    from flows.pipeline import run_pipeline
    from tasks.progress import subscribed
    from tasks.stages import preload
    from tasks.tracker import warm_up

    imports = warm_up(settings)
    if not (settings.home / "artefacts").exists():
        imports = preload(after=imports)
    wait_for_prefect()
    imports.join()
    with progress.shown() as listener, subscribed(listener):
        outcome = run_pipeline(config)
    result: dict[str, Any] = outcome.model_dump(mode="json")
    return result


def _one_source(profile: str | None, config: Path | None) -> None:
    if profile is not None and config is not None:
        raise typer.BadParameter("give --profile or --config, not both", param_hint="--profile")


def _pending(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [candidate for candidate in result["candidates"] if candidate["decision"] == "pending"]


def _promote(candidate: dict[str, Any], config: PipelineConfig, settings: Settings) -> dict[str, Any]:
    """Approve with the development key and promote; notes the new decision on the candidate."""
    from tasks.release_control import promote_version, sign_decision

    release, name = Path(candidate["release_path"]), config.pipeline.name
    sign_decision("approve", release, DEMO_REASON, settings=settings, policy=config.release)
    promote_version(name, str(candidate["version"]), settings=settings, policy=config.release)
    candidate.update(decision="promoted", alias=f"{config.pipeline.name}@production")
    return candidate


def _ask(name: str, settings: Settings) -> list[dict[str, Any]]:
    """Load the promoted model back from the registry and send it a harmless and a harmful request."""
    from tasks.workers import run_job

    answers: list[dict[str, Any]] = run_job("tasks.jobs:ask_production", name, list(DEMO_REQUESTS), settings)
    return [{"request": request, **answer} for request, answer in zip(DEMO_REQUESTS, answers, strict=True)]


def _document(result: dict[str, Any]) -> dict[str, Any]:
    """The published fields first, whatever else a run has to say after them."""
    first = {"candidates": result["candidates"], "seconds": result["seconds"]}
    return first | {key: value for key, value in result.items() if key not in first}


def _print_run(result: dict[str, Any]) -> None:
    console = screen()
    console.print(render.gate_table(result["candidates"], title=f"{result['profile']}: {result['run_name']}"))
    for candidate in result["candidates"]:
        for declared in render.declared_lines(candidate):
            console.print(Text.assemble(f"{candidate['name']}: ", declared))
    if result["built_stages"] == 0:
        console.print(f"nothing changed: all {result['reused_stages']} stages were reused")
    else:
        console.print(f"{result['built_stages']} stages built, {result['reused_stages']} reused")
    console.print(f"took {render.seconds_text(result['seconds'])}")
    for line in _next_commands(result):
        console.print(line, markup=False, soft_wrap=True)


def _next_commands(result: dict[str, Any]) -> list[str]:
    lines = []
    for candidate in _pending(result):
        version = candidate["version"]
        model = f"models:/{result['pipeline']}/{version}" if version else candidate["release_path"]
        lines.append(f"{candidate['name']} waits for approval: touchstone approve {model} --reason TEXT")
        if version:
            lines.append(f"then: touchstone promote {result['pipeline']} {version}")
    if any(candidate["decision"] == "refused" for candidate in result["candidates"]):
        lines.append("every refusal in plain words: touchstone why latest")
    return lines


def _print_demo(result: dict[str, Any], answers: list[dict[str, Any]]) -> None:
    console = screen()
    console.print(render.gate_table(result["candidates"], title="touchstone demo: one corpus, two candidates"))
    for candidate in result["candidates"]:
        if candidate["decision"] == "refused":
            names = ", ".join(gate["name"] for gate in render.refusals(candidate))
            console.print(f"{candidate['name']} is refused by: {names}", markup=False)
    for answer in answers:
        shown = f"{answer['label']} ({answer['score']:.2f})" if answer["label"] else f"“{answer['text']}”"
        console.print(f"asked “{answer['request']}” → {answer['action']}: {shown}", markup=False)
    console.print(f"took {render.seconds_text(result['seconds'])}. Next:")
    for command, purpose in _DEMO_NEXT:
        console.print(f"  {command:<42} {purpose}", markup=False)


_DEMO_NEXT = (
    ("touchstone why latest", "every refusal in plain words"),
    ("touchstone diff raw clean", "the two candidates with paired differences"),
    ("touchstone status", "runs, candidates, versions"),
    ("touchstone ui", "MLflow and Prefect in the browser (make ui)"),
    ("touchstone serve models:/demo@production", "an HTTP server of the promoted model"),
    ("touchstone init mine --data FILE", "the same for text of your own"),
)
