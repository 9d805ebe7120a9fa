"""The stage: sources in, a corpus folder out, with ``quarantine.jsonl`` and ``report.json`` beside its shards.

In three steps: the sources are cut into units (``units``); each unit is read, by as many processes as there are
(``read_unit``), into a working folder that outlives a kill, so that another run reads the unfinished ones only; the
units' chunks become the corpus's shards, in order, where ids that repeat are told apart. Memory is bounded by a shard
and by the longest record, and the bytes do not depend on the number of processes.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import numpy as np

from components.core.errors import ConfigError, ContractError
from components.core.hashing import canonical_json, digest_file, digest_value
from components.core.jsonfiles import read_jsonl, write_json
from components.core.pool import map_as_finished
from components.core.remote import is_remote
from components.core.repeats import count_earlier
from components.core.store import StageReport
from components.ingestion.config import EMBEDDED, IngestionConfig
from components.ingestion.hub import hub_revision, parse_address
from components.ingestion.merge import write_shard
from components.ingestion.read_unit import QUARANTINE, UnitCounts, UnitJob, chunk_path, digests_path, read_unit
from components.ingestion.report import Tally
from components.ingestion.sources import HUB_PREFIX, STDIN, list_files
from components.ingestion.units import UNIT_BYTES, Unit, plan_units

logger = logging.getLogger(__name__)


def ingest_corpus(
    config: IngestionConfig,
    *,
    out_dir: Path,
    key: bytes,
    work_dir: Path | None = None,
    unit_bytes: int = UNIT_BYTES,
    require_languages: bool = True,
    shards_read: Callable[[int, int], None] | None = None,
) -> StageReport:
    """Read every source into one corpus; records without a language get the detected one if it is configured.

    Args:
        config: Sources and limits; ``workers`` processes read.
        out_dir: The corpus folder.
        key: Secret that ids are made with where records have none; the same one gives the same ids.
        work_dir: Where finished units wait; a second call with the same folder, sources, settings and key goes on from
            them. It holds records as they were read, so only its owner may look into it. None: a temporary one.
        unit_bytes: About how much of the sources one unit is; decides where shards end.
        require_languages: Whether each configured language must have a record.
        shards_read: Told how many units of how many are read, where there are several.

    Raises: ConfigError for a missing path; ContractError if nothing could be kept, if more than
    ``max_quarantined_share`` was broken, or if a configured language has no record.
    """
    if config.is_embedded and config.embedded is not None:
        from components.ingestion.embedded import write_embedded_corpus

        return write_embedded_corpus(config.embedded, config.purpose, out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    units = plan_units(config, unit_bytes=unit_bytes)
    with _working_folder(work_dir) as work:
        counts = _read_units(config, units, key, work, shards_read)
        tally = Tally(config)
        before = list(_lines_before(units, counts))
        for unit, lines in zip(counts, before, strict=True):
            tally.add(unit, lines)
        try:
            tally.check(require_languages=require_languages)
        except ContractError:
            shutil.rmtree(work, ignore_errors=True)  # other data or settings are needed, so nobody goes on from here
            raise
        _write_quarantine(work, before, out_dir)
        _write_shards(work, counts, out_dir)
    report = tally.report()
    write_json(report, out_dir / "report.json")
    logger.info("ingested %d records, quarantined %d", report.kept, report.quarantined)
    if report.unreadable_files:
        logger.warning("%d of %d files could not be read to their end", report.unreadable_files, report.files)
    return StageReport(rows=report.kept, summary=report.model_dump(exclude={"sources"}))


def source_fingerprint(config: IngestionConfig) -> dict[str, str]:
    """What decides the sources' content: a digest a file, S3's tag an object, a hub revision, the generator's settings.

    Raises: ConfigError for a missing path, and for stdin, which cannot be read twice.
    """
    fingerprint: dict[str, str] = {}
    for path in _paths(config):
        if path == EMBEDDED:
            fingerprint[path] = digest_value(config.embedded.model_dump(mode="json") if config.embedded else None)
        elif path.startswith(HUB_PREFIX):
            fingerprint |= _hub_fingerprint(path)
        elif path == STDIN:
            raise ConfigError("ingestion.sources: - (stdin) cannot be read twice; save it as a .jsonl file")
        else:
            source = next(source for source in config.source_configs() if source.path == path)
            for file in list_files(source):
                if is_remote(file.path):
                    fingerprint[file.path] = f"{file.version} {file.size}"
                else:
                    fingerprint[file.path] = "left out" if file.leaves_root else digest_file(Path(file.path))
    return fingerprint


def source_versions(config: IngestionConfig) -> dict[str, str]:
    """As ``source_fingerprint``, of sizes and times of change instead of digests: quick, and good for one machine."""
    versions: dict[str, str] = {}
    for source in config.source_configs():
        if source.path in {STDIN, EMBEDDED} or source.path.startswith(HUB_PREFIX):
            versions[source.path] = uuid4().hex  # nobody knows; do not go on from what was read before
            continue
        for file in list_files(source):
            changed = file.version or str(Path(file.path).stat().st_mtime_ns)
            versions[file.path] = f"{file.size} {changed}"
    return versions


def _paths(config: IngestionConfig) -> list[str]:
    return [source if isinstance(source, str) else source.path for source in config.sources]


def _hub_fingerprint(path: str) -> dict[str, str]:
    address = parse_address(path)
    if address.folder is None:
        return {path: hub_revision(address)}
    files = [address.folder] if address.folder.is_file() else sorted(address.folder.rglob("*"))
    return {str(file): digest_file(file) for file in files if file.is_file()}


@contextmanager
def _working_folder(work_dir: Path | None) -> Iterator[Path]:
    if work_dir is None:
        with tempfile.TemporaryDirectory(prefix="touchstone-ingest-") as folder:
            yield Path(folder)
        return
    folder_of_units = work_dir / "units"
    folder_of_units.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder_of_units.chmod(0o700)
    yield folder_of_units
    shutil.rmtree(folder_of_units, ignore_errors=True)


def _read_units(
    config: IngestionConfig,
    units: Sequence[Unit],
    key: bytes,
    work: Path,
    shards_read: Callable[[int, int], None] | None,
) -> list[UnitCounts]:
    jobs = [UnitJob(config, unit, work / f"unit-{number:06d}", key) for number, unit in enumerate(units)]
    counts: dict[int, UnitCounts] = {}
    workers = 1 if STDIN in _paths(config) else config.workers
    for done, (number, found) in enumerate(map_as_finished(read_unit, jobs, workers=workers), start=1):
        counts[number] = found
        logger.info("ingest: %d of %d shards read", done, len(jobs))
        if shards_read is not None and len(jobs) > 1:
            shards_read(done, len(jobs))
    return [counts[number] for number in range(len(jobs))]


def _lines_before(units: Sequence[Unit], counts: Sequence[UnitCounts]) -> Iterator[int]:
    """For each unit, the lines that stand before it in a file that an earlier unit began."""
    lines = 0
    for unit, found in zip(units, counts, strict=True):
        lines = lines if unit.continues_file else 0
        yield lines
        lines += found.lines


def _write_quarantine(work: Path, lines_before: Sequence[int], out_dir: Path) -> None:
    with (out_dir / QUARANTINE).open("w", encoding="utf-8") as handle:
        for number, lines in enumerate(lines_before):
            for row in read_jsonl(work / f"unit-{number:06d}" / QUARANTINE):
                handle.write(canonical_json({**row, "line": row["line"] + lines}) + "\n")


def _write_shards(work: Path, counts: Sequence[UnitCounts], out_dir: Path) -> None:
    """Chunks in order as ``part-00000.jsonl``, …; a corpus without records has one empty shard."""
    chunks = [
        (work / f"unit-{number:06d}", chunk) for number, unit in enumerate(counts) for chunk in range(len(unit.chunks))
    ]
    numbered = b"".join(bytes.fromhex(digest) for unit in counts for digest in unit.numbered)
    taken = np.unique(np.frombuffer(numbered, dtype="<u8"))
    scratch = work / "before.bin"
    earlier = count_earlier([digests_path(folder, chunk) for folder, chunk in chunks], scratch)
    for number, ((folder, chunk), counted) in enumerate(zip(chunks, earlier, strict=True)):
        write_shard(chunk_path(folder, chunk), out_dir / f"part-{number:05d}.jsonl", counted, taken)
    if not chunks:
        (out_dir / "part-00000.jsonl").touch()
