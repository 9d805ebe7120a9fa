"""Splits to BalancedCorpus."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from components.core.artefacts import BalancedCorpus, Splits
from components.core.store import StageReport
from components.fairness.config import BalanceConfig
from tasks.stages import STAGE_OPTIONS, produce
from tasks.workers import run_stage


@task(name="balance", task_run_name="balance-{candidate}", **STAGE_OPTIONS)
def balance(splits: Splits, config: BalanceConfig, candidate: str) -> BalancedCorpus:
    """Swap attribute terms in half of the training text and weigh groups against labels."""

    def build(inputs: dict[str, Path], out: Path, _: Path) -> StageReport:
        return run_stage("components.fairness.balance:balance_splits", inputs["splits"], config, out_dir=out)

    return produce(
        BalancedCorpus,
        stage="balance",
        candidate=candidate,
        rooms=("fairness",),
        inputs={"splits": splits},
        config=config,
        build=build,
        restricted=splits.restricted,
    )
