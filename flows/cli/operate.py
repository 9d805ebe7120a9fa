"""``ui``, ``status``, ``diff``, ``why`` and ``doctor``: what runs, what ran, and why it ended so."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from components.core.errors import ConfigError
from flows.cli import options, render
from flows.cli.errors import NotPassedError
from flows.cli.session import prepare, result_on_stdout, say, screen

if TYPE_CHECKING:
    from components.evaluation.comparison import Comparison
    from tasks.servers import ServerKind, ServerRecord
    from tasks.settings import Settings

LATEST = "latest"
_SHOWN_RUNS = 10


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command(epilog="Example: touchstone ui --mlflow-port 5050")(ui)
    app.command(epilog="Example: touchstone status --json")(status)
    app.command(epilog="Example: touchstone diff raw clean")(diff)
    app.command(epilog="Example: touchstone why latest")(why)
    app.command(epilog="Example: touchstone doctor --fix")(doctor)


def ui(
    stop: Annotated[bool, typer.Option("--stop", help="Stop the servers of this home.")] = False,
    mlflow_port: Annotated[int | None, typer.Option(help="MLflow's port; else 5000 or the next free one.")] = None,
    prefect_port: Annotated[int | None, typer.Option(help="Prefect's port; else 4200 or the next free one.")] = None,
    json: options.Json = False,
) -> None:
    """Start MLflow and Prefect on loopback and keep them running; print both addresses."""
    with result_on_stdout(json) as results:
        settings = prepare(needs_write=not stop)
        if stop:
            stopped = _stop(settings)
            results.append({"stopped": stopped})
        else:
            records = _start(settings, {"mlflow": mlflow_port, "prefect": prefect_port})
            results.append({kind: record.address for kind, record in records.items()})
    if json:
        return
    console = screen()
    if stop:
        console.print(f"stopped: {', '.join(stopped)}" if stopped else "no server of this home was running")
        return
    for kind, record in records.items():
        console.print(f"{kind:<8} {record.address}   (log: {record.log})", markup=False, soft_wrap=True)
    console.print(f"approve, reject, waive and promote by form: {records['prefect'].address}/deployments", markup=False,
                  soft_wrap=True)  # fmt: skip
    console.print("every touchstone command in this folder finds them; stop them with: touchstone ui --stop")


def _start(settings: Settings, ports: dict[str, int | None]) -> dict[str, ServerRecord]:
    """Both servers at once, since each spends its start importing; then the forms, which need Prefect."""
    from tasks.servers import check_port, find_server, start_server
    from tasks.settings import environment_for

    kinds: tuple[ServerKind, ...] = ("mlflow", "prefect")
    for kind in kinds:  # before either starts, so that a refusal leaves nothing running
        port = ports[kind]
        if port is not None and find_server(settings.home, kind) is None:
            check_port(port, f"--{kind}-port")
    say("starting MLflow and Prefect; this takes up to half a minute")
    environment = environment_for(settings)
    with ThreadPoolExecutor(len(kinds)) as pool:
        waiting = {
            kind: pool.submit(start_server, settings.home, kind, environment=environment, port=ports[kind])
            for kind in kinds
        }
        records: dict[str, ServerRecord] = {kind: future.result()[0] for kind, future in waiting.items()}
    asked = environment | {"PREFECT_API_URL": f"{records['prefect'].address}/api"}
    records["forms"], _ = start_server(settings.home, "forms", environment=asked)
    return records


def _stop(settings: Settings) -> list[str]:
    from tasks.servers import stop_server

    kinds: tuple[ServerKind, ...] = ("forms", "mlflow", "prefect")
    return [kind for kind in kinds if stop_server(settings.home, kind) is not None]


def status(
    limit: Annotated[int, typer.Option(min=1, max=500, help="Show at most this many runs.")] = _SHOWN_RUNS,
    json: options.Json = False,
) -> None:
    """Runs, candidates and their decisions, registered versions and their aliases, as MLflow has them."""
    from tasks.history import list_pipeline_runs
    from tasks.registry import list_versions
    from tasks.tracker import has_database

    with result_on_stdout(json) as results:
        settings = prepare()
        runs = list_pipeline_runs(settings, limit=limit)
        versions = list_versions(settings) if has_database(settings) else []
        servers = {"mlflow": settings.tracking_uri(), "prefect": settings.api_url()}
        results.append(
            {
                "home": str(settings.home),
                "servers": servers,
                "runs": [run.model_dump(mode="json") for run in runs],
                "versions": [version.model_dump(mode="json") for version in versions],
            }
        )
    if not json:
        _print_status(runs, versions, servers)


def _print_status(runs: list[Any], versions: list[Any], servers: dict[str, str]) -> None:
    console = screen()
    if not runs and not versions:
        console.print("nothing has run here yet; start with: touchstone demo")
        return
    rows: list[list[str | Text]] = []
    for run in runs:
        took = render.seconds_text(run.seconds) if run.seconds is not None else "–"
        head = [run.name, run.status.lower(), f"{run.started:%Y-%m-%d %H:%M}", took]
        for candidate in run.candidates or [None]:
            tail: list[str | Text] = ["", "", ""]
            if candidate is not None:
                decision = Text(candidate.decision or "–", style=render.DECISION_STYLES.get(candidate.decision, ""))
                tail = [candidate.candidate, decision, _short(candidate.payload_digest)]
            rows.append([*head, *tail])
            head = ["", "", "", ""]
    console.print(render.plain_table(["run", "state", "started", "took", "candidate", "decision", "payload"], rows))
    if versions:
        lines = [
            [
                f"{v.name} v{v.version}",
                v.candidate,
                v.decision,
                ", ".join(f"@{a}" for a in v.aliases),
                v.payload_digest[7:19],
            ]
            for v in versions
        ]
        console.print(render.plain_table(["version", "candidate", "decision", "alias", "payload"], lines))
    console.print(f"MLflow: {servers['mlflow']}   Prefect: {servers['prefect'] or 'a temporary server for each run'}",
                  markup=False, soft_wrap=True)  # fmt: skip


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def diff(
    first: Annotated[str, typer.Argument(help="Candidate name, MLflow run id or payload digest.", metavar="A")],
    second: Annotated[str, typer.Argument(help="The other one.", metavar="B")],
    json: options.Json = False,
) -> None:
    """Two candidates: every metric, and paired differences with intervals over the items that both scored."""
    from components.evaluation.comparison import compare_evidence
    from tasks.history import evidence_folder, find_candidate

    with result_on_stdout(json) as results:
        settings = prepare()
        sides = [find_candidate(name, settings) for name in (first, second)]
        comparison = compare_evidence(*(evidence_folder(side, settings) for side in sides))
        results.append(comparison)
    if not json:
        _print_diff(comparison, [side.candidate for side in sides])


def _print_diff(comparison: Comparison, names: list[str]) -> None:
    console = screen()
    if comparison.first == comparison.second:
        console.print("both are the same payload, byte for byte")
    rows = [
        [change.suite, change.metric, _side(change.first), _side(change.second)]
        for change in comparison.metrics
        if change.slice == "all"
    ]
    console.print(render.plain_table(["suite", "metric", *names], rows, title=f"{names[0]} and {names[1]}"))
    paired: list[list[str | Text]] = []
    for item in comparison.paired:
        interval = f"{render.signed(item.difference)} [{render.signed(item.ci_low)}, {render.signed(item.ci_high)}]"
        style = "bold" if item.differs else "dim"
        paired.append([item.suite, item.slice, str(item.n), Text(interval, style=style)])
    if paired:
        title = f"score of an item, {names[1]} minus {names[0]}, paired; bold where the interval leaves zero out"
        console.print(render.plain_table(["suite", "slice", "items", "difference"], paired, title=title))


def _side(metric: Any) -> str:
    if metric is None or metric.value is None:
        return "–"
    return render.measured({"value": metric.value, "ci_low": metric.ci_low, "ci_high": metric.ci_high})


def why(
    run: Annotated[str, typer.Argument(help="Run name, MLflow run id or `latest`.", metavar="RUN")] = LATEST,
    json: options.Json = False,
) -> None:
    """Every refusal in plain words, with what to do next."""
    with result_on_stdout(json) as results:
        settings = prepare()
        result = find_result(run, settings)
        _bring_up_to_date(result, settings)
        results.append(
            {
                "run_name": result["run_name"],
                "candidates": [
                    {"name": c["name"], "decision": c["decision"], "refusals": render.refusals(c)}
                    for c in result["candidates"]
                ],
            }
        )
    if not json:
        _print_why(result)


def find_result(run: str, settings: Settings) -> dict[str, Any]:
    """A finished run's ``runs/<name>.json``. Raises ConfigError naming the runs there are."""
    from components.core.jsonfiles import read_json

    paths = sorted((settings.home / "runs").glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    if not paths:
        raise ConfigError(f"{settings.home / 'runs'}: no finished run yet; start with: touchstone demo")
    results: list[dict[str, Any]] = [read_json(path) for path in paths]
    for result in results:
        if run in {LATEST, result["run_name"], result["run_id"]}:
            return result
    known = ", ".join(str(result["run_name"]) for result in results[:5])
    raise ConfigError(f"{run}: no finished run of this name or id; the newest are {known}")


def _bring_up_to_date(result: dict[str, Any], settings: Settings) -> None:
    """What has been decided about the candidates since the run ended, and their addresses in the commands to type.

    A registry that is away changes nothing.
    """
    from contextlib import suppress

    from components.core.errors import TouchstoneError
    from tasks import registry

    name = result["pipeline"]
    for candidate in result["candidates"]:
        version = candidate.get("version")
        address = f"models:/{name}/{version}" if version else str(settings.home / candidate["payload_location"])
        for gate in candidate["gates"]:
            gate["next"] = gate["next"].replace(" MODEL ", f" {address} ")
        if version:
            with suppress(TouchstoneError):
                found = registry.get_version(name, str(candidate["version"]), settings=settings)
                candidate["decision"] = found.decision
                candidate["alias"] = f"{name}@{found.aliases[0]}" if found.aliases else ""


def _print_why(result: dict[str, Any]) -> None:
    console = screen()
    console.print(f"run {result['run_name']}, profile {result['profile']}", markup=False)
    for candidate in result["candidates"]:
        console.print(Text.assemble((candidate["name"], "bold"), ": ", render.decision_text(candidate)))
        for line in [*render.refusal_lines(candidate), *render.declared_lines(candidate)]:
            console.print(line, soft_wrap=True)
        if candidate["decision"] == "pending":
            version = candidate.get("version")
            model = f"models:/{result['pipeline']}/{version}" if version else candidate["release_path"]
            console.print(f"    next: touchstone approve {model} --reason TEXT", markup=False, soft_wrap=True)


def doctor(
    fix: Annotated[bool, typer.Option("--fix", help="End stale runs, remove dead servers and their notes.")] = False,
    purge: Annotated[
        bool, typer.Option("--purge", help="Delete stored artefacts that hold personal data; later runs read again.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Versions, servers, stale runs, dead lock holders, free disk; says what to do."""
    from flows.cli.diagnosis import diagnose, purge_restricted

    with result_on_stdout(json) as results:
        settings = prepare()
        if purge:
            say(f"removed {purge_restricted(Path(settings.home))} artefacts that held personal data")
        findings = diagnose(settings, fix=fix)
        results.append({"findings": findings, "ok": all(item["ok"] for item in findings)})
    if not json:
        rows = [
            [
                Text("✓", style="green") if item["ok"] else Text("✗", style="bold red"),
                item["what"],
                item["found"],
                item["next"],
            ]
            for item in findings
        ]
        screen().print(render.plain_table(["", "what", "found", "next"], rows))
    if not all(item["ok"] for item in findings):
        raise NotPassedError
