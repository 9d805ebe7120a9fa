"""What every stage task shares: reuse by digest, progress, and retries for what may pass next time.

Reuse across runs is by our own key (inputs' digests, config digest, code version of the rooms), so Prefect's cache,
which sees only a task's own lines, is off.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

import components
from components.core.artefacts import Artefact
from components.core.config import StageConfig
from components.core.errors import TransientError
from components.core.hashing import digest_source
from components.core.store import ArtefactStore, StageReport
from tasks import workers
from tasks.progress import ProgressEvent, report
from tasks.settings import Settings

A = TypeVar("A", bound=Artefact)
_ROOMS = Path(components.__file__).parent


def _may_pass_next_time(_: Any, __: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), TransientError)


STAGE_OPTIONS: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 2,
    "retry_delay_seconds": [1, 10],
    "retry_condition_fn": _may_pass_next_time,
}


@cache
def open_store() -> ArtefactStore:
    """The artefact store of this home."""
    return ArtefactStore(Settings().home)


@cache
def code_version(*rooms: str) -> str:
    """Digest of the source of some rooms and of core."""
    return digest_source(*(_ROOMS / room for room in ("core", *rooms)))


def preload(after: threading.Thread) -> threading.Thread:
    """Load the stages' heavy libraries while a server starts elsewhere.

    The workers' ones in the process that they are forked from, then those of this process on a thread, once ``after``
    has ended. Join it before anything else is imported: two threads in one import cycle see half-made modules.
    """
    workers.preload()  # first: the first stage of a candidate works in one

    def work() -> None:
        after.join()
        for name in ("great_expectations", "evidently"):
            importlib.import_module(name)

    thread = threading.Thread(target=work, name="preload", daemon=True)
    thread.start()
    return thread


class StageCounter:
    """How many stages were built and how many found finished since it was made, and in how many seconds."""

    built = 0
    reused = 0
    _lock = threading.Lock()

    def __init__(self) -> None:
        """Starts counting now."""
        self._start = (StageCounter.built, StageCounter.reused, time.monotonic())

    @classmethod
    def count(cls, reused: bool) -> None:
        """One stage more; candidates count side by side."""
        with cls._lock:
            cls.reused += reused
            cls.built += not reused

    def summary(self) -> dict[str, Any]:
        """``built_stages``, ``reused_stages``, ``seconds``."""
        built, reused, since = self._start
        return {
            "built_stages": StageCounter.built - built,
            "reused_stages": StageCounter.reused - reused,
            "seconds": round(time.monotonic() - since, 1),
        }


def produce(
    kind: type[A],
    *,
    stage: str,
    candidate: str,
    rooms: tuple[str, ...],
    inputs: Mapping[str, Artefact],
    config: StageConfig,
    build: Callable[[dict[str, Path], Path, Path], StageReport],
    outside: Mapping[str, str] | None = None,
    restricted: bool = False,
) -> A:
    """Find the stage's artefact or make it, and say which."""
    report(ProgressEvent(stage, candidate, 0, 0))

    def interruptible_build(folders: dict[str, Path], out: Path, work: Path) -> StageReport:
        with workers.interruptible():
            return build(folders, out, work)

    artefact, reused = open_store().produce(
        kind,
        stage=stage,
        inputs=inputs,
        config=config,
        code_version=code_version(*rooms),
        build=interruptible_build,
        outside=outside,
        restricted=restricted,
    )
    StageCounter.count(reused)
    report(ProgressEvent(stage, candidate, 1, 1, note="reused" if reused else "done"))
    return artefact
