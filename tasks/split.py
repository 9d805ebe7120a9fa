"""A corpus to Splits."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from components.cleaning.config import SplitConfig
from components.core.artefacts import CleanCorpus, RawCorpus, ScrubbedCorpus, Splits
from components.core.store import StageReport
from tasks.stages import STAGE_OPTIONS, produce
from tasks.workers import run_stage


@task(name="split", task_run_name="split-{candidate}", **STAGE_OPTIONS)
def split(corpus: RawCorpus | ScrubbedCorpus | CleanCorpus, config: SplitConfig, candidate: str) -> Splits:
    """Part the corpus into train, dev, test and holdout."""

    def build(inputs: dict[str, Path], out: Path, work: Path) -> StageReport:
        split_corpus = "components.cleaning.split:split_corpus"
        return run_stage(split_corpus, inputs["corpus"], config, out_dir=out, work_dir=work / "split")

    return produce(
        Splits,
        stage="split",
        candidate=candidate,
        rooms=("cleaning",),
        inputs={"corpus": corpus},
        config=config,
        build=build,
        restricted=corpus.restricted,
    )
