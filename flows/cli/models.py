"""``evaluate``, ``gate``, ``serve`` and ``export``: verbs over one model."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from components.core.errors import ConfigError
from flows.cli import options, render
from flows.cli.errors import NotPassedError
from flows.cli.session import prepare, result_on_stdout, say, screen

if TYPE_CHECKING:
    from components.core.evidence import Evidence, SuiteReport
    from components.evaluation.context import EvaluationInputs
    from components.gates.config import GatesConfig
    from flows.config import PipelineConfig

_DEFAULT_PORT = 8000
_DEFAULT_PROFILE = "finetune"


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command(
        epilog="Example: touchstone evaluate models:/demo@production --suite crows_pairs --data crows_pairs.csv"
    )(evaluate)
    app.command(epilog="Example: touchstone gate models:/demo/2 --gates gates.yaml --evidence evidence.json")(gate)
    app.command(epilog="Example: touchstone serve models:/demo@production --port 8000")(serve)
    app.command(epilog="Example: touchstone export models:/demo@production plain-model")(export)


def evaluate(
    model: options.Model,
    suite: Annotated[str, typer.Option("--suite", help="Name of the suite.", metavar="NAME")],
    data: Annotated[
        list[Path] | None, typer.Option("--data", help="A file in its published format; may be repeated.")
    ] = None,
    profile: options.Profile = None,
    config: options.ConfigDir = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of samples and resampling.")] = 0,
    json: options.Json = False,
) -> None:
    """Run one evaluation suite and print its metrics with intervals."""
    from components.evaluation.catalogue import SUITES, explain_unknown

    if suite not in SUITES:
        raise ConfigError(f"--suite {explain_unknown('suite', suite, SUITES)}")
    _check_files(suite, data or [])
    with result_on_stdout(json) as results:
        settings = prepare()
        suite_config = _config(profile, config).evaluation.suites.get(suite) if profile or config else None
        from components.evaluation.context import EvaluationInputs
        from components.evaluation.evaluate import evaluate_suite
        from tasks.registry import resolve_model

        folder = resolve_model(model, settings)
        say(f"evaluating {suite}")
        report = evaluate_suite(
            folder,
            suite,
            inputs=EvaluationInputs(suite_data={suite: tuple(data)} if data else {}, detector=_detector()),
            suite_config=suite_config,
            seed=seed,
            clock=time.perf_counter,
        )
        results.append(_suite_document(report))
    if not json:
        _print_suite(report)


def _suite_document(report: SuiteReport) -> dict[str, Any]:
    """The published shape: suite, model, n, metrics, slices, seconds; then the rest."""
    dump = report.model_dump(mode="json")
    first = {"suite": dump["suite"], "model": {"payload_digest": dump.pop("payload_digest")}, "n": dump["n"]}
    rest = {key: dump[key] for key in ("metrics", "slices", "seconds")}
    return {**first, **rest, **{key: value for key, value in dump.items() if key not in {*first, *rest}}}


def _print_suite(report: SuiteReport) -> None:
    rows = [
        [place, name, _measured(metric), str(metric.n), metric.note]
        for place, metrics in {"all": report.metrics, **report.slices}.items()
        for name, metric in metrics.items()
    ]
    title = (
        f"{report.suite}: n {report.n}, payload {report.payload_digest[7:19]}, {render.seconds_text(report.seconds)}"
    )
    screen().print(render.plain_table(["slice", "metric", "value", "n", "note"], rows, title=title))
    for note in report.notes:
        screen().print(note, markup=False, soft_wrap=True)


def _measured(metric: Any) -> str:
    if metric.value is None:
        return "–"
    return render.measured({"value": metric.value, "ci_low": metric.ci_low, "ci_high": metric.ci_high})


def gate(
    model: options.Model,
    gates: Annotated[Path | None, typer.Option("--gates", help="Gates file; the profile's if absent.")] = None,
    champion: Annotated[
        str | None, typer.Option("--champion", help="The model to compare with.", metavar="MODEL")
    ] = None,
    data: Annotated[
        list[str] | None, typer.Option("--data", help="A suite's file; may be repeated.", metavar="SUITE=PATH")
    ] = None,
    evidence: Annotated[
        Path | None, typer.Option("--evidence", help="Judge this evidence.json again instead of running the model.")
    ] = None,
    profile: options.Profile = None,
    config: options.ConfigDir = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for verdict.json and scorecards.")] = Path(),
    json: options.Json = False,
) -> None:
    """Run every gate over a model and write verdict.json; exit 1 if it is refused."""
    with result_on_stdout(json) as results:
        settings = prepare()
        loaded = _config(profile, config)
        rules = _gates(gates, loaded)
        from components.evaluation.context import find_models
        from components.gates.judge import judge
        from components.gates.scorecard import write_verdict
        from tasks.registry import resolve_model

        folder = resolve_model(model, settings)
        inputs = _inputs(data or [])
        measured = _evidence(folder, evidence, loaded, inputs)
        rival = _champion_evidence(champion, settings, loaded, inputs)
        verdict = judge(
            measured,
            rules,
            payload_digest=find_models(folder).payload_digest,
            champion=rival,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        output.mkdir(parents=True, exist_ok=True)
        write_verdict(verdict, out_dir=output, evidence=measured)
        results.append(verdict)
    if not json:
        dump = {"name": model, "decision": "refused" if verdict.decision == "fail" else "passed"}
        candidate = dump | {"gates": verdict.model_dump(mode="json")["gates"]}
        screen().print(render.gate_table([candidate], title=f"payload {verdict.payload_digest[7:19]}"))
        for line in [*render.refusal_lines(candidate), *render.declared_lines(candidate)]:
            screen().print(line, soft_wrap=True)
        screen().print(Text(f"written: {output / 'verdict.json'}"), soft_wrap=True)
    if verdict.decision == "fail":
        raise NotPassedError


def _gates(path: Path | None, config: PipelineConfig) -> GatesConfig:
    """A gates file by itself, with the languages of the profile where it names none."""
    if path is None:
        return config.gates
    import yaml
    from pydantic import ValidationError

    from components.gates.config import GatesConfig

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not a readable YAML file ({type(error).__name__})") from error
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected keys and values, such as gates: [...]")
    try:
        return GatesConfig.model_validate({"languages": config.gates.languages} | values)
    except ValidationError as error:
        lines = [f"{path}: {'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
        raise ConfigError("\n".join(lines)) from error


def _evidence(folder: Path, stored: Path | None, config: PipelineConfig, inputs: EvaluationInputs) -> Evidence:
    """Stored evidence, or the model measured now."""
    from components.evaluation.evaluate import evaluate_payload, read_evidence

    if stored is not None:
        try:
            return read_evidence(stored)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{stored}: not readable evidence; give evidence.json or its folder") from error
    with tempfile.TemporaryDirectory(prefix="touchstone-") as out:
        evaluate_payload(
            folder,
            config.evaluation,
            inputs,
            out_dir=Path(out),
            on_progress=lambda suite, done, total: say(f"evaluate {done}/{total} {suite}"),
            clock=time.perf_counter,
        )
        return read_evidence(Path(out))


def _champion_evidence(
    champion: str | None, settings: Any, config: PipelineConfig, inputs: EvaluationInputs
) -> Evidence | None:
    """The champion's own evidence where it is a release, else measured now."""
    if champion is None:
        return None
    from tasks.registry import resolve_model

    folder = resolve_model(champion, settings)
    sealed = folder / "envelope" / "evidence.json"
    return _evidence(folder, sealed if sealed.exists() else None, config, inputs)


def serve(
    model: options.Model,
    port: options.Port = None,
    unsealed: Annotated[
        bool, typer.Option("--unsealed", help="Serve a payload that nobody judged or approved; to try it out.")
    ] = False,
    profile: options.Profile = None,
    config: options.ConfigDir = None,
) -> None:
    """Serve a release behind its filter over HTTP on loopback, until Ctrl-C."""
    from flows.cli.release import policy_of
    from tasks.servers import HOST, check_port, next_free_port

    settings = prepare(needs_write=True)
    if port is not None:
        check_port(port, "--port")
    from tasks.registry import payload_folder, resolve_model
    from tasks.release_control import check_loadable

    folder = resolve_model(model, settings)
    digest = None if unsealed else check_loadable(model, folder, settings=settings, policy=policy_of(profile, config))
    import uvicorn

    from components.packaging.server import build_app
    from components.packaging.serving import GuardedModel
    from components.safety.decision_log import DecisionLog

    served = GuardedModel.load(payload_folder(folder), expected_digest=digest)
    chosen = port or next_free_port(_DEFAULT_PORT, "--port")
    log = DecisionLog(settings.logs_folder / f"decisions-{served.name}.jsonl")
    address = f"http://{HOST}:{chosen}"
    say(f"{served.name}, payload {served.payload_digest[7:19]}, at {address}; Ctrl-C stops it")
    say(f"""try: curl -s {address}/predict -H 'content-type: application/json' -d '{{"text": "很好 good"}}'""")
    uvicorn.run(build_app(served, log), host=HOST, port=chosen, log_level="warning")


def export(
    model: options.Model,
    folder: Annotated[Path, typer.Argument(help="New or empty folder.", metavar="DIR")],
    data: Annotated[
        str | None,
        typer.Option("--data", help="Instead the data behind it: pretraining or finetuning.", metavar="PURPOSE"),
    ] = None,
    allow_personal_data: Annotated[
        bool, typer.Option("--allow-personal-data", help="With --data: also data that was not scrubbed.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Write the task model as a plain Hugging Face folder with its card; the filter stays behind.

    With --data the data that it was trained and judged on: a DatasetDict with its data card and Croissant document.
    """
    if data is not None or allow_personal_data:
        from flows.cli.data_export import export_data

        export_data(model, folder, data, allow_personal_data=allow_personal_data, as_json=json)
        return
    with result_on_stdout(json) as results:
        settings = prepare()
        from components.packaging.export import export_model
        from tasks.registry import payload_folder, resolve_model

        source = resolve_model(model, settings)
        card = source / "envelope" / "card.md"
        text = card.read_text(encoding="utf-8") if card.exists() else None
        written = export_model(payload_folder(source), folder, card=text)
        results.append({"folder": str(written)})
    if not json:
        line = f"written: {written}; open it with transformers.AutoModelForSequenceClassification"
        screen().print(line, markup=False, soft_wrap=True)


def _config(profile: str | None, config: Path | None) -> PipelineConfig:
    from flows.config import load_config

    if profile is not None and config is not None:
        raise ConfigError("give --profile or --config, not both")
    return load_config(None if config else profile or _DEFAULT_PROFILE, config, [])


def _inputs(data: list[str]) -> EvaluationInputs:
    """``SUITE=PATH`` options, several a suite allowed."""
    from components.evaluation.catalogue import SUITES, explain_unknown
    from components.evaluation.context import EvaluationInputs

    files: dict[str, tuple[Path, ...]] = {}
    for entry in data:
        suite, equals, path = entry.partition("=")
        if not equals or not path:
            raise ConfigError(f"--data {entry}: expected SUITE=PATH")
        if suite not in SUITES:
            raise ConfigError(f"--data {entry}: {explain_unknown('suite', suite, SUITES)}")
        _check_files(suite, [Path(path)])
        files[suite] = (*files.get(suite, ()), Path(path))
    return EvaluationInputs(suite_data=files, detector=_detector())


def _check_files(suite: str, paths: list[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise ConfigError(f"--data {path}: no such file for suite {suite}")


def _detector() -> Any:
    """Finds what points at a person, for suites that look for it."""
    from components.scrubbing.config import ScrubbingConfig
    from components.scrubbing.scrub import detect_personal_data

    config = ScrubbingConfig.model_validate({"languages": ("en", "zh"), "policy": "redact", "min_score": 0.5})
    return lambda text, lang: detect_personal_data(text, lang, config)
