"""The quality suite, on what goes out: nulls, lengths, languages, duplicates, residual personal data, labels."""

from __future__ import annotations

from pathlib import Path

from components.core.corpus import shard_paths
from components.core.store import StageReport
from components.scrubbing import ScrubbingConfig
from components.validation.config import ValidationConfig
from components.validation.expectations import RangeLimit, RowLimit, Rule, ShareLimit
from components.validation.measures import CountPersonalData, ShardJob
from components.validation.page import write_report
from components.validation.shards import judge_shards, measuring_folder

SUITE = "quality"


def validate_corpus(
    corpus: Path,
    config: ValidationConfig,
    *,
    out_dir: Path,
    personal_data: ScrubbingConfig | CountPersonalData | None,
    work_dir: Path | None = None,
) -> StageReport:
    """Judge a corpus by the suite, shard by shard.

    ``personal_data`` is what looks for residual values: a scrubbing config (its labels, languages and score), or a
    function of text and language to a count. With None that expectation is an error, since nobody looked.
    ``work_dir`` keeps what was measured, so that a second call goes on from there.
    Writes ``report.json`` ({suite, state, rows, expectations, shards}) and ``report.html``; a corpus that fails is a
    report with state ``fail``, no exception. Raises: ContractError if the folder holds no shard.
    """
    # A function need not pickle; it looks for itself, in this process.
    workers = config.workers if personal_data is None or isinstance(personal_data, ScrubbingConfig) else 1
    with measuring_folder(work_dir) as folder:
        jobs = [ShardJob(shard, folder, config, personal_data, content=True) for shard in shard_paths(corpus)]
        result = judge_shards(SUITE, quality_rules(config), jobs, workers=workers)
    out_dir.mkdir(parents=True, exist_ok=True)
    write_report(result, out_dir)
    return StageReport(rows=result.rows, summary=result.summary)


def quality_rules(config: ValidationConfig) -> list[Rule]:
    """The expectations that a config asks for."""
    rules: list[Rule] = [
        RowLimit("rows", config.min_rows),
        ShareLimit("text_missing", "text_is_missing", config.max_null_share),
        ShareLimit("id_repeated", "id_is_repeated", 0.0),
        RangeLimit(
            "length_outliers",
            "n_characters",
            config.min_characters,
            config.max_characters,
            config.max_length_outlier_share,
        ),
        *(
            ShareLimit(f"language_{lang}", f"is_{lang}", share, side="min")
            for lang, share in sorted(config.min_language_share.items())
        ),
        ShareLimit("wrong_language", "is_wrong_language", config.max_wrong_language_share),
        ShareLimit("duplicates", "is_duplicate", config.max_duplicate_share),
        ShareLimit("residual_personal_data", "has_personal_data", config.max_residual_personal_data_share),
    ]
    if config.labels:
        rules.append(ShareLimit("label_unknown", "is_wrong_label", 0.0))
    return rules
