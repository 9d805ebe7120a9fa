"""What ``touchstone doctor`` looks at: each finding says what, how it stands, and what to do."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.settings import Settings

Finding = dict[str, Any]

_LIBRARIES = ("touchstone", "prefect", "mlflow", "torch", "transformers", "lightning", "datasets", "great-expectations",
              "evidently", "fastapi", "pandas")  # fmt: skip
# Combinations that are known not to run (each found by hand).
_TOO_NEW = {"fastapi": ((0, 151), "the Prefect server does not start"), "pandas": ((3, 1), "Evidently does not import")}
_MIN_PYTHON = (3, 11)
_MIN_FREE_BYTES = 2_000_000_000


def diagnose(settings: Settings, *, fix: bool = False) -> list[Finding]:
    """All findings; with ``fix``, what can be put right safely is."""
    return [
        *_versions(),
        *_home(settings),
        *_servers(settings, fix=fix),
        *_runs(settings, fix=fix),
        *_leftovers(settings, fix=fix),
    ]


def purge_restricted(home: Path) -> int:
    """Delete finished artefacts that are marked as holding personal data, and what unfinished work left of any.

    Returns how many artefacts.
    """
    from components.core.jsonfiles import read_json
    from components.core.store import MANIFEST

    count = 0
    for manifest in sorted((home / "artefacts").glob(f"*/*/{MANIFEST}")):
        if read_json(manifest).get("restricted"):
            shutil.rmtree(manifest.parent)
            count += 1
    shutil.rmtree(home / "work", ignore_errors=True)
    return count


def _finding(what: str, found: str, *, ok: bool = True, advice: str = "") -> Finding:
    return {"what": what, "found": found, "ok": ok, "next": advice}


def _versions() -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    recent = sys.version_info >= _MIN_PYTHON
    yield _finding("Python", python, ok=recent, advice="" if recent else "use 3.11 or newer")
    for name in _LIBRARIES:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield _finding(name, "not installed", ok=False, advice="install again: make setup")
            continue
        limit, reason = _TOO_NEW.get(name, (None, ""))
        parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
        broken = limit is not None and parts >= limit
        yield _finding(name, version, ok=not broken, advice=f"{reason}; install again: make setup" if broken else "")


def _home(settings: Settings) -> Iterator[Finding]:
    existing = next(folder for folder in (settings.home, *settings.home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    yield _finding(
        "free disk",
        f"{free / 1e9:.1f} GB at {existing}",
        ok=free >= _MIN_FREE_BYTES,
        advice="" if free >= _MIN_FREE_BYTES else "free space: a run needs 2 GB to be safe",
    )
    writable = os.access(existing, os.W_OK)
    yield _finding("home", str(settings.home), ok=writable, advice="" if writable else "set TOUCHSTONE_HOME elsewhere")


def _servers(settings: Settings, *, fix: bool) -> Iterator[Finding]:
    from tasks.servers import find_server, forget_dead_servers, recorded_servers

    for kind, record in recorded_servers(settings.home).items():
        alive = find_server(settings.home, record.kind) is not None
        if not alive and fix:
            forget_dead_servers(settings.home)
        found = record.address if alive else f"{record.address} is dead"
        advice = "" if alive or fix else "touchstone doctor --fix, then touchstone ui"
        yield _finding(
            f"{kind} server", found + (", forgotten" if fix and not alive else ""), ok=alive or fix, advice=advice
        )
    for name, value in (
        ("MLFLOW_TRACKING_URI", settings.mlflow_tracking_uri),
        ("PREFECT_API_URL", settings.prefect_api_url),
    ):
        if value:
            reachable = _reachable(value)
            yield _finding(name, value, ok=reachable, advice="" if reachable else f"start that server, or unset {name}")


def _reachable(uri: str) -> bool:
    if not uri.startswith("http"):
        return True
    import httpx

    try:
        httpx.get(uri.rstrip("/") + "/health", timeout=3.0)
    except httpx.HTTPError:
        return False
    return True


def _runs(settings: Settings, *, fix: bool) -> Iterator[Finding]:
    from components.core.errors import InfrastructureError
    from tasks.history import stale_runs
    from tasks.tracking import reconcile_stale_runs

    try:
        stale = stale_runs(settings)
    except InfrastructureError as error:
        yield _finding("MLflow", str(error), ok=False, advice="touchstone ui, or unset MLFLOW_TRACKING_URI")
        return
    if stale and fix:
        reconcile_stale_runs(settings)
    found = f"{len(stale)} runs of dead processes" + (", ended as KILLED" if stale and fix else "")
    yield _finding(
        "MLflow runs", found, ok=not stale or fix, advice="touchstone doctor --fix" if stale and not fix else ""
    )


def _leftovers(settings: Settings, *, fix: bool) -> Iterator[Finding]:
    from tasks.servers import reap_temporary_servers, stale_temporary_servers

    orphans = stale_temporary_servers(settings.home)
    if orphans and fix:
        reap_temporary_servers(settings.home)
    yield _finding(
        "temporary Prefect servers",
        f"{orphans} left behind" + (", stopped" if orphans and fix else ""),
        ok=not orphans or fix,
        advice="touchstone doctor --fix" if orphans and not fix else "",
    )
    torn = [path for path in (settings.home / "artefacts").glob("*/.*.tmp") if not _writer_lives(path)]
    if fix:
        for path in torn:
            shutil.rmtree(path, ignore_errors=True)
    yield _finding(
        "half-written artefacts",
        f"{len(torn)} of dead writers" + (", removed" if torn and fix else ""),
        ok=not torn or fix,
        advice="touchstone doctor --fix" if torn and not fix else "",
    )


def _writer_lives(path: Path) -> bool:
    """A temporary folder is named ``.<key>.<pid>.tmp``."""
    import psutil

    number = path.name.split(".")[-2]
    return number.isdigit() and psutil.pid_exists(int(number))
