"""``touchstone scrub`` at work: records in, records out in the same order, on one or several processes."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.core.errors import ConfigError

if TYPE_CHECKING:
    from components.scrubbing.blocks import Block, BlockJob, BlockResult
    from components.scrubbing.config import ScrubbingConfig
    from components.scrubbing.journal import Progress

_RECORDS_A_BLOCK = 1_000
_SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
_LINES = tuple(kind + packed for kind in (".jsonl", ".ndjson") for packed in ("", ".gz", ".zst"))
_UTF16_BOMS = {b"\xff\xfe", b"\xfe\xff"}


@dataclass(frozen=True)
class ScrubJob:
    """What is replaced, and how."""

    config: ScrubbingConfig
    lang: str
    key: bytes | None = field(repr=False)

    @staticmethod
    def checked(*, lang: str, policy: str, labels: str | None, min_score: float, keys: Path) -> ScrubJob:
        """From command line values. Raises ConfigError naming the option that is wrong."""
        from pydantic import ValidationError

        from components.scrubbing.config import LABELS, ScrubbingConfig
        from components.scrubbing.keys import load_or_make_key
        from components.scrubbing.policy import KEYED_POLICIES

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
        return ScrubJob(config, lang, load_or_make_key(keys) if policy in KEYED_POLICIES else None)

    def of_block(self, block: Block, output: Path, spans: Path | None) -> BlockJob:
        """The job of one block."""
        from components.scrubbing.blocks import BlockJob

        lang = None if self.lang == "auto" else self.lang
        return BlockJob(block, self.config, self.key, lang, output.suffix, spans.suffix if spans else None)


def run_scrub_job(
    source: str, output: Path, spans: Path | None, job: ScrubJob, *, workers: int, columns: Mapping[Any, str]
) -> dict[str, Any]:
    """Scrub an input into files, which appear whole or not at all; returns counts.

    Killed and started again, it goes on behind the last block that was written (not from or to a pipe).
    """
    from components.core.hashing import digest_value
    from components.scrubbing.journal import Progress, resumable
    from components.scrubbing.keys import fingerprint

    files = [path for path in (output, spans) if path is not None]
    for path in files:
        _check_target(path)
    blocks = _Blocks(source, columns)
    if any(str(path) == "-" for path in files):
        progress = Progress(signature="")
        _to_stdout(blocks, output, spans, job, progress, workers=workers)
        return _summary(progress, blocks)
    signature = digest_value([blocks.fingerprint(), job.config.digest(), job.lang, fingerprint(job.key), bool(spans)])
    with resumable(files, signature) as target:
        for result in _scrubbed(islice(blocks, target.progress.blocks, None), output, spans, job, workers):
            target.append(result)
        blocks.check(target.progress)
        target.finish()
    return _summary(target.progress, blocks)


def _scrubbed(
    blocks: Iterable[Block], output: Path, spans: Path | None, job: ScrubJob, workers: int
) -> Iterator[BlockResult]:
    from components.core.pool import map_in_order
    from components.scrubbing.blocks import scrub_block
    from flows.cli.progress import counted

    jobs = (job.of_block(block, output, spans) for block in blocks)
    return counted(map_in_order(scrub_block, jobs, workers=workers), "scrub", size=lambda done: done.counts.records)


def _to_stdout(
    blocks: _Blocks, output: Path, spans: Path | None, job: ScrubJob, progress: Progress, *, workers: int
) -> None:
    """Records to stdout, offsets to stdout or to a file that is written plainly."""
    import contextlib

    with contextlib.ExitStack() as stack:
        writers: list[Callable[[bytes], Any]] = []
        for path in (output, spans):
            if path is not None and str(path) != "-":
                writers.append(stack.enter_context(path.open("wb")).write)
            elif path is not None:
                writers.append(sys.stdout.buffer.write)
        for result in _scrubbed(blocks, output, spans, job, workers):
            for write, data in zip(writers, (result.output, result.spans), strict=False):
                write(data)
            progress.take(result)
        blocks.check(progress)
    sys.stdout.flush()


def _changed(path: str) -> int:
    """When a file on disk last changed, in nanoseconds."""
    return Path(path).stat().st_mtime_ns


class _Blocks:
    """The input as blocks of JSON Lines: JSON Lines as they are, any other format through ingestion's readers."""

    def __init__(self, source: str, columns: Mapping[Any, str]) -> None:
        from components.ingestion.config import SourceConfig

        self._source, self._columns = source, dict(columns)
        self._config = SourceConfig(path=source)
        self._unreadable = Counter[str]()
        self._file_error = ""

    def __iter__(self) -> Iterator[Block]:
        if not self._is_lines():
            yield from self._through_ingestion(self._source)
            return
        from components.ingestion.records import FileError
        from components.ingestion.sources import UnreadableFile, open_files
        from components.scrubbing.blocks import read_blocks

        for file in open_files(self._config):
            try:
                if isinstance(file, UnreadableFile):
                    raise file.error
                if file.stream.peek(2)[:2] in _UTF16_BOMS:
                    yield from self._through_ingestion(self._source)  # says what to do about it
                yield from read_blocks(file.stream)
            except FileError as error:  # counted; the next file follows
                self._unreadable[error.reason.value] += 1
                self._file_error = self._file_error or str(error)

    def _is_lines(self) -> bool:
        """Whether every file is JSON Lines with the usual names of fields."""
        if self._columns or self._source.startswith("hf://"):
            return False
        if self._source == "-":
            return True
        from components.ingestion.sources import list_files

        return all(file.path.lower().endswith(_LINES) for file in list_files(self._config))

    def _through_ingestion(self, source: str) -> Iterator[Block]:
        from components.ingestion.readers import read_input
        from components.ingestion.records import Quarantined
        from components.scrubbing.blocks import Block
        from components.scrubbing.lines import format_line

        first, lines = 1, list[bytes]()
        for item in read_input(source, columns=self._columns or None):
            if isinstance(item, Quarantined):
                self._unreadable[item.reason.value] += 1
                continue
            lines.append(format_line(item))
            if len(lines) == _RECORDS_A_BLOCK:
                yield Block(first, b"".join(lines))
                first, lines = first + len(lines), []
        if lines:
            yield Block(first, b"".join(lines))

    def fingerprint(self) -> list[Any]:
        """What tells one input from another without reading it: names, sizes and times of its files."""
        if self._source == "-" or self._source.startswith("hf://"):
            return [self._source]
        from components.ingestion.sources import list_files

        files = [[file.path, file.size, file.version or _changed(file.path)] for file in list_files(self._config)]
        return [*files, sorted(self._columns.items())]

    def unreadable(self, progress: Progress) -> dict[str, int]:
        """Records left out, by reason, those that ingestion's readers set aside included."""
        return dict(sorted((Counter(progress.unreadable) + self._unreadable).items()))

    def check(self, progress: Progress) -> None:
        """Raises ContractError if there were records and none could be read or had a text."""
        from components.core.errors import ContractError
        from components.ingestion.readers import read_input

        if self._file_error and not progress.counts.records:
            raise ContractError(self._file_error)
        if progress.counts.records or not (reasons := self.unreadable(progress)):
            return
        if "no_text" not in reasons:
            counts = ", ".join(f"{reason} {count}" for reason, count in reasons.items())
            raise ContractError(f"{self._source}: no record could be read ({counts}); a line is an object with text")
        if self._source != "-":
            for _ in read_input(self._source):  # says which columns there are
                pass
        raise ContractError(f"{self._source}: no record has a text; name its column with --column text=NAME")


def _summary(progress: Progress, blocks: _Blocks) -> dict[str, Any]:
    counts = progress.counts
    labels = Counter[str]()
    for found in counts.spans_per_label.values():
        labels.update(found)
    return {
        "records": counts.records,
        "records_changed": counts.records_changed,
        "spans": counts.spans,
        "labels": dict(sorted(labels.items())),
        "languages": dict(sorted(counts.records_per_lang.items())),
        "surrogates_kept": counts.surrogates_kept,
        "unreadable": blocks.unreadable(progress),
    }


def _check_target(path: Path) -> None:
    if str(path) == "-":
        return
    if not path.name.endswith(_SUFFIXES):
        raise ConfigError(f"{path}: write to one of {', '.join(_SUFFIXES)}")
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent}: no such folder to write to")
