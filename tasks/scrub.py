"""RawCorpus to ScrubbedCorpus."""

from __future__ import annotations

from prefect import task

from components.core.artefacts import RawCorpus, ScrubbedCorpus
from components.scrubbing.config import ScrubbingConfig
from components.scrubbing.scrub import scrub_corpus
from tasks.stages import STAGE_OPTIONS, produce


@task(name="scrub", task_run_name="scrub-{candidate}", **STAGE_OPTIONS)
def scrub(corpus: RawCorpus, config: ScrubbingConfig, candidate: str) -> ScrubbedCorpus:
    """Replace personal data."""
    return produce(
        ScrubbedCorpus,
        stage="scrub",
        candidate=candidate,
        rooms=("scrubbing",),
        inputs={"corpus": corpus},
        config=config,
        build=lambda inputs, out, _: scrub_corpus(inputs["corpus"], config, out_dir=out),
    )
