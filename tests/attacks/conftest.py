"""One guarded MLflow server for every attack."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import mlflow
import pytest
from testkit.attacked import PEOPLE, World

from tasks.servers import start_server, stop_server
from tasks.settings import Settings, environment_for


def _environment(settings: Settings) -> dict[str, str]:
    """This process's variables, less servers from outside."""
    hidden = {"MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PREFECT_API_URL"}
    return {name: value for name, value in os.environ.items() if name not in hidden} | environment_for(settings)


@contextmanager
def _in_home(settings: Settings) -> Iterator[None]:
    before, wanted = dict(os.environ), _environment(settings)
    mlflow.set_tracking_uri(None)  # addresses that another test set hold before the environment's
    mlflow.set_registry_uri(None)
    os.environ.clear()
    os.environ.update(wanted)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
        os.environ.clear()
        os.environ.update(before)


def _free_port() -> int:
    """Any free one: workers of a test run that count up from the same number meet."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A home whose model ``guarded`` has v1 in production and v2 that nobody approved, behind one server for all."""
    # Said outright: MLflow leaves the addresses that any test before has set in the environment.
    settings = Settings(
        home=tmp_path_factory.mktemp("attacked") / "home", mlflow_tracking_uri="", mlflow_registry_uri="",
        prefect_api_url="",
    )  # fmt: skip
    try:
        with _in_home(settings):
            server, _ = start_server(settings.home, "mlflow", environment={}, port=_free_port())
            world = World(settings, server.address)
            for name, role in PEOPLE.items():
                world.keys.create(name, role, now=datetime.now(UTC))
            _, first = world.release("guarded")
            assert world.promotion("guarded", first) == ""
            world.release("guarded", approved=False)
        yield world
    finally:
        stop_server(settings.home, "mlflow")


@pytest.fixture
def world(attacked: World) -> Iterator[World]:
    """The same, with this process's environment pointing there for the length of a test."""
    with _in_home(attacked.settings):
        yield attacked
