"""One Prefect test harness for the flow tests, in a home of its own; the environment is put back afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty TOUCHSTONE_HOME with a temporary Prefect server behind it."""
    from tasks.settings import prepare_environment
    from tasks.stages import open_store

    before = dict(os.environ)
    folder = tmp_path_factory.mktemp("home")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PREFECT_API_URL"):
        os.environ.pop(name, None)
    os.environ["TOUCHSTONE_HOME"] = str(folder)
    try:
        prepare_environment()
        from prefect.testing.utilities import prefect_test_harness

        open_store.cache_clear()
        with prefect_test_harness(server_startup_timeout=120):
            yield folder
    finally:
        open_store.cache_clear()
        os.environ.clear()
        os.environ.update(before)
