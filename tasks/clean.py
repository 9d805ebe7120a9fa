"""A corpus to CleanCorpus."""

from __future__ import annotations

from prefect import task

from components.cleaning.clean import clean_corpus
from components.cleaning.config import CleaningConfig
from components.cleaning.protect import protect_fingerprint
from components.core.artefacts import CleanCorpus, RawCorpus, ScrubbedCorpus
from tasks.stages import STAGE_OPTIONS, produce


@task(name="clean", task_run_name="clean-{candidate}", **STAGE_OPTIONS)
def clean(corpus: RawCorpus | ScrubbedCorpus, config: CleaningConfig, candidate: str) -> CleanCorpus:
    """Normalise, filter and deduplicate."""
    return produce(
        CleanCorpus,
        stage="clean",
        candidate=candidate,
        rooms=("cleaning", "ingestion"),
        inputs={"corpus": corpus},
        config=config,
        build=lambda inputs, out, _: clean_corpus(inputs["corpus"], config, out_dir=out),
        outside=protect_fingerprint(config.protect),
        restricted=corpus.restricted,
    )
