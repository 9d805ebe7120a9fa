"""Sources to training text, for one candidate: ingest, check, scrub, clean, split, validate, document, balance."""

from __future__ import annotations

from prefect import flow

from flows.config import CandidateConfig, PipelineConfig, Purpose
from flows.results import PreparedCorpus, PreparedData
from tasks.balance import balance
from tasks.clean import clean
from tasks.document import document
from tasks.ingest import ingest
from tasks.scrub import scrub
from tasks.split import split
from tasks.validate import check, drift, validate


@flow(name="prepare-data", flow_run_name="prepare-data-{candidate.name}", validate_parameters=False)
def prepare_data(candidate: CandidateConfig, config: PipelineConfig) -> PreparedData:
    """Both corpora take the same path; what a candidate skips, it skips for both."""
    return PreparedData(corpora={purpose: _prepare(purpose, candidate, config) for purpose in config.purposes})


def _prepare(purpose: Purpose, candidate: CandidateConfig, config: PipelineConfig) -> PreparedCorpus:
    name = candidate.name
    raw = ingest(config.ingestion_of(purpose))
    check(raw, config.validation)
    scrubbed = None if "scrubbing" in candidate.skip else scrub(raw, config.scrubbing, name)
    private = scrubbed or raw
    cleaned = private if "cleaning" in candidate.skip else clean(private, config.cleaning, name)
    splits = split(cleaned, config.splitting, name)
    quality = validate(splits, config.validation, config.scrubbing, name)
    change = drift(cleaned, raw, config.drift, name) if cleaned is not raw else None
    made = (raw, private, cleaned, splits, quality, *([change] if change else []))
    documents = document(made, config.stage_configs(purpose), name)
    training = splits if "balance" in candidate.skip else balance(splits, config.balance_of(purpose), name)
    return PreparedCorpus(
        raw=raw,
        scrubbed=scrubbed,
        splits=splits,
        training=training,
        quality=quality,
        drift=change,
        documents=documents,
    )
