"""The scrubbing stage: personal data out of every record, its offsets (never its value) beside it.

In: a corpus folder. Out: a corpus folder with the same records, keys and order; ``spans.jsonl``, one line a record
``{"id", "lang", "spans": [{"start", "end", "label", "score", "detector"}]}`` with code point offsets into the
*input* text, sorted and not overlapping; ``report.json`` with counts.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from components.core.corpus import Record, read_records, write_records
from components.core.errors import ContractError
from components.core.jsonfiles import write_json
from components.core.store import StageReport
from components.scrubbing.config import ScrubbingConfig
from components.scrubbing.detectors import Detector
from components.scrubbing.engine import Engine, guess_lang
from components.scrubbing.policy import apply_policy
from components.scrubbing.spans import Span

logger = logging.getLogger(__name__)

SPANS_FILE = "spans.jsonl"


def detect_personal_data(
    text: str, lang: str | None, config: ScrubbingConfig, *, detectors: Sequence[Detector] = ()
) -> list[Span]:
    """Spans of personal data in ``text``: sorted, not overlapping. ``lang`` None: guessed from the script."""
    return _engine(config, tuple(detectors)).detect(text, lang)


def scrub_text(
    text: str,
    lang: str | None,
    config: ScrubbingConfig,
    *,
    key: bytes | None = None,
    detectors: Sequence[Detector] = (),
) -> tuple[str, list[Span]]:
    """The text with personal data replaced, and the spans (offsets into the input).

    Scrubbing the result again changes nothing. Raises: ConfigError if the policy is hash and there is no key.
    """
    spans = detect_personal_data(text, lang, config, detectors=detectors)
    return (apply_policy(text, spans, config.policy, key=key) if spans else text), spans


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
    for number, record in enumerate(records, start=1):
        text = record.get("text")
        if not isinstance(text, str):
            raise ContractError(
                f"record {number}: text is missing or no string; run ingestion, which sets such lines aside"
            )
        scrubbed, spans = scrub_text(text, record.get("lang"), config, key=key, detectors=detectors)
        yield {**record, "text": scrubbed}, spans


def scrub_corpus(
    corpus: Path,
    config: ScrubbingConfig,
    *,
    out_dir: Path,
    key: bytes | None = None,
    detectors: Sequence[Detector] = (),
) -> StageReport:
    """Replace personal data in every record of a corpus folder.

    Raises: ContractError if a record has no text; ConfigError if the policy is hash and there is no key.
    """
    spans_by_lang: dict[str, Counter[str]] = {}
    totals = Counter[str]()
    out_dir.mkdir(parents=True, exist_ok=True)

    with (out_dir / SPANS_FILE).open("w", encoding="utf-8") as spans_file:

        def scrubbed() -> Iterator[Record]:
            for record, spans in scrub_stream(read_records(corpus), config, key=key, detectors=detectors):
                lang = record.get("lang") or guess_lang(record["text"])
                line = {"id": record["id"], "lang": lang, "spans": [span.as_json() for span in spans]}
                spans_file.write(json.dumps(line, ensure_ascii=False) + "\n")
                spans_by_lang.setdefault(lang, Counter()).update(span.label for span in spans)
                totals["records"] += 1
                totals["records_changed"] += bool(spans)
                totals["spans"] += len(spans)
                yield record

        rows = write_records(scrubbed(), out_dir)

    summary: dict[str, object] = {
        "records": totals["records"],
        "records_changed": totals["records_changed"],
        "spans": totals["spans"],
        "spans_per_label": {lang: dict(sorted(counts.items())) for lang, counts in sorted(spans_by_lang.items())},
        "policy": config.policy,
    }
    write_json(summary, out_dir / "report.json")
    logger.info("scrubbed %d records, %d changed", totals["records"], totals["records_changed"])
    return StageReport(rows=rows, summary=summary)


_last: tuple[ScrubbingConfig, tuple[Detector, ...], Engine] | None = None


def _engine(config: ScrubbingConfig, detectors: tuple[Detector, ...]) -> Engine:
    """The engine of this very config object, made once: a stream asks for it once a record."""
    global _last  # noqa: PLW0603 - one entry, identity-keyed: a cache keyed by value would hash the config per record
    if _last is None or _last[0] is not config or _last[1] != detectors:
        _last = (config, detectors, Engine(config, detectors))
    return _last[2]
