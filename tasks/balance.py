"""Splits to BalancedCorpus."""

from __future__ import annotations

from prefect import task

from components.core.artefacts import BalancedCorpus, Splits
from components.fairness.balance import balance_splits
from components.fairness.config import BalanceConfig
from tasks.stages import STAGE_OPTIONS, produce


@task(name="balance", task_run_name="balance-{candidate}", **STAGE_OPTIONS)
def balance(splits: Splits, config: BalanceConfig, candidate: str) -> BalancedCorpus:
    """Swap attribute terms in half of the training text and weigh groups against labels."""
    return produce(
        BalancedCorpus,
        stage="balance",
        candidate=candidate,
        rooms=("fairness",),
        inputs={"splits": splits},
        config=config,
        build=lambda inputs, out, _: balance_splits(inputs["splits"], config, out_dir=out),
        restricted=splits.restricted,
    )
