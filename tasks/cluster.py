"""Shards on a Ray cluster, through Prefect's Ray task runner (extra ``cluster``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prefect import flow, task

from components.core.errors import ConfigError
from components.scrubbing.shards import ShardCounts, ShardJob, scrub_shard

LOCAL = "local"


@task(name="scrub-shard", task_run_name="scrub-{job.shard.name}", persist_result=False, retries=1)
def _scrub_shard(job: ShardJob) -> ShardCounts:
    return scrub_shard(job)


def scrub_on_ray(jobs: Sequence[ShardJob], address: str) -> list[ShardCounts]:
    """Scrub shards as tasks of a Ray cluster; counts in the order of the jobs.

    ``address`` is ``local``, which starts one on this machine, or ``ray://host:10001``; its machines must see the
    shards and the work folder under the same paths. The jobs are no parameters of the flow, which a Prefect server
    would store: they hold the key.

    Raises: ConfigError if the extra is not installed.
    """
    runner = _ray_runner(address)

    @flow(name="scrub-shards", task_runner=runner, persist_result=False)
    def scrub_shards() -> list[ShardCounts]:
        futures = [_scrub_shard.submit(job) for job in jobs]
        return [future.result() for future in futures]

    return scrub_shards()


def _ray_runner(address: str) -> Any:
    try:
        from prefect_ray import RayTaskRunner
    except ImportError as error:
        raise ConfigError(
            "scrubbing.cluster needs the extra: run make setup EXTRAS=cluster or pip install 'touchstone[cluster]'"
        ) from error
    return RayTaskRunner() if address == LOCAL else RayTaskRunner(address=address)
