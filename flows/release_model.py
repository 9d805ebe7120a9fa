"""Models to a decision, for one candidate: package, evaluate, judge; sealed and pending where every gate passed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefect import flow

from components.core.artefacts import Artefact
from components.core.evidence import Evidence
from flows.config import CandidateConfig, PipelineConfig
from flows.results import CandidateResult, PreparedData, TrainedModels
from tasks.evaluate import evaluate
from tasks.judge import judge, read_verdict
from tasks.package import package, train_filter
from tasks.release import seal
from tasks.reporting import record_candidate
from tasks.tracking import RunRef


@flow(name="release-model", flow_run_name="release-model-{candidate.name}", validate_parameters=False)
def release_model(
    candidate: CandidateConfig,
    config: PipelineConfig,
    data: PreparedData,
    models: TrainedModels,
    *,
    champion: Evidence | None,
    run: RunRef,
) -> CandidateResult:
    """A refusal is a normal end: the payload and its evidence stay for review, nothing is released."""
    name = candidate.name
    safety_filter = train_filter(config.safety)
    payload = package(models.task_model, models.language_model, safety_filter, config.packaging, name)
    evidence = evaluate(
        payload,
        config.evaluation,
        training=data.training,
        raw=data.raw,
        quality=data.quality,
        reference=models.reference,
        scrubbing=config.scrubbing,
        candidate=name,
    )
    verdict = judge(evidence, payload, config.gates, champion, name)
    decision = read_verdict(verdict)
    chain: dict[str, Mapping[Any, Artefact]] = {
        "corpora": data.raw,
        "training": data.training,
        "models": models.by_role,
    }
    release = None
    if decision.passed:
        release = seal(
            payload, evidence, verdict, config.release, name=config.pipeline.name, chain=chain, candidate=name, run=run
        )
    record_candidate(
        run,
        name,
        payload=payload,
        evidence=evidence,
        verdict=verdict,
        scrubbed=data.scrubbed,
        quality=data.quality,
        drift=data.drift,
        documents=data.documents,
    )
    return CandidateResult(
        name=name,
        decision="pending" if release else "refused",
        payload_digest=decision.payload_digest,
        payload_location=payload.location,
        evidence_location=evidence.location,
        gates=tuple(decision.gates),
        release_path=release.path if release else None,
        version=release.version if release else None,
        run_id=run.run_id,
    )
