"""What the served filter decided, counted from its logs and held against a limit."""

from __future__ import annotations

import json
from collections import Counter
from enum import StrEnum
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from components.core.errors import ContractError
from components.core.intervals import wilson_interval

LOG_PATTERN = "decisions-*.jsonl"


class HarmState(StrEnum):
    """``pass``: the whole interval is below the limit; ``fail``: all of it above; else ``inconclusive``."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


class HarmReport(BaseModel):
    """How often served texts were blocked. The interval is Wilson's, 95 %."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    state: HarmState
    n: int
    actions: dict[str, int]
    blocked_share: float | None
    ci_low: float
    ci_high: float
    limit: float


def judge_decisions(folder: Path, *, max_blocked_share: float) -> HarmReport:
    """Count every decision log in a folder. Without a decision nothing is known, which is no pass.

    Raises: ContractError for a line that is no decision.
    """
    actions: Counter[str] = Counter()
    for path in sorted(folder.glob(LOG_PATTERN)):
        with path.open(encoding="utf-8") as handle:
            for number, line in enumerate(handle, start=1):
                actions[_action(path, number, line)] += 1
    n, blocked = actions.total(), actions["block"]
    low, high = wilson_interval(blocked, n)
    state = HarmState.INCONCLUSIVE
    if n and high <= max_blocked_share:
        state = HarmState.PASS
    elif n and low > max_blocked_share:
        state = HarmState.FAIL
    return HarmReport(
        state=state,
        n=n,
        actions=dict(sorted(actions.items())),
        blocked_share=blocked / n if n else None,
        ci_low=low,
        ci_high=high,
        limit=max_blocked_share,
    )


def _action(path: Path, number: int, line: str) -> str:
    try:
        return str(json.loads(line)["action"])
    except (ValueError, KeyError, TypeError) as error:
        raise ContractError(f"{path}, line {number}: no decision; was the file cut? remove the line") from error
