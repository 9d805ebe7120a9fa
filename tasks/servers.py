"""MLflow and Prefect servers and the forms' runner on loopback: detached processes, found by their recorded address.

``<home>/servers.json`` holds ``{"mlflow": {"pid", "created", "address", "log"}, "prefect": …}``. A record counts only
while a process of that number *and* that start time lives and its port answers, so a number used again is harmless.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, ClassVar, Literal
from urllib.parse import quote

import psutil
from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, ValidationError

from components.core.errors import InfrastructureError
from components.core.jsonfiles import read_json, write_json
from tasks.templates import start_from_template

HOST = "127.0.0.1"
DEFAULT_PORTS: dict[str, int] = {"mlflow": 5000, "prefect": 4200, "forms": 4280}
ServerKind = Literal["mlflow", "prefect", "forms"]

# Servers outlive this process on purpose; the handle is kept so that a stop in the same process also reaps them.
_handles: dict[int, subprocess.Popen[bytes]] = {}

_START_SECONDS = 120.0
_STOP_SECONDS = 15.0
_PORTS_TRIED = 50
_CREATE_TIME_SLACK_SECONDS = 1.5  # psutil derives a start time from clock ticks and boot time


class ServerRecord(BaseModel):
    """A server of this home."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")

    kind: ServerKind
    pid: int
    created: float
    address: str
    log: str

    @property
    def port(self) -> int:
        """The port in the address."""
        return int(self.address.rsplit(":", 1)[1])


def guarded_registry_uri(home: Path) -> str:
    """The home's MLflow database behind the guard (``tasks.guarded_registry``), which finds the home by it."""
    return f"guarded+sqlite:///{home / 'mlflow' / 'mlflow.db'}?home={quote(str(home))}"


def find_server(home: Path, kind: ServerKind) -> ServerRecord | None:
    """The live server recorded for this home, or None."""
    record = _read(home).get(kind)
    return record if record and process_lives(record.pid, record.created) and _answers(record.port) else None


def start_server(
    home: Path, kind: ServerKind, *, environment: Mapping[str, str], port: int | None = None
) -> tuple[ServerRecord, bool]:
    """The home's server of this kind, started if there is none; the flag says whether it was started now.

    ``port`` asks for exactly this port; without it the default one or the next free one is taken.
    Raises InfrastructureError if the asked port is in use, or the server does not answer in time.
    """
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home, kind):
        found = find_server(home, kind)
        if found is not None:
            if port is not None and found.port != port:
                raise InfrastructureError(
                    f"a {kind} server of {home} already runs at {found.address}; stop it with `touchstone ui --stop` "
                    f"before asking for port {port}"
                )
            return found, False
        chosen = _choose_port(kind, port)
        log = home / "logs" / f"{kind}-server.log"
        own = _forms_environment(chosen) if kind == "forms" else {}
        process = _spawn(_command(home, kind, chosen), {**os.environ, **environment, **own}, log, asks=kind == "forms")
        try:
            _wait_until_healthy(process, kind, chosen, log)
        except BaseException:
            _terminate(process.pid)
            raise
        record = ServerRecord(
            kind=kind,
            pid=process.pid,
            created=psutil.Process(process.pid).create_time(),
            address=f"http://{HOST}:{chosen}",
            log=str(log),
        )
        _record(home, kind, record)
        return record, True


def stop_server(home: Path, kind: ServerKind) -> ServerRecord | None:
    """Stop the recorded server and wait for its exit; returns it, or None where none was alive."""
    if not home.exists():
        return None
    with _locked(home, kind):
        record = _read(home).get(kind)
        if record is None:
            return None
        alive = process_lives(record.pid, record.created)
        if alive:
            _terminate(record.pid)
        _record(home, kind, None)
        return record if alive else None


@contextlib.contextmanager
def temporary_prefect_server(home: Path, *, environment: Mapping[str, str]) -> Iterator[str]:
    """A Prefect API for one run, without user interface; yields its API address and stops it at the end.

    Prefect can start one itself, but leaves it behind when the program is killed. This one is recorded under
    ``temporary-<pid>`` and the next start removes it if its owner is gone.
    """
    reap_temporary_servers(home)
    with starting_prefect_server(home, environment=environment) as server:
        yield server.wait()


class StartingServer:
    """A temporary Prefect server on its way up: start it first, do other things, wait last."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self.log = process, port, log

    @property
    def api_url(self) -> str:
        """Address of its API."""
        return f"http://{HOST}:{self.port}/api"

    def wait(self) -> str:
        """Its API address, once it answers. Raises InfrastructureError if it does not."""
        _wait_until_healthy(self.process, "prefect", self.port, self.log)
        return self.api_url


@contextlib.contextmanager
def starting_prefect_server(home: Path, *, environment: Mapping[str, str]) -> Iterator[StartingServer]:
    """Start a temporary Prefect server and yield at once; it is stopped when the block ends."""
    port = _free_port()
    log = home / "logs" / "prefect-temporary.log"
    # The marks that Prefect itself gives to a temporary server: only the services that one run needs, no start-up page.
    marks = {"PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1", "PREFECT_SERVER_UI_ENABLED": "false"}
    start_from_template("prefect", home / "prefect" / "prefect.db")
    process = _spawn(_prefect_api_command(port), {**os.environ, **environment, **marks}, log)
    note = home / "logs" / f"temporary-{process.pid}.json"
    write_json({"pid": process.pid, "created": _created(process.pid), "owner": process_identity()}, note)
    try:
        yield StartingServer(process, port, log)
    finally:
        _terminate(process.pid)
        process.wait(timeout=_STOP_SECONDS)
        note.unlink(missing_ok=True)


def recorded_servers(home: Path) -> dict[str, ServerRecord]:
    """Every recorded server, dead or alive."""
    return _read(home)


def forget_dead_servers(home: Path) -> None:
    """Clear the records of servers that are gone."""
    for record in _read(home).values():
        if not process_lives(record.pid, record.created):
            _record(home, record.kind, None)


def stale_temporary_servers(home: Path) -> int:
    """How many temporary servers have outlived their owner."""
    return sum(not _owner_of(note) for note in (home / "logs").glob("temporary-*.json"))


def _owner_of(note: Path) -> bool:
    try:
        return owner_lives(read_json(note)["owner"])
    except (OSError, ValueError, KeyError, TypeError):
        return False


def reap_temporary_servers(home: Path) -> int:
    """Stop temporary servers whose owner is gone; returns how many notes were cleared."""
    cleared = 0
    for note in sorted((home / "logs").glob("temporary-*.json")):
        with contextlib.suppress(ValueError, KeyError, TypeError, FileNotFoundError):
            entry = read_json(note)
            if owner_lives(entry["owner"]):
                continue
            if process_lives(entry["pid"], entry["created"]):
                _terminate(entry["pid"])
        note.unlink(missing_ok=True)
        cleared += 1
    return cleared


def process_lives(pid: int, created: float) -> bool:
    """Whether the process of this number and start time is alive (and no zombie)."""
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - created) <= _CREATE_TIME_SLACK_SECONDS
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def process_identity() -> dict[str, Any]:
    """Who this process is: host, boot, number and start time."""
    return {"host": socket.gethostname(), "boot": _boot(), "pid": os.getpid(), "created": _created(os.getpid())}


def owner_lives(owner: Mapping[str, Any]) -> bool:
    """Whether the process described by ``process_identity`` may still be alive; another host's counts as alive."""
    if owner["host"] != socket.gethostname():
        return True
    return owner["boot"] == _boot() and process_lives(int(owner["pid"]), float(owner["created"]))


def _boot() -> str:
    path = Path("/proc/sys/kernel/random/boot_id")
    # Elsewhere the boot time: rounded, as it is computed from a clock that drifts.
    return path.read_text().strip() if path.exists() else str(round(psutil.boot_time() / 60))


def _created(pid: int) -> float:
    return float(psutil.Process(pid).create_time())


def _forms_environment(port: int) -> dict[str, str]:
    """The forms' runner answers ``/health`` on a port of its own, and looks for a form sent off every second."""
    return {
        "PREFECT_RUNNER_SERVER_ENABLE": "true",
        "PREFECT_RUNNER_SERVER_HOST": HOST,
        "PREFECT_RUNNER_SERVER_PORT": str(port),
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
        # Its health is when it asked last, which the work of a form may delay.
        "PREFECT_RUNNER_SERVER_MISSED_POLLS_TOLERANCE": "60",
    }


def _command(home: Path, kind: ServerKind, port: int) -> list[str]:
    if kind == "forms":
        return [sys.executable, "-m", "flows.forms"]
    if kind == "prefect":
        start_from_template("prefect", home / "prefect" / "prefect.db")
        return [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port), "--ui"]
    folder = home / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    start_from_template("mlflow", folder / "mlflow.db")
    # One worker: SQLite takes one writer, and each further worker imports MLflow again. Artefacts stay plain files that
    # runs without a server also read, so experiments get a `file:` root and not the server's `mlflow-artifacts:` one.
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}"),
        *("--registry-store-uri", guarded_registry_uri(home)),
        *("--default-artifact-root", (folder / "artifacts").as_uri()),
    ]


def _prefect_api_command(port: int) -> list[str]:
    application = ["--factory", "prefect.server.api.server:create_app"]
    return [
        *(sys.executable, "-m", "uvicorn", *application, "--host", HOST, "--port", str(port)),
        *("--log-level", "error", "--lifespan", "on"),
    ]


def _spawn(
    command: list[str], environment: Mapping[str, str], log: Path, *, asks: bool = False
) -> subprocess.Popen[bytes]:
    """A process of its own session, so that Ctrl-C in the terminal does not reach it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    # A server must not ask another server for anything, unless that is what it is for.
    hidden = set() if asks else {"PREFECT_API_URL", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"}
    cleaned = {name: value for name, value in environment.items() if name not in hidden}
    output: IO[bytes]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter with fixed arguments
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=cleaned,
            start_new_session=True,
            cwd=log.parent,
        )
    _handles[process.pid] = process
    return process


def _wait_until_healthy(process: subprocess.Popen[bytes], kind: ServerKind, port: int, log: Path) -> None:
    import httpx

    url = f"http://{HOST}:{port}" + ("/api/health" if kind == "prefect" else "/health")
    deadline = time.monotonic() + _START_SECONDS
    with httpx.Client(timeout=5.0, trust_env=False) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise InfrastructureError(
                    f"the {kind} server on port {port} ended with code {process.returncode} while starting; read {log}"
                )
            with contextlib.suppress(httpx.HTTPError):
                if client.get(url).status_code == httpx.codes.OK:
                    return
            time.sleep(0.1)
    raise InfrastructureError(f"the {kind} server on port {port} did not answer in {_START_SECONDS:.0f} s; read {log}")


def _terminate(pid: int) -> None:
    """End a server and all it started: asked first, then forced."""
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.Error:
        return
    for process in family:
        with contextlib.suppress(psutil.Error):
            process.send_signal(signal.SIGTERM)
    _, stubborn = psutil.wait_procs(family, timeout=_STOP_SECONDS)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=_STOP_SECONDS)
    if (handle := _handles.pop(pid, None)) is not None:
        handle.wait(timeout=_STOP_SECONDS)


def _choose_port(kind: ServerKind, asked: int | None) -> int:
    if asked is not None:
        check_port(asked, f"--{kind}-port")
        return asked
    return next_free_port(DEFAULT_PORTS[kind], f"--{kind}-port")


def next_free_port(first: int, option: str) -> int:
    """The first free port on loopback from ``first`` on. Raises InfrastructureError after fifty."""
    for port in range(first, first + _PORTS_TRIED):
        if _is_free(port):
            return port
    raise InfrastructureError(
        f"ports {first} to {first + _PORTS_TRIED - 1} on {HOST} are all in use; give one with {option}"
    )


def check_port(port: int, option: str) -> None:
    """Raises InfrastructureError if a port on loopback is taken."""
    if not _is_free(port):
        raise InfrastructureError(f"port {port} on {HOST} is in use; free it or give another one with {option}")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers bind: a port whose last connections are still draining is free for them.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1.0):
            return True
    except OSError:
        return False


def _path(home: Path) -> Path:
    return home / "servers.json"


def _read(home: Path) -> dict[str, ServerRecord]:
    """The records; a torn or foreign file counts as empty."""
    try:
        entries = read_json(_path(home))
        return {kind: ServerRecord.model_validate(entry) for kind, entry in entries.items()}
    except (OSError, ValueError, ValidationError, AttributeError):
        return {}


def _record(home: Path, kind: ServerKind, record: ServerRecord | None) -> None:
    """Set or clear one server's record; the other kind may be starting at the same time."""
    with _locked(home, "records"):
        records: dict[str, ServerRecord | None] = {**_read(home), kind: record}
        write_json({key: entry.model_dump() for key, entry in records.items() if entry}, _path(home))


@contextlib.contextmanager
def _locked(home: Path, name: str) -> Iterator[None]:
    """One start or stop at a time for a home and a kind of server."""
    lock = FileLock(home / "logs" / f"{name}.lock")
    (home / "logs").mkdir(parents=True, exist_ok=True)
    try:
        with lock.acquire(timeout=2 * _START_SECONDS):
            yield
    except Timeout:
        raise InfrastructureError(
            f"{lock.lock_file}: another touchstone command has been starting or stopping servers for too long; "
            "`touchstone doctor` shows which"
        ) from None
