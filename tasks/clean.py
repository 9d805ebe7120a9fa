"""A corpus to CleanCorpus."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from components.cleaning.config import CleaningConfig
from components.cleaning.protect import protect_fingerprint
from components.cleaning.toxicity import MakeScorer
from components.core.artefacts import CleanCorpus, RawCorpus, ScrubbedCorpus
from components.core.store import StageReport
from tasks.stages import STAGE_OPTIONS, produce
from tasks.workers import run_stage


@task(name="clean", task_run_name="clean-{candidate}", **STAGE_OPTIONS)
def clean(corpus: RawCorpus | ScrubbedCorpus, config: CleaningConfig, candidate: str) -> CleanCorpus:
    """Repair, filter and deduplicate. Harm is scored by the shipped filter, since a run's own is not trained yet."""
    make_scorer, scorer_digest, scorer_rooms = _harm_scorer() if config.toxicity is not None else (None, {}, ())

    def build(inputs: dict[str, Path], out: Path, work: Path) -> StageReport:
        return run_stage(
            "components.cleaning.clean:clean_corpus",
            inputs["corpus"],
            config,
            out_dir=out,
            work_dir=work / "clean",
            make_scorer=make_scorer,
        )

    return produce(
        CleanCorpus,
        stage="clean",
        candidate=candidate,
        rooms=("cleaning", "ingestion", *scorer_rooms),
        inputs={"corpus": corpus},
        config=config,
        build=build,
        outside=protect_fingerprint(config.protect) | scorer_digest,
        restricted=corpus.restricted,
    )


def _harm_scorer() -> tuple[MakeScorer, dict[str, str], tuple[str, ...]]:
    """What makes the scorer, the digest of what it judges by, and the rooms whose code it is."""
    from components.safety.default_filter import default_filter, default_filter_digest

    return default_filter, {"harm": default_filter_digest()}, ("safety", "scrubbing")
