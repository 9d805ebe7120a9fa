"""One Prefect test harness for every flow test, in a home of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty TOUCHSTONE_HOME with a temporary Prefect server behind it."""
    from tasks.settings import prepare_environment

    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOUCHSTONE_HOME", str(folder))
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PREFECT_API_URL"):
            patch.delenv(name, raising=False)
        prepare_environment()
        from prefect.testing.utilities import prefect_test_harness

        from tasks.stages import open_store

        open_store.cache_clear()
        with prefect_test_harness(server_startup_timeout=120):
            yield folder
        open_store.cache_clear()
