"""The first check, on what came in: it refuses only what no later stage can mend."""

from __future__ import annotations

from pathlib import Path

from components.core.corpus import read_records
from components.core.store import StageReport
from components.validation.config import ValidationConfig
from components.validation.expectations import RowLimit, Rule, ShareLimit, run_suite
from components.validation.frame import quality_frame
from components.validation.report import write_report

SUITE = "schema"


def check_schema(corpus: Path, config: ValidationConfig, *, out_dir: Path) -> StageReport:
    """Are there enough records, and does each have an id of its own and (but for ``max_null_share``) a text?

    Writes ``report.json`` and ``report.html``; a corpus that fails is a report with state ``fail``, no exception.
    Raises: ContractError if the folder holds no shard.
    """
    frame = quality_frame(read_records(corpus), None)
    rules: list[Rule] = [
        RowLimit("rows", config.min_rows),
        ShareLimit("text_missing", "text_is_missing", config.max_null_share),
        ShareLimit("id_missing", "id_is_missing", 0.0),
        ShareLimit("id_repeated", "id_is_repeated", 0.0),
    ]
    result = run_suite(SUITE, frame, rules)
    out_dir.mkdir(parents=True, exist_ok=True)
    write_report(result, out_dir)
    return StageReport(rows=result.rows, summary=result.summary)
