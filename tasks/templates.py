"""Empty databases of Prefect and MLflow, migrated once at installation.

A new home would otherwise spend a quarter of a minute on some hundred and fifty migrations before its first stage.
``python -m tasks.templates`` makes the templates inside the virtual environment, named by version; a home without a
database starts with a copy. Without a template the servers migrate by themselves, as ever.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Literal

Package = Literal["prefect", "mlflow"]

_FOLDER = Path(sys.prefix) / "share" / "touchstone"

# Opening a store is what migrates it. Each is run by a fresh interpreter in an empty folder.
_MIGRATE: dict[Package, str] = {
    "prefect": (
        "import asyncio; from prefect.server.database import provide_database_interface as interface; "
        "asyncio.run(interface().create_db())"
    ),
    "mlflow": "from mlflow.tracking import MlflowClient; MlflowClient('sqlite:///mlflow.db').search_experiments()",
}


def template(package: Package) -> Path:
    """Where the template of the installed version is, or would be."""
    return _FOLDER / f"{package}-{version(package)}.db"


def start_from_template(package: Package, database: Path) -> None:
    """Copy the template to ``database`` unless that exists; does nothing where there is no template.

    MLflow's default experiment keeps its artefacts beside the database, under ``artifacts/0``.
    """
    source = template(package)
    if database.exists() or not source.is_file():
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    part = database.with_name(f"{database.name}.{os.getpid()}.part")
    shutil.copyfile(source, part)
    if package == "mlflow":
        with contextlib.closing(sqlite3.connect(part)) as connection, connection:
            place = (database.parent / "artifacts" / "0").as_uri()
            connection.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = 0", (place,))
    try:
        os.link(part, database)  # not over one that somebody made meanwhile
    except FileExistsError:
        pass
    finally:
        part.unlink()


def make_template(package: Package) -> Path:
    """Migrate an empty database and keep it; one that is there already stays."""
    target = template(package)
    if target.is_file():
        return target
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))},
            "PREFECT_HOME": folder,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "1",
        }
        command = [sys.executable, "-W", "ignore", "-c", _MIGRATE[package]]
        subprocess.run(command, check=True, cwd=folder, env=environment, capture_output=True)  # noqa: S603 - ours
        made = Path(folder) / f"{package}.db"
        with contextlib.closing(sqlite3.connect(made)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")  # one file, nothing left in a write-ahead log
        _FOLDER.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        shutil.copyfile(made, part)
        part.replace(target)
    return target


if __name__ == "__main__":
    for name in _MIGRATE:
        make_template(name)
