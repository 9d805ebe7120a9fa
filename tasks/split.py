"""A corpus to Splits."""

from __future__ import annotations

from prefect import task

from components.cleaning.config import SplitConfig
from components.cleaning.split import split_corpus
from components.core.artefacts import CleanCorpus, RawCorpus, ScrubbedCorpus, Splits
from tasks.stages import STAGE_OPTIONS, produce


@task(name="split", task_run_name="split-{candidate}", **STAGE_OPTIONS)
def split(corpus: RawCorpus | ScrubbedCorpus | CleanCorpus, config: SplitConfig, candidate: str) -> Splits:
    """Part the corpus into train, dev, test and holdout."""
    return produce(
        Splits,
        stage="split",
        candidate=candidate,
        rooms=("cleaning",),
        inputs={"corpus": corpus},
        config=config,
        build=lambda inputs, out, work: split_corpus(inputs["corpus"], config, out_dir=out, work_dir=work / "split"),
        restricted=corpus.restricted,
    )
