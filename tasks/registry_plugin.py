"""What MLflow loads in every process that asks for a registry: light, and without our own packages.

A served model brings its own copy of ``components``, which must not have been imported from elsewhere before.
"""

from __future__ import annotations

from typing import Any


def open_guarded_store(store_uri: str) -> Any:
    """The store behind ``guarded+sqlite`` and ``guarded+postgresql`` addresses."""
    from tasks.guarded_registry import GuardedStore

    return GuardedStore(store_uri)
