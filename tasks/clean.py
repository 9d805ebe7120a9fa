"""A corpus to CleanCorpus."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from components.cleaning.clean import clean_corpus
from components.cleaning.config import CleaningConfig
from components.cleaning.protect import protect_fingerprint
from components.core.artefacts import CleanCorpus, RawCorpus, ScrubbedCorpus
from components.core.store import StageReport
from components.safety.default_filter import default_filter, default_filter_digest
from tasks.stages import STAGE_OPTIONS, produce


@task(name="clean", task_run_name="clean-{candidate}", **STAGE_OPTIONS)
def clean(corpus: RawCorpus | ScrubbedCorpus, config: CleaningConfig, candidate: str) -> CleanCorpus:
    """Repair, filter and deduplicate. Harm is scored by the shipped filter, since a run's own is not trained yet."""

    def build(inputs: dict[str, Path], out: Path, work: Path) -> StageReport:
        make_scorer = default_filter if config.toxicity is not None else None
        return clean_corpus(inputs["corpus"], config, out_dir=out, work_dir=work / "clean", make_scorer=make_scorer)

    scores_harm = config.toxicity is not None
    return produce(
        CleanCorpus,
        stage="clean",
        candidate=candidate,
        rooms=("cleaning", "ingestion", "safety", "scrubbing") if scores_harm else ("cleaning", "ingestion"),
        inputs={"corpus": corpus},
        config=config,
        build=build,
        outside=protect_fingerprint(config.protect) | ({"harm": default_filter_digest()} if scores_harm else {}),
        restricted=corpus.restricted,
    )
