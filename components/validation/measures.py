"""Numbers that speak of a shard's records without their text, measured a shard at a time by several processes.

For shard ``part-00003.jsonl`` there come to be ``part-00003.npz`` (a float a record and column), and
``part-00003.texts`` and ``part-00003.ids`` (digests, in order, by which repeats across shards are found). The first is
written last, so a shard that has it is measured; no pickle is involved.
"""

from __future__ import annotations

import json
import math
import os
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.core.repeats import digest_key
from components.ingestion.languages import detect_language
from components.scrubbing import ScrubbingConfig
from components.scrubbing.engine import Engine
from components.validation.config import ValidationConfig

# Text and language of a record to the number of values found in it.
CountPersonalData = Callable[[str, str | None], int]
_CountMany = Callable[[Sequence[str], Sequence[str | None]], list[int]]
Columns = dict[str, npt.NDArray[np.float64]]

_SPACE = re.compile(r"\s+")
_RECORDS_A_LOOK = 200


@dataclass(frozen=True, slots=True)
class ShardJob:
    """A shard and what to measure. ``personal_data`` None: nobody looks. ``content`` False: only what a schema says."""

    shard: Path
    folder: Path
    config: ValidationConfig
    personal_data: ScrubbingConfig | CountPersonalData | None
    content: bool

    def path(self, suffix: str) -> Path:
        """One of the shard's files."""
        return self.folder / f"{self.shard.stem}{suffix}"


def measure_shard(job: ShardJob) -> None:
    """Measure a shard, or find it measured. One that is not JSON Lines throughout gets no numbers at all."""
    if job.path(".npz").exists():
        return
    rows: list[dict[str, float]] = []
    texts, ids = bytearray(), bytearray()
    try:
        for number, (record, text, found) in enumerate(_searched(job)):
            name = record.get("id")
            name = name if isinstance(name, str) and name else None
            rows.append(_measure(record, text, name, job, found))
            nowhere = f"\0{job.shard.name}\0{number}"  # equals nothing, so that what is missing repeats nothing
            texts += digest_key(_SPACE.sub(" ", text).strip().casefold() if text and job.content else nowhere)
            ids += digest_key(name or nowhere)
        columns = {key: np.array([row[key] for row in rows]) for key in rows[0]} if rows else {}
    except (ValueError, RecursionError):
        columns, texts, ids = {}, bytearray(), bytearray()
    job.path(".texts").write_bytes(texts)
    job.path(".ids").write_bytes(ids)
    temporary = job.path(f".{os.getpid()}.tmp.npz")
    np.savez(temporary, **columns)  # type: ignore[arg-type]  # numpy's stub takes the names for its own options
    temporary.replace(job.path(".npz"))


def read_measures(job: ShardJob) -> Columns:
    """The measured columns; none for a shard without records, or one that could not be read."""
    with np.load(job.path(".npz"), allow_pickle=False) as loaded:
        return {name: loaded[name] for name in loaded.files}


def _records(shard: Path) -> Iterator[dict[str, Any]]:
    """Raises: ValueError for a line that is no JSON object in UTF-8."""
    with shard.open(encoding="utf-8", newline="\n") as handle:
        for line in handle:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError("not an object")
            yield record


def _searched(job: ShardJob) -> Iterator[tuple[dict[str, Any], str | None, int | None]]:
    """Each record, its text and how many values were found in it; None where there is no text or nobody looks."""
    count = _counter(job.personal_data) if job.content else None
    records = _records(job.shard)
    while batch := list(islice(records, _RECORDS_A_LOOK)):
        texts = [text if isinstance(text := record.get("text"), str) and text.strip() else None for record in batch]
        found: list[int | None] = [None] * len(batch)
        if count is not None:
            at = [index for index, text in enumerate(texts) if text is not None]
            values = count([texts[index] or "" for index in at], [_language(batch[index]) for index in at])
            for index, value in zip(at, values, strict=True):
                found[index] = value
        yield from zip(batch, texts, found, strict=True)


def _language(record: dict[str, Any]) -> str | None:
    lang = record.get("lang")
    return lang if isinstance(lang, str) else None


def _measure(
    record: dict[str, Any], text: str | None, name: str | None, job: ShardJob, found: int | None
) -> dict[str, float]:
    """A flag is 1 or 0, and NaN where it cannot be known (no text, no detector)."""
    row = {"text_is_missing": float(text is None), "id_is_missing": float(name is None)}
    if not job.content:
        return row
    given = _language(record)
    detected = None if text is None else detect_language(text)[0]
    lang = given or detected
    wanted = job.config.min_language_share
    mismatch = math.nan if text is None else float(detected != lang or detected == "other")
    label = None if record.get("label") is None else str(record["label"])
    return row | {
        "n_characters": math.nan if text is None else float(len(text)),
        "is_wrong_language": mismatch if lang in wanted else 1.0,
        "has_personal_data": math.nan if found is None else float(found > 0),
        "is_wrong_label": float(label not in job.config.labels),
        **{f"is_{known}": float(lang == known) for known in wanted},
    }


def _counter(personal_data: ScrubbingConfig | CountPersonalData | None) -> _CountMany | None:
    if isinstance(personal_data, ScrubbingConfig):
        engine = _engine_of(personal_data)
        return lambda texts, langs: [len(spans) for spans in engine.detect_many(texts, langs)]
    if personal_data is None:
        return None
    return lambda texts, langs: [personal_data(text, lang) for text, lang in zip(texts, langs, strict=True)]


_made = threading.local()


def _engine_of(config: ScrubbingConfig) -> Engine:
    """The detectors of a scrubbing config, made once a thread: candidates are judged side by side."""
    if getattr(_made, "config", None) != config:
        _made.engine, _made.config = Engine(config), config
    found: Engine = _made.engine
    return found
