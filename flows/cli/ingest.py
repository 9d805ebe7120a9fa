"""``touchstone ingest``: any input into a corpus of shards, by several processes, with restart."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from components.core.errors import ConfigError, ContractError
from flows.cli import options
from flows.cli.session import prepare, result_on_stdout, say

if TYPE_CHECKING:
    from components.ingestion.config import IngestionConfig

_REPORT = "report.json"


def add_to(app: typer.Typer) -> None:
    """Register the verb."""
    app.command(epilog="Example: touchstone ingest 's3://bucket/tickets/*.jsonl.gz' -o corpus --workers 8")(ingest)


def ingest(
    sources: Annotated[
        list[str], typer.Argument(help="Files, folders, globs, s3://bucket/key or hf:// data sets.", metavar="INPUT...")
    ],
    output: Annotated[str, typer.Option("-o", "--output", help="New folder, or s3://bucket/prefix.", metavar="OUTPUT")],
    workers: Annotated[int, typer.Option("--workers", min=1, max=256, help="Processes.")] = 1,
    max_quarantined_share: Annotated[
        float, typer.Option(min=0, max=1, help="Broken share of records, or files, above which nothing is written.")
    ] = 0.05,
    max_record_bytes: Annotated[int, typer.Option(min=1_000, help="Longer records are quarantined.")] = 1_000_000,
    column: options.Columns = None,
    json: options.Json = False,
) -> None:
    """Read any input into shards of JSON Lines. Interrupted or killed, the same command goes on where it was."""
    from pydantic import ValidationError

    from components.ingestion.config import IngestionConfig
    from components.scrubbing.keys import load_or_make_key

    with result_on_stdout(json) as results:
        settings = prepare(needs_write=True)
        try:
            config = IngestionConfig.model_validate(
                {
                    "sources": sources,
                    "columns": options.parse_columns(column),
                    "languages": ["en", "zh"],
                    "workers": workers,
                    "max_quarantined_share": max_quarantined_share,
                    "max_record_bytes": max_record_bytes,
                }
            )
        except ValidationError as error:
            raise ConfigError(str(error.errors()[0]["msg"]).removeprefix("Value error, ")) from error
        summary = _ingest(config, output, settings.home / "work", load_or_make_key(settings.keys_folder))
        results.append(summary)
    if not json:
        say(f"{summary['kept']} records in {output}, {summary['quarantined']} quarantined"
            + "".join(f", {reason} {count}" for reason, count in summary["reasons"].items()))  # fmt: skip


@contextlib.contextmanager
def _shown() -> Iterator[Callable[[int, int], None]]:
    """Progress on stderr, for corpora of more than one unit."""
    from flows.cli.progress import shown
    from tasks.progress import ProgressEvent

    with contextlib.ExitStack() as stack:
        listener: Callable[[ProgressEvent], None] | None = None

        def show(done: int, total: int) -> None:
            nonlocal listener
            if listener is None:
                listener = stack.enter_context(shown())
            listener(ProgressEvent("ingest", "", done, total, "shards"))

        yield show


def _ingest(config: IngestionConfig, output: str, work: Path, key: bytes) -> dict[str, Any]:
    """Into a folder that appears when it is whole, or under an S3 prefix, ``report.json`` last."""
    from components.core.hashing import digest_value
    from components.core.remote import is_remote, upload_folder
    from components.ingestion.ingest import ingest_corpus, source_versions
    from components.scrubbing.keys import fingerprint

    plan = digest_value([config.digest(), source_versions(config), fingerprint(key)])
    work_dir = work / f"ingest-{plan.removeprefix('sha256:')[:32]}"
    target = Path(output).expanduser()
    if not is_remote(output) and target.exists():
        raise ConfigError(f"{output}: is there already; name a new folder")
    parent = work if is_remote(output) else target.absolute().parent
    if not parent.is_dir() and not is_remote(output):
        raise ConfigError(f"{parent}: no such folder to write to")
    work_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = Path(tempfile.mkdtemp(prefix=".touchstone-", dir=parent))
    try:
        with _shown() as shards_read:
            report = ingest_corpus(
                config, out_dir=temporary, key=key, work_dir=work_dir, require_languages=False, shards_read=shards_read
            )
        if is_remote(output):
            upload_folder(temporary, output, last=_REPORT)
        else:
            temporary.rename(target)
    except ContractError:
        shutil.rmtree(work_dir, ignore_errors=True)  # it takes other data or settings, so nobody goes on from here
        raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(work_dir, ignore_errors=True)
    return dict(report.summary)
