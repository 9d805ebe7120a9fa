"""What a run leaves for people: MLflow artefacts and tags, Prefect artefacts, and ``runs/<name>.json``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from components.core.artefacts import Artefact, EvidenceArtefact, Payload, VerdictArtefact
from components.core.evidence import Evidence, GateResult
from components.core.jsonfiles import read_json, write_json
from components.scrubbing.probes import ResidualRisk
from tasks import tracking
from tasks.judge import read_verdict
from tasks.settings import Settings
from tasks.stages import open_store

DOCUMENT_PAGES = ("card.html", "card.zh.html", "card.md", "card.zh.md", "croissant.json", "facts.json")


class Candidate(Protocol):
    """A candidate's outcome, as far as a table needs it."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def decision(self) -> str:
        """refused, pending or promoted."""

    @property
    def gates(self) -> tuple[GateResult, ...]:
        """Rows of its verdict."""


class Result(Protocol):
    """A run's outcome, as far as it is recorded here."""

    @property
    def run_name(self) -> str:
        """The run's name."""

    @property
    def candidates(self) -> tuple[Any, ...]:
        """Outcomes of the candidates."""

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """The whole as JSON-able values."""


def new_run_name(profile: str) -> str:
    """Profile and time, for instance ``demo-20260102-030405``."""
    return f"{Path(profile).name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def record_candidate(
    run: tracking.RunRef,
    candidate: str,
    *,
    payload: Payload,
    evidence: EvidenceArtefact,
    verdict: VerdictArtefact,
    scrubbed: Mapping[Any, Artefact],
    quality: Mapping[Any, Artefact],
    drift: Mapping[Any, Artefact],
    documents: Mapping[Any, Artefact],
) -> None:
    """Log a candidate's evidence as metrics, its reports as artefacts and its decision as tags."""
    store = open_store()
    decision = read_verdict(verdict)
    measured = Evidence.model_validate(read_json(store.path(evidence) / "evidence.json"))
    tracking.log_metrics(run, _evidence_metrics(measured))
    for purpose, corpus in scrubbed.items():
        tracking.log_metrics(run, scrub_metrics(store.path(corpus), f"{purpose}/"))
    tracking.log_path(run, store.path(evidence) / "evidence.json", "evidence")
    tracking.log_path(run, store.path(evidence) / "items", "evidence/items")
    tracking.log_path(run, store.path(verdict), "verdict")
    for folder, reports in (("validation", quality), ("drift", drift)):
        for purpose, report in reports.items():
            for path in (*sorted(store.path(report).glob("*.html")), store.path(report) / "report.json"):
                tracking.log_path(run, path, f"{folder}/{purpose}")
    for purpose, artefact in documents.items():
        for name in DOCUMENT_PAGES:  # the pages, not the data files beside them
            tracking.log_path(run, store.path(artefact) / name, f"data/{purpose}")
    tracking.log_tags(
        run,
        {
            "touchstone.decision": "pending" if decision.passed else "refused",
            "touchstone.payload_digest": decision.payload_digest,
            "touchstone.evidence_digest": evidence.digest,
            "touchstone.verdict_digest": verdict.digest,
            "touchstone.payload_location": payload.location,
            **{f"touchstone.data.{purpose}": artefact.location for purpose, artefact in documents.items()},
            "touchstone.refused_by": ",".join(gate.name for gate in decision.refusals),
        },
    )
    scorecard = (store.path(verdict) / "scorecard.md").read_text(encoding="utf-8")
    link = tracking.run_link(run)
    create_markdown_artifact(
        key=_key(f"scorecard-{candidate}"),
        markdown=f"{scorecard}\n\n[MLflow run]({link})" if link else scorecard,
        description=f"Scorecard of candidate {candidate}",
    )


def record_run(run: tracking.RunRef, result: Result) -> Path:
    """Write ``runs/<name>.json``, the gate table as a Prefect artefact, and the decisions as tags of the run."""
    path = write_json(result.model_dump(mode="json"), Settings().home / "runs" / f"{result.run_name}.json")
    decisions = {f"touchstone.decision.{item.name}": item.decision for item in result.candidates}
    tracking.log_tags(run, decisions)
    tracking.log_path(run, path)
    create_table_artifact(
        key=_key("gates"), table=gate_rows(result.candidates), description=f"Gates of run {result.run_name}"
    )
    return path


def gate_rows(candidates: tuple[Candidate, ...]) -> list[dict[str, Any]]:
    """A row a gate, a column a candidate, and the decisions as the last row."""
    names: dict[str, None] = {}
    for candidate in candidates:
        names.update(dict.fromkeys(gate.name for gate in candidate.gates))
    rows = []
    for name in names:
        row: dict[str, Any] = {"gate": name}
        for candidate in candidates:
            found = [gate for gate in candidate.gates if gate.name == name]
            row[candidate.name] = f"{_number(found[0].value)} {found[0].decision.value}" if found else ""
        rows.append(row)
    return [*rows, {"gate": "decision"} | {candidate.name: candidate.decision.upper() for candidate in candidates}]


def scrub_metrics(corpus: Path, prefix: str) -> dict[str, float]:
    """What scrubbing replaced, by language and label, and its recall on planted probes with intervals; counts alone.

    ``corpus`` is the folder of a scrubbed corpus.
    """
    report = read_json(corpus / "report.json")
    counts = {name: float(report[name]) for name in ("records", "records_changed", "spans")}
    for lang, labels in report["spans_per_label"].items():
        counts |= {f"spans.{lang}.{label}": float(count) for label, count in labels.items()}
    values = {f"scrub.{name}": count for name, count in counts.items()}
    values |= ResidualRisk.model_validate(report["residual_risk"]).as_metrics()
    return {prefix + name: value for name, value in values.items()}


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _key(name: str) -> str:
    """Prefect takes lower-case letters, digits and dashes."""
    return "".join(char if char.isalnum() else "-" for char in name.lower())


def _evidence_metrics(evidence: Evidence) -> dict[str, float | None]:
    """Every metric and its interval under ``suite/metric``; slices under ``suite/metric/slice``."""
    values: dict[str, float | None] = {}
    for suite, report in evidence.suites.items():
        for place, metrics in {"": report.metrics, **report.slices}.items():
            for name, metric in metrics.items():
                key = f"{suite}/{name}/{place}" if place else f"{suite}/{name}"
                values[_mlflow_name(key)] = metric.value
                if not place:
                    values[_mlflow_name(f"{key}/ci_low")] = metric.ci_low
                    values[_mlflow_name(f"{key}/ci_high")] = metric.ci_high
    return values


def _mlflow_name(name: str) -> str:
    """MLflow takes letters, digits, dash, dot, space, slash, underscore and colon."""
    return "".join(char if (char.isalnum() and char.isascii()) or char in "-./_: " else "_" for char in name)[:250]
