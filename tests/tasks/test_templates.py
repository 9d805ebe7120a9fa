"""A home that starts from a template has the database that migrating would have made."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tasks import templates


def schema(database: Path) -> set[tuple[str, ...]]:
    """Tables and indices with the words that define them; MLflow's migrations write constraints in a random order."""
    with sqlite3.connect(database) as connection:
        tables = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master").fetchall()
        versions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    words = {(kind, name, table, *sorted(re.findall(r"\w+", sql or ""))) for kind, name, table, sql in tables}
    return words | set(versions)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("templates")


@pytest.mark.parametrize("package", ["mlflow", "prefect"])
def test_the_copy_is_what_a_server_would_migrate(
    package: templates.Package, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "_FOLDER", folder)
    templates.make_template(package)
    copy = tmp_path / "home" / f"{package}.db"
    templates.start_from_template(package, copy)
    opening = "from mlflow.tracking import MlflowClient as C; C('sqlite:///plain.db').search_experiments()"
    arguments = {"mlflow": ["-c", opening], "prefect": ["-m", "prefect", "server", "database", "upgrade", "-y"]}
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path), "MLFLOW_DISABLE_TELEMETRY": "true",
                   "PREFECT_API_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{tmp_path / 'plain.db'}"}  # fmt: skip
    subprocess.run(
        [sys.executable, *arguments[package]], check=True, cwd=tmp_path, env=environment, capture_output=True
    )
    assert schema(copy) == schema(tmp_path / "plain.db")


def test_a_database_that_is_there_stays(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "_FOLDER", folder)
    templates.template("mlflow").write_bytes(b"template")
    (tmp_path / "mine.db").write_bytes(b"mine")
    templates.start_from_template("mlflow", tmp_path / "mine.db")
    assert (tmp_path / "mine.db").read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.db"]


def test_without_a_template_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "_FOLDER", tmp_path / "none")
    templates.start_from_template("prefect", tmp_path / "prefect.db")
    assert not list(tmp_path.iterdir())
