"""``python -m flows.forms``: keeps the deployments ``decide/form`` and ``promote/form`` served for this home.

Prefect's user interface makes a form of a deployment's parameters. ``touchstone ui`` starts this beside the servers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from tasks.settings import prepare_environment

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment


def main() -> None:
    """Serve until terminated, on the Prefect API that ``PREFECT_API_URL`` names."""
    prepare_environment()
    from prefect import serve
    from prefect.types.entrypoint import EntrypointType

    from flows.decide import decide
    from flows.promote import promote

    forms = [
        # By name, not by file: the run's process need not start in this folder.
        flow.to_deployment("form", tags=["touchstone"], entrypoint_type=EntrypointType.MODULE_PATH)
        for flow in (decide, promote)
    ]
    # Coroutines only where an event loop runs already.
    serve(*cast("list[RunnerDeployment]", forms), print_starting_message=False)


if __name__ == "__main__":
    main()
