"""The quality suite, on what goes out: nulls, lengths, languages, duplicates, residual personal data, labels."""

from __future__ import annotations

from pathlib import Path

from components.core.corpus import read_records
from components.core.store import StageReport
from components.scrubbing import ScrubbingConfig
from components.scrubbing.engine import Engine
from components.validation.config import ValidationConfig
from components.validation.expectations import RangeLimit, RowLimit, Rule, ShareLimit, run_suite
from components.validation.frame import CountPersonalData, quality_frame
from components.validation.report import ValidationResult, write_report

SUITE = "quality"


def validate_corpus(
    corpus: Path,
    config: ValidationConfig,
    *,
    out_dir: Path,
    personal_data: ScrubbingConfig | CountPersonalData | None,
) -> StageReport:
    """Judge a corpus by the suite.

    ``personal_data`` is what looks for residual values: a scrubbing config (its labels, languages and score), or a
    function of text and language to a count. With None that expectation is an error, since nobody looked.
    Writes ``report.json`` ({suite, state, rows, expectations}) and ``report.html``; a corpus that fails is a report
    with state ``fail``, no exception. Raises: ContractError if the folder holds no shard.
    """
    result = judge_corpus(corpus, config, personal_data)
    out_dir.mkdir(parents=True, exist_ok=True)
    write_report(result, out_dir)
    return StageReport(rows=result.rows, summary=result.summary)


def judge_corpus(
    corpus: Path, config: ValidationConfig, personal_data: ScrubbingConfig | CountPersonalData | None
) -> ValidationResult:
    """The suite's outcome, nothing written."""
    count = counter(personal_data) if isinstance(personal_data, ScrubbingConfig) else personal_data
    frame = quality_frame(read_records(corpus), count)
    for lang in config.min_language_share:
        frame[f"is_{lang}"] = (frame["lang"] == lang).astype(float)
    frame["is_wrong_language"] = frame["is_wrong_language"].where(
        frame["lang"].isin(list(config.min_language_share)), 1.0
    )
    frame["is_wrong_label"] = (~frame["label"].isin(config.labels)).astype(float)
    return run_suite(SUITE, frame, quality_rules(config))


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


def counter(config: ScrubbingConfig) -> CountPersonalData:
    """A function that counts the spans which this scrubbing config would replace."""
    engine = Engine(config)
    return lambda text, lang: len(engine.detect(text, lang))
