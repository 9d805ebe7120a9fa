"""The guard before PostgreSQL: the same store methods, another database."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from testkit.attacked import PEOPLE, World

from tasks import registry
from tasks.servers import next_free_port
from tasks.settings import Settings, environment_for

pytestmark = [pytest.mark.servers]


@pytest.fixture
def database() -> Iterator[str]:
    """The address of an empty PostgreSQL on loopback."""
    if importlib.util.find_spec("psycopg2") is None:
        pytest.skip("psycopg2 is not installed (extra postgresql)")
    if shutil.which("postgres") is None or shutil.which("initdb") is None:
        pytest.skip("no PostgreSQL server on this machine")
    user = "nobody" if os.getuid() == 0 else None  # it refuses to run as root
    port = next_free_port(15432, "--port")
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        if user:
            shutil.chown(folder, user)
        cluster = str(folder / "cluster")
        run = {"cwd": folder, "user": user, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}}
        subprocess.run(
            ["initdb", "-D", cluster, "-U", "guard", "-A", "trust", "-N"], check=True, capture_output=True, **run
        )
        server = subprocess.Popen(
            ["postgres", "-D", cluster, "-p", str(port), "-h", "127.0.0.1", "-k", "", "-F"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            **run,
        )
        try:
            _wait(port)
            yield f"postgresql://guard@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(timeout=30)


def _wait(port: int) -> None:
    import psycopg2

    for _ in range(300):
        try:
            psycopg2.connect(host="127.0.0.1", port=port, user="guard", dbname="postgres").close()
        except psycopg2.OperationalError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError("PostgreSQL did not answer in a minute")


def test_the_guard_stands_before_postgresql_too(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "home"
    monkeypatch.chdir(tmp_path)  # MLflow puts artefacts into ./mlruns where its database is not a file
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", f"guarded+{database}?home={home}")
    settings = Settings(home=home)
    for name, value in environment_for(settings).items():
        monkeypatch.setenv(name, value)
    world = World(settings, "")
    for name, role in PEOPLE.items():
        world.keys.create(name, role, now=datetime.now(UTC))
    _, approved = world.release("guarded")
    _, waiting = world.release("guarded", approved=False)
    assert world.promotion("guarded", approved) == ""
    assert "needs 1 more of role approver" in world.promotion("guarded", waiting)
    with registry._registry(settings) as client:
        world._clients[""] = client
        told = world.by_client("set_registered_model_alias", "guarded", "production", waiting)
        assert told.startswith("403")
        assert "@production is protected" in told
        assert world.by_client("delete_registered_model", "guarded").startswith("403")
        assert world.standing("guarded") == approved
    assert world.serving("guarded") == ""
    assert world.log().problems == ()
