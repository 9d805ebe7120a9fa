"""Retries: a stage is tried again for what may pass next time, and for nothing else."""

from __future__ import annotations

import pytest
from prefect import flow, task
from prefect.testing.utilities import prefect_test_harness

from components.core.errors import ContractError, TransientError
from tasks.stages import STAGE_OPTIONS

pytestmark = [pytest.mark.servers, pytest.mark.filterwarnings("ignore")]  # Prefect warns of itself


def test_only_transient_errors_are_retried() -> None:
    tries: dict[str, int] = {}
    options = STAGE_OPTIONS | {"retry_delay_seconds": 0}

    @task(**options)
    def attempt(kind: type[Exception]) -> str:
        tries[kind.__name__] = tries.get(kind.__name__, 0) + 1
        if kind is not TransientError or tries[kind.__name__] < 3:
            raise kind("not now")
        return "done"

    @flow
    def both() -> str:
        with pytest.raises(ContractError):
            attempt(ContractError)
        return attempt(TransientError)

    with prefect_test_harness(server_startup_timeout=120):
        assert both() == "done"
    assert tries == {"ContractError": 1, "TransientError": 3}
