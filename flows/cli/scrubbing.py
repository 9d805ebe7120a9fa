"""``touchstone scrub`` at work: records in, records out in the same order, on one or several processes."""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import secrets
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from components.core.errors import ConfigError
from flows.cli.session import to_json_line

if TYPE_CHECKING:
    from components.core.corpus import Record
    from components.scrubbing.config import ScrubbingConfig

_RECORDS_A_BATCH = 200
_KEY_BYTES = 32
_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")

# A record and the offsets of what was replaced in it, both as lines of JSON, with the labels to count.
Done = tuple[str, str, list[str]]


@dataclass(frozen=True)
class ScrubJob:
    """What is replaced, and how. Travels to worker processes."""

    config: ScrubbingConfig
    lang: str
    key: bytes | None

    @staticmethod
    def checked(*, lang: str, policy: str, labels: str | None, min_score: float, keys: Path) -> ScrubJob:
        """From command line values. Raises ConfigError naming the option that is wrong."""
        from pydantic import ValidationError

        from components.scrubbing.config import LABELS, ScrubbingConfig

        wanted = [label.strip() for label in labels.split(",")] if labels else list(LABELS)
        if unknown := [label for label in wanted if label not in LABELS]:
            raise ConfigError(f"--labels {','.join(unknown)}: unknown; known: {', '.join(LABELS)}")
        languages = ("en", "zh") if lang == "auto" else (lang,)
        try:
            config = ScrubbingConfig.model_validate(
                {"languages": languages, "labels": wanted, "policy": policy, "min_score": min_score}
            )
        except ValidationError as error:
            message = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
            raise ConfigError(f"--policy {policy}: {message}") from error
        return ScrubJob(config, lang, _hash_key(keys) if policy == "hash" else None)


def run_scrub_job(
    source: str, output: Path, spans: Path | None, job: ScrubJob, *, workers: int, columns: Mapping[Any, str]
) -> dict[str, Any]:
    """Scrub an input into files, which appear whole or not at all; returns counts."""
    from components.ingestion.readers import read_input
    from flows.cli.progress import counted

    unreadable, labels = Counter[str](), Counter[str]()
    records, changed = 0, 0
    with _writer(output) as write, _writer(spans) if spans else contextlib.nullcontext() as write_spans:
        readable = _readable(counted(read_input(source, columns=columns or None), "scrub"), unreadable)
        for line, span_line, found in _scrubbed(readable, job, workers):
            write(line)
            if write_spans is not None:
                write_spans(span_line)
            records += 1
            changed += bool(found)
            labels.update(found)
    return {
        "records": records,
        "records_changed": changed,
        "spans": labels.total(),
        "labels": dict(sorted(labels.items())),
        "unreadable": dict(sorted(unreadable.items())),
    }


def _readable(items: Iterable[Any], unreadable: Counter[str]) -> Iterator[Record]:
    from components.ingestion.records import Quarantined

    for item in items:
        if isinstance(item, Quarantined):
            unreadable[item.reason.value] += 1
        else:
            yield item


def _scrubbed(records: Iterator[Record], job: ScrubJob, workers: int) -> Iterator[Done]:
    batches = iter(lambda: list(islice(records, _RECORDS_A_BATCH)), [])
    if workers == 1:
        for batch in batches:
            yield from _scrub_batch(batch, job)
        return
    with ProcessPoolExecutor(workers) as pool:
        # A window of batches in flight: order is kept and memory stays bounded.
        waiting = [pool.submit(_scrub_batch, batch, job) for batch in islice(batches, 2 * workers)]
        while waiting:
            yield from waiting.pop(0).result()
            waiting += [pool.submit(_scrub_batch, batch, job) for batch in islice(batches, 1)]


def _scrub_batch(batch: list[Record], job: ScrubJob) -> list[Done]:
    from components.scrubbing.engine import guess_lang
    from components.scrubbing.scrub import scrub_text

    done: list[Done] = []
    for record in batch:
        lang = job.lang if job.lang != "auto" else record.get("lang") or guess_lang(record["text"])
        text, spans = scrub_text(record["text"], lang, job.config, key=job.key)
        row = {"id": record["id"], "lang": lang, "spans": [span.as_json() for span in spans]}
        done.append((to_json_line({**record, "text": text}), to_json_line(row), [span.label for span in spans]))
    return done


def _hash_key(folder: Path) -> bytes:
    """The home's secret for the hash policy, made on first use: equal values get equal hashes from run to run."""
    path = folder / "scrub-hash.key"
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as handle:
            handle.write(secrets.token_bytes(_KEY_BYTES))
    return path.read_bytes()


@contextlib.contextmanager
def _writer(path: Path) -> Iterator[Any]:
    """A function that writes text; the file is renamed into place when the block ends well."""
    if str(path) == "-":
        yield sys.stdout.write
        sys.stdout.flush()
        return
    if not path.name.endswith(_SUFFIXES):
        raise ConfigError(f"{path}: write to one of {', '.join(_SUFFIXES)}")
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent}: no such folder to write to")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _open(temporary, path.name) as handle:
            yield handle.write
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _open(path: Path, name: str) -> IO[str]:
    if name.endswith(".gz"):
        return gzip.open(path, "wt", encoding="utf-8")
    if name.endswith(".zst"):
        import zstandard

        return io.TextIOWrapper(zstandard.open(path, "wb"), encoding="utf-8")
    return path.open("w", encoding="utf-8")
