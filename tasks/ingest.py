"""Sources to RawCorpus."""

from __future__ import annotations

from prefect import task

from components.core.artefacts import RawCorpus
from components.ingestion.config import IngestionConfig
from components.ingestion.ingest import ingest_corpus, source_fingerprint
from components.scrubbing.keys import fingerprint, load_or_make_key
from tasks.settings import Settings
from tasks.stages import STAGE_OPTIONS, produce


@task(name="ingest", task_run_name="ingest-{config.purpose}", **STAGE_OPTIONS)
def ingest(config: IngestionConfig) -> RawCorpus:
    """Read every source; shared by all candidates."""
    fingerprints = source_fingerprint(config)
    key = load_or_make_key(Settings().keys_folder)
    if not config.is_embedded:  # whose records have ids of their own, whatever the key
        fingerprints["identifier key"] = fingerprint(key)
    return produce(
        RawCorpus,
        stage=f"ingest-{config.purpose}",
        candidate="",
        rooms=("ingestion",),
        inputs={},
        config=config,
        outside=fingerprints,
        build=lambda _, out, work: ingest_corpus(config, out_dir=out, work_dir=work, key=key),
        restricted=True,
    )
