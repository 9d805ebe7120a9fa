"""A flow served by the clock on a persistent Prefect server (the temporary one does not schedule)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from components.core.errors import ConfigError
from flows.cli.session import say

if TYPE_CHECKING:
    from tasks.settings import Settings


def check_cron(expression: str, timezone: str) -> None:
    """Raises ConfigError if the expression or the timezone is not one."""
    from cronsim import CronSim, CronSimError

    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(f"--timezone {timezone}: unknown; give an IANA name such as Asia/Shanghai") from error
    try:
        from datetime import datetime

        next(CronSim(expression, datetime.now(zone)))
    except (CronSimError, StopIteration) as error:
        detail = str(error) or "it never fires"
        raise ConfigError(
            f'--cron "{expression}": {detail}; expected minute hour day month weekday, such as "*/30 * * * *"'
        ) from error


def serve_on_schedule(
    name: str,
    parameters: dict[str, Any],
    settings: Settings,
    *,
    cron: str,
    timezone: str,
    prefect_port: int | None = None,
    flow: Any = None,
) -> None:
    """Serve until interrupted. ``flow`` is the pipeline unless a caller brings another one."""
    from tasks.servers import start_server
    from tasks.settings import environment_for

    api_url = settings.api_url()
    if not api_url:
        record, _ = start_server(settings.home, "prefect", environment=environment_for(settings), port=prefect_port)
        api_url = f"{record.address}/api"
    # Before prefect is imported; the process of each run inherits it.
    os.environ["PREFECT_API_URL"] = api_url
    # The default of ten seconds makes a run late by as much.
    os.environ.setdefault("PREFECT_RUNNER_POLL_FREQUENCY", "3")
    _serve(name, parameters, cron=cron, timezone=timezone, flow=flow, address=api_url.removesuffix("/api"))


def _serve(name: str, parameters: dict[str, Any], *, cron: str, timezone: str, flow: Any, address: str) -> None:
    from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    if flow is None:
        from flows.pipeline import scheduled_pipeline as flow
    say(f'Prefect at {address} runs {flow.name}/{name} at "{cron}" ({timezone}); Ctrl-C ends the schedule')
    flow.serve(
        name=name,
        schedule=Cron(cron, timezone=timezone),
        parameters=parameters,
        # Two runs at once would only wait for each other's stages: the later one is skipped.
        global_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
        print_starting_message=False,
        # By name, not by file: the run's process need not start in this folder.
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
