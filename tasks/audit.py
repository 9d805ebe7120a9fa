"""The audit log and the locks of this home: who does something to the registry, and one promotion of a model at a time.

Promotions lock the model, the guard locks the registry and every record locks the log, always in this order.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from components.core.errors import InfrastructureError
from components.release.audit import AuditLog
from components.release.config import check_name
from tasks.settings import Settings

_PROMOTION_SECONDS = 600.0  # a promotion reads the whole model twice


def open_audit(settings: Settings) -> AuditLog:
    """The audit log of this home; its head lies with the keys."""
    return AuditLog(settings.home / "audit.jsonl", settings.keys_folder / "audit.head")


def this_user() -> str:
    """Who acts in this process, as the system knows it; nobody can type it."""
    return f"uid {os.getuid()}"


@contextmanager
def one_promotion(settings: Settings, name: str) -> Iterator[None]:
    """Held while an alias of a model is moved. Raises InfrastructureError if another promotion takes too long."""
    with _held(settings, f"promotion-{check_name(name)}", _PROMOTION_SECONDS):
        yield


@contextmanager
def one_change(settings: Settings) -> Iterator[None]:
    """Held by the guard while it judges a change and makes it."""
    with _held(settings, "registry", _PROMOTION_SECONDS):
        yield


@contextmanager
def _held(settings: Settings, what: str, seconds: float) -> Iterator[None]:
    folder = settings.home / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{what}.lock")
    try:
        with lock.acquire(timeout=seconds):
            yield
    except Timeout:
        raise InfrastructureError(f"{lock.lock_file}: held for over {seconds / 60:.0f} minutes; touchstone doctor") \
            from None  # fmt: skip
