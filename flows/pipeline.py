"""The whole pipeline once: every candidate from sources to refused or pending approval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.states import Completed

from flows.config import CandidateConfig, PipelineConfig, load_config
from flows.prepare_data import prepare_data
from flows.release_model import release_model
from flows.results import CandidateResult, PipelineResult
from flows.train_model import train_model
from tasks import reporting
from tasks.release import check_policy, find_champion
from tasks.settings import Settings
from tasks.side_by_side import side_by_side
from tasks.stages import StageCounter
from tasks.tracking import reconcile_stale_runs, run_scope


def run_pipeline(config: PipelineConfig) -> PipelineResult:
    """Run the flow under a fresh name."""
    outcome: Any = pipeline(config, reporting.new_run_name(config.profile))
    return PipelineResult.model_validate(outcome)


@flow(name="pipeline", flow_run_name="{run_name}", validate_parameters=False, persist_result=False)
def pipeline(config: PipelineConfig, run_name: str) -> Any:
    """Train, judge and seal every candidate. Ends in a state named Refused where none passed."""
    settings, counter = Settings(), StageCounter()
    name, facts = config.pipeline.name, config.facts()
    reconcile_stale_runs(settings)
    check_policy(name, config.release, settings)
    champion = find_champion(name, settings)
    with run_scope("pipeline", run_name, pipeline=name, settings=settings, tags=facts) as run:

        def train_and_judge(candidate: CandidateConfig) -> CandidateResult:
            plan, label = config.for_candidate(candidate), f"{run_name} {candidate.name}"
            tags = facts | {"touchstone.candidate": candidate.name}
            with run_scope("candidate", label, pipeline=name, settings=settings, parent=run, tags=tags) as child:
                data = prepare_data(candidate, plan)
                models = train_model(candidate, plan, data, child)
                return release_model(candidate, plan, data, models, champion=champion, run=child)

        results = side_by_side(train_and_judge, config.pipeline.candidates, at_once=config.pipeline.side_by_side)
        result = PipelineResult(
            run_name=run_name,
            run_id=run.run_id,
            pipeline=name,
            profile=config.profile,
            candidates=tuple(results),
            **counter.summary(),
        )
        reporting.record_run(run, result)
    return Completed(name="Refused", message="every candidate was refused", data=result) if result.refused else result


@flow(name="scheduled-pipeline", validate_parameters=False)
def scheduled_pipeline(
    profile: str | None = None, config_dir: str | None = None, overrides: list[str] | None = None
) -> PipelineResult:
    """What a deployment runs: its parameters name a profile and nothing finer."""
    return run_pipeline(load_config(profile, Path(config_dir) if config_dir else None, overrides))
