"""From the stages' reports and the records on disk to the facts of a card.

Reports are believed only as far as they agree with each other and with the records: what one stage kept the next must
have read, and the splits are counted again. Counts that do not add up are an error, not a footnote.
"""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from components.cleaning.config import SPLIT_NAMES
from components.core.artefacts import Artefact
from components.core.corpus import Record, read_records
from components.core.errors import ContractError
from components.core.hashing import digest_value
from components.core.jsonfiles import read_json
from components.documentation.config import StageConfigs
from components.documentation.facts import (
    BenchmarkFacts,
    Counts,
    DataFacts,
    ProbeFacts,
    ScrubFacts,
    SourceFacts,
    SplitFacts,
    StageFacts,
)
from components.ingestion.config import IngestionConfig
from components.scrubbing.config import ScrubbingConfig
from components.validation.drift_report import DriftResult
from components.validation.report import ValidationResult

_MAX_VALUES = 50  # a field with more different values is text, and its values may be personal
_PERCENTILES = (5, 50, 95)


def collect_facts(
    folders: Mapping[str, Path], artefacts: Mapping[str, Artefact], configs: StageConfigs, *, files: Mapping[str, str]
) -> DataFacts:
    """Facts of one corpus.

    Args:
        folders: Folder of each artefact; ``raw``, ``splits`` and ``quality``, and where the stage was run ``scrubbed``,
            ``cleaned`` and ``drift``.
        artefacts: The same roles' references.
        configs: Settings behind them.
        files: Data files that go with the card, name to digest.

    Raises: ContractError if the reports contradict each other or the records.
    """
    reports = {role: _report(folder) for role, folder in folders.items() if role not in {"quality", "drift"}}
    stages = _stages(reports)
    splits = tuple(_split(name, folders["splits"] / name) for name in SPLIT_NAMES)
    _check(stages, splits, reports["splits"], folders["splits"])
    return DataFacts(
        declared=configs.documentation,
        purpose=configs.ingestion.purpose,
        restricted=artefacts["splits"].restricted,
        sources=tuple(_sources(configs.ingestion, artefacts["raw"].parents, reports["raw"])),
        stages=stages,
        scrubbing=_scrubbing(reports["scrubbed"], configs.scrubbing) if "scrubbed" in reports else None,
        benchmarks=tuple(_benchmarks(reports.get("cleaned", {}))),
        splits=splits,
        split_unit=configs.splitting.unit,
        quality=ValidationResult.model_validate(read_json(folders["quality"] / "report.json")),
        drift=DriftResult.model_validate(read_json(folders["drift"] / "report.json")) if "drift" in folders else None,
        digests={role: artefact.digest for role, artefact in artefacts.items()},
        files=dict(files),
    )


def _report(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = read_json(folder / "report.json")
    return report


def _stages(reports: Mapping[str, Mapping[str, Any]]) -> tuple[StageFacts, ...]:
    raw = reports["raw"]
    stages = [StageFacts(stage="ingest", read=raw["read"], kept=raw["kept"], reasons=raw.get("reasons", {}))]
    last = stages[0].kept
    if (scrubbed := reports.get("scrubbed")) is not None:
        read = scrubbed["records"]
        stages.append(StageFacts(stage="scrub", read=read, kept=read, changed=scrubbed["records_changed"]))
    else:
        stages.append(StageFacts(stage="scrub", skipped=True, read=last, kept=last))
    if (cleaned := reports.get("cleaned")) is not None:
        stages.append(_counted("clean", cleaned, changed=cleaned.get("changed")))
    else:
        stages.append(StageFacts(stage="clean", skipped=True, read=last, kept=last))
    return (*stages, _counted("split", reports["splits"]))


def _counted(stage: Any, report: Mapping[str, Any], *, changed: int | None = None) -> StageFacts:
    return StageFacts(stage=stage, read=report["read"], kept=report["kept"], reasons=report["reasons"], changed=changed)


def _check(
    stages: tuple[StageFacts, ...], splits: tuple[SplitFacts, ...], report: Mapping[str, Any], folder: Path
) -> None:
    for before, after in pairwise(stages):
        if before.kept != after.read:
            raise ContractError(
                f"{folder}: {before.stage} kept {before.kept} records, {after.stage} read {after.read}; run both again"
            )
    for stage in stages:
        if stage.dropped != sum(stage.reasons.values()):
            raise ContractError(
                f"{folder}: {stage.stage} dropped {stage.dropped} records but gives reasons for "
                f"{sum(stage.reasons.values())}; run it again"
            )
    for split in splits:
        reported = report["splits"][split.name]["records"]
        if split.records != reported:
            raise ContractError(
                f"{folder / split.name}: holds {split.records} records, its report says {reported}; run split again"
            )


def _sources(config: IngestionConfig, parents: Mapping[str, str], report: Mapping[str, Any]) -> Iterator[SourceFacts]:
    counts = {item["source"]: item for item in report.get("sources", [])}
    sources = config.source_configs()
    for source in sources:
        digests = {path: digest for path, digest in parents.items() if _belongs(path, source.path)}
        counted = counts.get(source.path) or (report if len(sources) == 1 else {})
        yield SourceFacts(
            name=_shown(source.path),
            license=getattr(source, "license", None),
            files=len(digests),
            digest=next(iter(digests.values())) if len(digests) == 1 else digest_value(sorted(digests.values())),
            kept=counted.get("kept"),
            quarantined=counted.get("quarantined"),
        )


def _belongs(path: str, source: str) -> bool:
    """Whether a digested file is one of a source's: itself, one in its folder, or one that its glob matches."""
    plain = str(Path(source).expanduser()) if "://" not in source else source
    return path in {source, plain} or path.startswith(f"{plain.rstrip('/')}/") or fnmatch.fnmatchcase(path, plain)


def _shown(path: str) -> str:
    """A relative path or an address as it is; of an absolute path, which may name a person, the last part."""
    return PurePosixPath(path).name if path.startswith(("/", "~")) else path


def _scrubbing(report: Mapping[str, Any], config: ScrubbingConfig) -> ScrubFacts:
    risk = report.get("residual_risk", {})
    return ScrubFacts(
        policy=report.get("policy", config.policy),
        min_score=config.min_score,
        labels=tuple(config.labels),
        spans=report["spans_per_label"],
        probes=tuple(_probes(risk)),
        not_probed=tuple(risk.get("not_probed", ())),
    )


def _probes(risk: Mapping[str, Any]) -> Iterator[ProbeFacts]:
    """Recall by language and label, where there were values to find."""
    for lang, labels in sorted(risk.get("slices", {}).items()):
        for label, recall in labels.items():
            if recall["value"] is not None:
                missed = risk.get("expected_missed", {}).get(lang, {}).get(label)
                yield ProbeFacts(label=label, lang=lang, recall=recall, missed=missed)


def _benchmarks(report: Mapping[str, Any]) -> Iterator[BenchmarkFacts]:
    for name, counts in sorted(report.get("protected", {}).items()):
        yield BenchmarkFacts(name=_shown(name), items=counts["items"], dropped=counts["dropped"])


def _split(name: str, folder: Path) -> SplitFacts:
    """Count one split from its records, one at a time."""
    tally = _Tally()
    for record in read_records(folder):
        tally.add(record)
    return tally.facts(name)


class _Tally:
    """Counts over the records of a split; lengths are kept as numbers, four bytes a record."""

    def __init__(self) -> None:
        self._records = 0
        self._counts: dict[str, Counter[str]] = {name: Counter() for name in ("lang", "label", "license", "fields")}
        self._groups: dict[str, Counter[str]] = {}
        self._users: set[int] = set()
        self._lengths: dict[str, list[int]] = {}

    def add(self, record: Record) -> None:
        """Count one record."""
        self._records += 1
        lang = record.get("lang") or "unknown"
        self._counts["lang"][lang] += 1
        self._lengths.setdefault(lang, []).append(len(record["text"]))
        for name in ("label", "license"):
            if record.get(name) is not None:
                self._counts[name][str(record[name])] += 1
        if record.get("group") is not None and len(self._groups) <= _MAX_VALUES:
            self._groups.setdefault(str(record["group"]), Counter())[str(record.get("label", ""))] += 1
        if record.get("user") is not None:
            self._users.add(hash(str(record["user"])))
        self._counts["fields"].update(record.keys())

    def facts(self, name: str) -> SplitFacts:
        """What was counted; a field with too many different values is left out."""
        labels = _few(self._counts["label"])
        groups = {} if len(self._groups) > _MAX_VALUES else self._groups
        if self._counts["label"] and not labels:
            groups = {group: Counter({"": counts.total()}) for group, counts in groups.items()}
        return SplitFacts(
            name=name,
            records=self._records,
            languages=_few(self._counts["lang"]),
            labels=labels,
            licenses=_few(self._counts["license"]),
            groups={group: dict(sorted(counts.items())) for group, counts in sorted(groups.items())},
            characters={lang: _percentiles(lengths) for lang, lengths in sorted(self._lengths.items())},
            fields=dict(sorted(self._counts["fields"].items())),
            users=len(self._users),
        )


def _few(counts: Counter[str]) -> Counts:
    return dict(sorted(counts.items())) if len(counts) <= _MAX_VALUES else {}


def _percentiles(lengths: list[int]) -> tuple[int, int, int]:
    low, middle, high = (round(float(value)) for value in np.percentile(np.asarray(lengths), _PERCENTILES))
    return low, middle, high
