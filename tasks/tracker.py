"""The door to MLflow: one client a tracking address, and what happens when nobody answers.

Writing fails open (DESIGN, decision 12): the first failure is one warning, from then on the address counts as absent
for this process and nothing stops. MLflow takes two to three seconds to import: ``warm_up`` does that on a thread while
a server starts.
"""

from __future__ import annotations

import logging
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.settings import Settings
from tasks.templates import start_from_template

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

logger = logging.getLogger(__name__)

_clients: dict[str, MlflowClient] = {}
_lock = threading.RLock()
_absent: set[str] = set()  # tracking addresses that failed in this process


def warm_up(settings: Settings) -> threading.Thread:
    """Import MLflow and open its store on a thread; the first real call then waits for what is left."""
    uri = settings.tracking_uri()

    def work() -> None:
        try:
            client_for(uri)
        except mlflow_errors() as error:
            give_up(uri, error)

    thread = threading.Thread(target=work, name="mlflow-warm-up", daemon=True)
    thread.start()
    return thread


def client_for(uri: str) -> MlflowClient:
    """The process's client of a tracking address; a fresh database is set up under a file lock."""
    with _lock:
        if uri not in _clients:
            from mlflow.tracking import MlflowClient

            with _migration_lock(uri):
                if uri.startswith("sqlite:///"):
                    start_from_template("mlflow", Path(uri.removeprefix("sqlite:///")))
                # The registry too, else it is whichever one the process set last.
                _clients[uri] = MlflowClient(tracking_uri=uri, registry_uri=uri)
        return _clients[uri]


def has_database(settings: Settings) -> bool:
    """False where there is nothing to read yet, so that reading makes no database."""
    uri = settings.tracking_uri()
    return uri != settings.database_uri or Path(uri.removeprefix("sqlite:///")).exists()


def _migration_lock(uri: str) -> Any:
    """Held while a store is opened: two processes that create one SQLite database at once break it."""
    if not uri.startswith("sqlite:///"):
        return nullcontext()
    from filelock import FileLock

    database = Path(uri.removeprefix("sqlite:///"))
    database.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(f"{database}.lock")


def mlflow_errors() -> tuple[type[Exception], ...]:
    """What MLflow throws when its server, database or disk does not do its part."""
    kinds: list[type[Exception]] = [OSError, ImportError]
    try:
        from mlflow.exceptions import MlflowException
        from requests.exceptions import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        kinds += [MlflowException, RequestException, SQLAlchemyError]
    except ImportError:
        logger.debug("MLflow cannot be imported")
    return tuple(kinds)


def is_absent(uri: str) -> bool:
    """Whether an address failed before in this process."""
    return uri in _absent


def give_up(uri: str, error: Exception) -> None:
    """Count an address as absent, with one warning."""
    if uri not in _absent:
        _absent.add(uri)
        logger.warning("tracking at %s is off: %s: %s", uri, type(error).__name__, first_line(error))


def take_back(uri: str) -> None:
    """Count an address as present again, until it fails the next time."""
    _absent.discard(uri)


def first_line(error: Exception) -> str:
    """The first line of an error's message, not too long."""
    return (str(error).splitlines() or [""])[0][:300]
