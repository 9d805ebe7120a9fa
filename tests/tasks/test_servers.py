"""Servers of a home: found by their record, stopped, and no other process mistaken for them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from components.core.errors import InfrastructureError
from tasks import servers
from tasks.settings import Settings, environment_for


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI", "PREFECT_API_URL"):
        monkeypatch.delenv(name, raising=False)
    return Settings(home=tmp_path / "home")


def _record(home: Path, *, pid: int, created: float, port: int) -> None:
    home.mkdir(exist_ok=True)
    entry = {"kind": "mlflow", "pid": pid, "created": created, "address": f"http://127.0.0.1:{port}", "log": ""}
    (home / "servers.json").write_text(json.dumps({"mlflow": entry}))


def test_a_record_counts_only_for_a_live_process_that_answers(settings: Settings) -> None:
    me = psutil.Process()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        _record(settings.home, pid=me.pid, created=me.create_time(), port=port)
        assert settings.tracking_uri() == f"http://127.0.0.1:{port}"
        _record(settings.home, pid=me.pid, created=me.create_time() - 100, port=port)  # the number was used again
        assert settings.tracking_uri() == settings.database_uri
    _record(settings.home, pid=me.pid, created=me.create_time(), port=port)  # alive, but the port is silent
    assert settings.tracking_uri() == settings.database_uri


@pytest.mark.parametrize("text", ["", "{", "[]", '{"mlflow": 3}', '{"mlflow": {"pid": "x"}}'])
def test_a_torn_record_counts_as_none(settings: Settings, text: str) -> None:
    settings.home.mkdir()
    (settings.home / "servers.json").write_text(text)
    assert servers.find_server(settings.home, "mlflow") is None


def test_the_environment_wins(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere:1")
    monkeypatch.setenv("PREFECT_API_URL", "http://elsewhere:2/api")
    away = Settings(home=settings.home)
    assert (away.tracking_uri(), away.api_url()) == ("http://elsewhere:1", "http://elsewhere:2/api")
    assert not away.tracks_locally()


def test_a_port_in_use_is_named_with_its_option(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InfrastructureError, match=rf"port {port} .* --mlflow-port"):
            servers.start_server(settings.home, "mlflow", environment={}, port=port)
        assert servers.next_free_port(port, "--port") > port


def test_another_hosts_process_counts_as_alive() -> None:
    me = servers.process_identity()
    assert servers.owner_lives(me)
    assert servers.owner_lives(me | {"host": "elsewhere", "pid": 1})
    assert not servers.owner_lives(me | {"created": me["created"] - 60})
    assert not servers.owner_lives(me | {"boot": "another"})


@pytest.mark.servers
@pytest.mark.parametrize("kind", ["mlflow", "prefect"])
def test_a_server_starts_is_found_and_stops_whole(settings: Settings, kind: servers.ServerKind) -> None:
    record, started = servers.start_server(settings.home, kind, environment=environment_for(settings))
    try:
        again, started_again = servers.start_server(settings.home, kind, environment=environment_for(settings))
        assert (started, started_again, again) == (True, False, record)
        assert httpx.get(record.address, follow_redirects=True).status_code == 200  # the user interface
        family = [psutil.Process(record.pid), *psutil.Process(record.pid).children(recursive=True)]
    finally:
        stopped = servers.stop_server(settings.home, kind)
    assert stopped == record
    assert not [process for process in family if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
    assert servers.find_server(settings.home, kind) is None
    assert servers.stop_server(settings.home, kind) is None


@pytest.mark.servers
def test_what_a_run_without_server_wrote_the_server_shows(settings: Settings) -> None:
    from tasks import history, tracking

    with tracking.run_scope("pipeline", "before", pipeline="demo", settings=settings) as ref:
        tracking.log_text(ref, "# card", "card.md")
    record, _ = servers.start_server(settings.home, "mlflow", environment=environment_for(settings))
    try:
        assert settings.tracking_uri() == record.address
        with tracking.run_scope("pipeline", "after", pipeline="demo", settings=settings) as later:
            tracking.log_text(later, "# card", "card.md")
        assert [run.name for run in history.list_pipeline_runs(settings)] == ["after", "before"]
        for run in (ref, later):
            page = httpx.get(f"{record.address}/get-artifact", params={"run_id": run.run_id, "path": "card.md"})
            assert page.text == "# card"
    finally:
        servers.stop_server(settings.home, "mlflow")
    assert [run.name for run in history.list_pipeline_runs(settings)] == ["after", "before"]


_OWNER = """
import sys, time
from pathlib import Path
from tasks.servers import starting_prefect_server
from tasks.settings import Settings, environment_for
settings = Settings(home=Path(sys.argv[1]))
with starting_prefect_server(settings.home, environment=environment_for(settings)) as server:
    print(server.process.pid, flush=True)
    time.sleep(60)
"""


@pytest.mark.servers
def test_the_temporary_server_of_a_killed_run_is_removed_by_the_next(settings: Settings) -> None:
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, str(settings.home)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    orphan = psutil.Process(int(owner.stdout.readline()))
    owner.kill()
    owner.wait()
    owner.stdout.close()
    assert orphan.is_running()
    assert servers.stale_temporary_servers(settings.home) == 1
    assert servers.reap_temporary_servers(settings.home) == 1
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    assert servers.stale_temporary_servers(settings.home) == 0
