"""The scrubbing stage: personal data out of every record, its offsets (never its value) beside it.

In: a corpus folder. Out: a corpus folder with the same shards, records, keys and order; ``spans.jsonl``, one line a
record ``{"id", "lang", "spans": [{"start", "end", "label", "score", "detector"}]}`` with code point offsets into the
*input* text, sorted and not overlapping; ``report.json`` with counts a label and the residual risk (``probes``).
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from components.core.corpus import Record, shard_paths
from components.core.jsonfiles import write_json
from components.core.pool import map_in_order
from components.core.store import StageReport
from components.scrubbing.config import ScrubbingConfig
from components.scrubbing.detect import detect_personal_data, engine_of
from components.scrubbing.detectors import Detector
from components.scrubbing.probes import ResidualRisk, measure_residual_risk
from components.scrubbing.scrubber import Scrubber
from components.scrubbing.shards import (
    RECORDS_PER_BATCH,
    ShardCounts,
    ShardJob,
    checked_text,
    scrub_records,
    scrub_shard,
)
from components.scrubbing.spans import Span

__all__ = ["detect_personal_data", "scrub_corpus", "scrub_stream", "scrub_text"]

logger = logging.getLogger(__name__)

SPANS_FILE = "spans.jsonl"

# Runs the jobs somewhere and gives their counts in the order of the jobs.
RunShards = Callable[[Sequence[ShardJob]], Iterable[ShardCounts]]


def scrub_text(
    text: str,
    lang: str | None,
    config: ScrubbingConfig,
    *,
    key: bytes | None = None,
    detectors: Sequence[Detector] = (),
) -> tuple[str, list[Span]]:
    """The text with personal data replaced, and the spans (offsets into the input).

    Scrubbing the result again changes nothing. Raises: ConfigError if the policy needs a key and there is none.
    """
    done = _scrubber(config, key, tuple(detectors)).scrub([text], [lang])[0]
    return done.text, done.spans


def scrub_stream(
    records: Iterable[Record],
    config: ScrubbingConfig,
    *,
    key: bytes | None = None,
    detectors: Sequence[Detector] = (),
) -> Iterator[tuple[Record, list[Span]]]:
    """Each record with ``text`` replaced and every other key kept, beside its spans, in the input's order.

    Raises: ContractError if a record has no text.
    """
    scrubber = Scrubber(config, key=key, detectors=detectors)
    numbered = enumerate(records, start=1)
    while batch := list(islice(numbered, RECORDS_PER_BATCH)):
        checked = [checked_text(record, f"record {number}") for number, record in batch]
        for record, _, scrubbed in scrub_records(checked, scrubber, ShardCounts()):
            yield {**record, "text": scrubbed.text}, scrubbed.spans


def scrub_corpus(
    corpus: Path,
    config: ScrubbingConfig,
    *,
    out_dir: Path,
    work_dir: Path | None = None,
    key: bytes | None = None,
    detectors: Sequence[Detector] = (),
    run_shards: RunShards | None = None,
) -> StageReport:
    """Replace personal data in every record of a corpus folder.

    ``work_dir`` keeps finished shards: called again with the same one after a kill, only the others are done.
    ``run_shards`` runs them elsewhere than on this machine's ``config.workers`` processes. Own ``detectors`` may hold
    what no other process can, so they run in this one.

    Raises: ContractError if a record has no text; ConfigError if the policy needs a key and there is none.
    """
    out_dir.mkdir(parents=True, exist_ok=True)
    work = out_dir / ".work" if work_dir is None else work_dir
    jobs = [ShardJob(shard=shard, work=work, config=config, key=key) for shard in shard_paths(corpus)]
    Scrubber(config, key=key, detectors=detectors)  # a wrong config is told here, not by a worker
    if detectors:
        done: Iterable[ShardCounts] = (scrub_shard(job, detectors) for job in jobs)
    elif run_shards is not None:
        done = run_shards(jobs)
    else:
        done = map_in_order(scrub_shard, jobs, workers=min(config.workers, len(jobs)))
    counts = ShardCounts()
    for shard in done:
        counts.merge(shard)
    risk = measure_residual_risk(corpus, engine_of(config, tuple(detectors)), config, counts)
    _assemble(jobs, out_dir)
    if work_dir is None:
        shutil.rmtree(work)
    summary = _summary(counts, config, risk)
    write_json(summary, out_dir / "report.json")
    logger.info("scrubbed %d records, %d changed", counts.records, counts.records_changed)
    return StageReport(rows=counts.records, summary=summary)


def _assemble(jobs: Sequence[ShardJob], out_dir: Path) -> None:
    """Shards into the output folder in order, their offsets into one file."""
    with (out_dir / SPANS_FILE).open("wb") as all_spans:
        for job in jobs:
            with job.spans_path().open("rb") as spans:
                shutil.copyfileobj(spans, all_spans, 1 << 20)
            shutil.move(job.result_path(), out_dir / job.shard.name)


def _summary(counts: ShardCounts, config: ScrubbingConfig, risk: ResidualRisk) -> dict[str, object]:
    per_label = {lang: dict(sorted(labels.items())) for lang, labels in sorted(counts.spans_per_label.items())}
    return {
        "records": counts.records,
        "records_changed": counts.records_changed,
        "spans": counts.spans,
        "spans_per_label": per_label,
        "records_per_lang": dict(sorted(counts.records_per_lang.items())),
        "surrogates_kept": counts.surrogates_kept,
        "placeholders_for_want_of_a_surrogate": counts.placeholders,
        "policy": config.policy,
        "residual_risk": risk.model_dump(mode="json"),
    }


_last_scrubber: tuple[ScrubbingConfig, bytes | None, tuple[Detector, ...], Scrubber] | None = None


def _scrubber(config: ScrubbingConfig, key: bytes | None, detectors: tuple[Detector, ...]) -> Scrubber:
    """The scrubber of this very config object, made once."""
    global _last_scrubber  # noqa: PLW0603 - one entry, as in detect.py
    last = _last_scrubber
    if last is None or last[0] is not config or last[1] != key or last[2] != detectors:
        _last_scrubber = last = (config, key, detectors, Scrubber(config, key=key, detectors=detectors))
    return last[3]
