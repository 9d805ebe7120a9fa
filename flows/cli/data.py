"""``validate``, ``scrub``, ``drift`` and ``guard``: verbs over texts, without a pipeline run."""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from components.core.corpus import LANGUAGES
from components.core.errors import ConfigError, ContractError
from flows.cli import options, render
from flows.cli.errors import NotPassedError
from flows.cli.session import prepare, result_on_stdout, say, screen, to_json_line

if TYPE_CHECKING:
    from components.core.corpus import Record
    from flows.config import PipelineConfig

Input = Annotated[
    str,
    typer.Argument(
        help="File, folder, glob, s3://bucket/key, hf://owner/name[:config][#split], or - for JSONL.", metavar="INPUT"
    ),
]
Report = Annotated[Path | None, typer.Option("--report", help="Folder for report.html and report.json.", metavar="DIR")]
_DEFAULT_PROFILE = "finetune"


def add_to(app: typer.Typer) -> None:
    """Register the verbs."""
    app.command(epilog="Example: touchstone validate tickets.csv --config mine --report out")(validate)
    app.command(epilog="Example: touchstone scrub tickets.csv -o clean.jsonl --spans spans.jsonl --lang auto")(scrub)
    app.command(epilog="Example: touchstone drift may.jsonl --reference april.jsonl --report out")(drift)
    app.command(epilog='Example: echo \'{"text": "你好"}\' | touchstone guard --fail-on-block')(guard)


def validate(
    source: Input,
    profile: options.Profile = None,
    config: options.ConfigDir = None,
    overrides: options.Overrides = None,
    report: Report = None,
    json: options.Json = False,
) -> None:
    """Run the Great Expectations suite over a corpus; exit 1 if it fails. Counts only, never a value."""
    from components.core.jsonfiles import read_json

    with result_on_stdout(json) as results:
        prepare()
        loaded = _config(profile, config, overrides)
        from components.validation.suite import validate_corpus

        with _corpus(source, loaded) as corpus, _report_folder(report) as out:
            validate_corpus(corpus, loaded.validation, out_dir=out, personal_data=loaded.scrubbing)
            outcome = read_json(out / "report.json")
        results.append(outcome)
    if not json:
        rows = [
            [item["name"], render.number(item["observed"]) if item["observed"] is not None else "–",
             f"{'≤' if item['side'] == 'max' else '≥'} {render.number(item['limit'])}", item["state"]]
            for item in outcome["expectations"]
        ]  # fmt: skip
        title = f"{source}: {outcome['rows']} records, {outcome['state']}"
        screen().print(render.plain_table(["expectation", "observed", "limit", "state"], rows, title=title))
        if report is not None:
            say(f"written: {report / 'report.html'}")
    if outcome["state"] != "pass":
        raise NotPassedError


def drift(
    current: Annotated[str, typer.Argument(help="The corpus to look at.", metavar="CURRENT")],
    reference: Annotated[str, typer.Option("--reference", help="What it should be like.", metavar="REFERENCE")],
    profile: options.Profile = None,
    config: options.ConfigDir = None,
    overrides: options.Overrides = None,
    report: Report = None,
    json: options.Json = False,
) -> None:
    """Compare a corpus with a reference (Evidently); exit 1 on drift, and where it cannot be judged."""
    from components.core.jsonfiles import read_json

    with result_on_stdout(json) as results:
        prepare()
        loaded = _config(profile, config, overrides)
        from components.validation.drift import measure_drift

        with _corpus(current, loaded) as now, _corpus(reference, loaded) as before, _report_folder(report) as out:
            measure_drift(now, before, loaded.drift, out_dir=out)
            outcome = read_json(out / "report.json")
        results.append(outcome)
    if not json:
        _print_drift(outcome, report)
    if outcome["state"] != "no_drift":
        raise NotPassedError


def _print_drift(outcome: dict[str, Any], report: Path | None) -> None:
    marks = {"same": "same", "drifted": "drifted", "unresolved": "too few records", "not_judged": "not judged"}
    rows = [
        [item["name"], "–" if item["score"] is None else render.number(item["score"]),
         render.number(item["threshold"]), "–" if item["chance"] is None else render.number(item["chance"]),
         f"{item['n_current']} / {item['n_reference']}", marks[item["state"]], item["reason"]]
        for item in outcome["tests"]
    ]  # fmt: skip
    title = f"{outcome['state']}: {outcome['rows_current']} records against {outcome['rows_reference']}"
    head = ["test", "distance", "limit", "chance reaches", "n", "state", "why"]
    if not any(row[-1] for row in rows):
        head, rows = head[:-1], [row[:-1] for row in rows]
    screen().print(render.plain_table(head, rows, title=title))
    if outcome["reason"]:
        screen().print(outcome["reason"], markup=False)
    if report is not None:
        say(f"written: {report / 'report.html'}")


def scrub(
    source: Input,
    output: Annotated[
        str, typer.Option("-o", "--output", help="JSONL file or s3://bucket/key to write (.jsonl, .gz, .zst), or -.")
    ],
    spans: Annotated[Path | None, typer.Option("--spans", help="JSONL file for offsets and labels.")] = None,
    lang: Annotated[str, typer.Option("--lang", help="auto, en or zh.")] = "auto",
    policy: Annotated[str, typer.Option("--policy", help="redact, mask, pseudonymize or hash.")] = "redact",
    labels: Annotated[str | None, typer.Option("--labels", help="Only these, PERSON,URL; unsaid: every label.")] = None,
    min_score: Annotated[float, typer.Option(min=0, max=1, help="Leave spans scored below this.")] = 0.5,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="Processes.")] = 1,
    column: options.Columns = None,
    json: options.Json = False,
) -> None:
    """Replace personal data in every record; order and other fields stay."""
    from flows.cli.outputs import local_target
    from flows.cli.scrubbing import ScrubJob, run_scrub_job

    if lang not in {"auto", "en", "zh"}:
        raise ConfigError(f"--lang {lang}: expected auto, en or zh")
    if json and output == "-":
        raise ConfigError("--json and -o - both want stdout; write the records to a file")
    with result_on_stdout(json) as results:
        settings = prepare(needs_write=policy in {"hash", "pseudonymize"})
        job = ScrubJob.checked(lang=lang, policy=policy, labels=labels, min_score=min_score, keys=settings.keys_folder)
        columns = options.parse_columns(column)
        with local_target(output, settings.home) as target:
            summary = run_scrub_job(source, target, spans, job, workers=workers, columns=columns)
        results.append(summary)
    if not json:
        say(f"{summary['records']} records, {summary['records_changed']} changed, {summary['spans']} values replaced: "
            + (", ".join(f"{label} {n}" for label, n in summary["labels"].items()) or "none"))  # fmt: skip
        if summary["unreadable"]:
            say(f"left out as unreadable: {', '.join(f'{reason} {n}' for reason, n in summary['unreadable'].items())}")


def guard(
    source: Input = "-",
    model: Annotated[str | None, typer.Option("--model", help="A payload's filter instead of the shipped one.")] = None,
    fail_on_block: Annotated[bool, typer.Option("--fail-on-block", help="Exit 1 if any text is blocked.")] = False,
    column: options.Columns = None,
    json: options.Json = False,
) -> None:
    """What the safety filter does with each record: JSON Lines on stdout, one array with --json."""
    with result_on_stdout(json) as results:
        settings = prepare()
        safety_filter = _filter(model, settings)
        rows: list[dict[str, Any]] = []
        blocked = 0
        for record in _records(source, "guard", options.parse_columns(column) or None):
            lang = record["lang"] if record["lang"] in LANGUAGES else None
            decision = safety_filter.check(record["text"], lang)
            blocked += decision.action == "block"
            row = {"id": record["id"], **decision.model_dump(mode="json")}
            if json:
                rows.append(row)
            else:
                sys.stdout.write(to_json_line(row))
        results.append({"records": rows, "blocked": blocked})
    if not json:
        sys.stdout.flush()
    if blocked and fail_on_block:
        raise NotPassedError


def _filter(model: str | None, settings: Any) -> Any:
    from components.safety.default_filter import default_filter
    from components.safety.filter import SafetyFilter

    if model is None:
        return default_filter()
    from components.core.payload import verify_payload
    from tasks.registry import payload_folder, resolve_model

    payload = payload_folder(resolve_model(model, settings))
    verify_payload(payload)
    return SafetyFilter.load(payload / "filter")


def _config(profile: str | None, config: Path | None, overrides: list[str] | None) -> PipelineConfig:
    from flows.config import load_config

    if profile is not None and config is not None:
        raise ConfigError("give --profile or --config, not both")
    return load_config(None if config else profile or _DEFAULT_PROFILE, config, overrides or [])


def _records(source: str, stage: str, columns: Any = None) -> Iterator[Record]:
    """Readable records, each with a language and, if it has no id, its place; others are counted on stderr."""
    from components.ingestion.languages import detect_language
    from components.ingestion.readers import read_input
    from components.ingestion.records import Quarantined
    from flows.cli.progress import counted

    unreadable = Counter[str]()
    kept = 0
    for item in counted(read_input(source, columns=columns), stage):
        if isinstance(item, Quarantined):
            unreadable[item.reason.value] += 1
            continue
        kept += 1
        given = {"id": f"record-{kept}", "lang": item.get("lang") or detect_language(item["text"])[0]}
        yield {**given, **item, "lang": given["lang"]}
    if unreadable:
        say(f"{source}: left out as unreadable: {', '.join(f'{reason} {n}' for reason, n in unreadable.items())}")
    if not kept:
        raise ContractError(f"{source}: no readable record; check the file and the names of its columns")


@contextlib.contextmanager
def _corpus(source: str, config: PipelineConfig) -> Iterator[Path]:
    """The input as a corpus folder that only its owner reads and that is gone afterwards."""
    from components.core.corpus import write_records

    folder = Path(tempfile.mkdtemp(prefix="touchstone-"))  # mkdtemp gives owner-only permissions
    try:
        write_records(_records(source, "read", config.ingestion.columns or None), folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _report_folder(asked: Path | None) -> Iterator[Path]:
    if asked is not None:
        asked.mkdir(parents=True, exist_ok=True)
        yield asked
        return
    with tempfile.TemporaryDirectory(prefix="touchstone-") as folder:
        yield Path(folder)
