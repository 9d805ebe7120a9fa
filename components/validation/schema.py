"""The first check, on what came in: it refuses only what no later stage can mend."""

from __future__ import annotations

from pathlib import Path

from components.core.corpus import shard_paths
from components.core.store import StageReport
from components.validation.config import ValidationConfig
from components.validation.expectations import RowLimit, Rule, ShareLimit
from components.validation.measures import ShardJob
from components.validation.page import write_report
from components.validation.shards import judge_shards, measuring_folder

SUITE = "schema"


def check_schema(corpus: Path, config: ValidationConfig, *, out_dir: Path, work_dir: Path | None = None) -> StageReport:
    """Are there enough records, and does each have an id of its own and (but for ``max_null_share``) a text?

    Writes ``report.json`` and ``report.html``; a corpus that fails is a report with state ``fail``, no exception.
    ``work_dir`` keeps what was measured, so that a second call goes on from there.
    Raises: ContractError if the folder holds no shard.
    """
    rules: list[Rule] = [
        RowLimit("rows", config.min_rows),
        ShareLimit("text_missing", "text_is_missing", config.max_null_share),
        ShareLimit("id_missing", "id_is_missing", 0.0),
        ShareLimit("id_repeated", "id_is_repeated", 0.0),
    ]
    with measuring_folder(work_dir) as folder:
        jobs = [ShardJob(shard, folder, config, None, content=False) for shard in shard_paths(corpus)]
        result = judge_shards(SUITE, rules, jobs, workers=config.workers)
    out_dir.mkdir(parents=True, exist_ok=True)
    write_report(result, out_dir)
    return StageReport(rows=result.rows, summary=result.summary)
