"""EncodedCorpus to PretrainedModel."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from components.core.artefacts import EncodedCorpus, PretrainedModel, ReferenceModel, Tokenizer
from components.core.store import StageReport
from components.modeling.config import PretrainingConfig
from tasks.ledger import ledger_place
from tasks.settings import Settings
from tasks.stages import STAGE_OPTIONS, produce
from tasks.tracking import RunRef
from tasks.training import record_model, record_quality, record_work, show_progress, training_run
from tasks.workers import run_stage

_PRETRAIN = "components.modeling.launching:run_pretraining"


@task(name="pretrain", task_run_name="pretrain-{candidate}", **STAGE_OPTIONS)
def pretrain(
    encoded: EncodedCorpus, tokenizer: Tokenizer, config: PretrainingConfig, candidate: str, run: RunRef
) -> PretrainedModel:
    """Masked language modelling and next-sentence prediction."""
    inputs = {"encoded": encoded, "tokenizer": tokenizer}
    with training_run("pretrain", candidate, config, run) as (stage_run, on_metrics):

        def build(folders: dict[str, Path], out: Path, work: Path) -> StageReport:
            built = run_stage(
                _PRETRAIN,
                folders["encoded"],
                folders["tokenizer"],
                config,
                out_dir=out,
                work_dir=work,
                ledger=ledger_place(Settings(), f"{candidate} pretrain {work.name[:12]}") if config.privacy else None,
                callbacks={"on_metrics": on_metrics, "on_progress": show_progress("pretrain", candidate)},
            )
            record_work(stage_run, work)
            return built

        model = produce(
            PretrainedModel,
            stage="pretrain",
            candidate=candidate,
            rooms=("modeling", "privacy"),
            inputs=inputs,
            config=config,
            build=build,
            restricted=encoded.restricted,
        )
        record_model(stage_run, model, inputs)
        record_quality(stage_run, model)
    return model


@task(name="train-reference", task_run_name="train-reference-{candidate}", **STAGE_OPTIONS)
def train_reference(
    encoded: EncodedCorpus, tokenizer: Tokenizer, config: PretrainingConfig, candidate: str
) -> ReferenceModel:
    """The same training on the holdout split, which the candidate never saw: calibrates the membership attack."""

    def build(folders: dict[str, Path], out: Path, work: Path) -> StageReport:
        return run_stage(
            _PRETRAIN,
            folders["encoded"],
            folders["tokenizer"],
            config,
            out_dir=out,
            work_dir=work,
            train_split="holdout",
            callbacks={"on_progress": show_progress("train-reference", candidate)},
        )

    return produce(
        ReferenceModel,
        stage="train-reference",
        candidate=candidate,
        rooms=("modeling",),
        inputs={"encoded": encoded, "tokenizer": tokenizer},
        config=config,
        build=build,
        restricted=encoded.restricted,
    )
