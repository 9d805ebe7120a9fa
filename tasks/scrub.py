"""RawCorpus to ScrubbedCorpus."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from prefect import task

from components.core.artefacts import RawCorpus, ScrubbedCorpus
from components.core.store import StageReport
from components.scrubbing.config import ScrubbingConfig
from components.scrubbing.keys import fingerprint, load_or_make_key
from components.scrubbing.policy import KEYED_POLICIES
from components.scrubbing.scrub import scrub_corpus
from tasks.settings import Settings
from tasks.stages import STAGE_OPTIONS, produce
from tasks.workers import run_stage


@task(name="scrub", task_run_name="scrub-{candidate}", **STAGE_OPTIONS)
def scrub(corpus: RawCorpus, config: ScrubbingConfig, candidate: str) -> ScrubbedCorpus:
    """Replace personal data; after a kill, of the shards that are not finished."""
    key = load_or_make_key(Settings().keys_folder) if config.policy in KEYED_POLICIES else None

    def build(inputs: dict[str, Path], out: Path, work: Path) -> StageReport:
        folders: dict[str, Any] = {"out_dir": out, "work_dir": work, "key": key}
        if config.cluster is None:
            return run_stage("components.scrubbing.scrub:scrub_corpus", inputs["corpus"], config, **folders)
        from tasks.cluster import scrub_on_ray

        run_shards = partial(scrub_on_ray, address=config.cluster)
        return scrub_corpus(inputs["corpus"], config, run_shards=run_shards, **folders)

    return produce(
        ScrubbedCorpus,
        stage="scrub",
        candidate=candidate,
        rooms=("scrubbing",),
        inputs={"corpus": corpus},
        config=config,
        build=build,
        outside={"scrub_key": fingerprint(key)} if key else None,
    )
