"""An approved release to an alias."""

from __future__ import annotations

from prefect import task

from tasks.registry import Promotion
from tasks.release_control import promote_version
from tasks.settings import Settings
from tasks.stages import STAGE_OPTIONS


@task(name="set-alias", task_run_name="set-alias-{name}-{version}", **STAGE_OPTIONS)
def set_alias(name: str, version: str, alias: str) -> Promotion:
    """Verify the whole release, then move the alias. Raises IntegrityError with every reason otherwise."""
    return promote_version(name, version, settings=Settings(), alias=alias)
