"""PretrainedModel or a checkpoint, and labelled splits, to FineTunedModel."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from components.core.artefacts import BalancedCorpus, FineTunedModel, PretrainedModel, Splits
from components.core.errors import ConfigError
from components.core.hashing import digest_files, digest_value
from components.core.store import StageReport
from components.modeling.config import FinetuningConfig
from tasks.ledger import ledger_place
from tasks.settings import Settings
from tasks.stages import STAGE_OPTIONS, produce
from tasks.tracking import RunRef
from tasks.training import record_model, show_progress, training_run
from tasks.workers import run_stage


@task(name="finetune", task_run_name="finetune-{candidate}", **STAGE_OPTIONS)
def finetune(
    start: PretrainedModel | Path,
    splits: Splits | BalancedCorpus,
    config: FinetuningConfig,
    candidate: str,
    run: RunRef,
) -> FineTunedModel:
    """Train the task head and the encoder under it."""
    inputs = {"splits": splits} | ({"start": start} if isinstance(start, PretrainedModel) else {})
    outside = {"checkpoint": digest_value(digest_files(start))} if isinstance(start, Path) else {}
    with training_run("finetune", candidate, config, run) as (stage_run, on_metrics):

        def build(folders: dict[str, Path], out: Path, work: Path) -> StageReport:
            return run_stage(
                "components.modeling.finetuning:finetune",
                folders.get("start") or Path(str(start)),
                folders["splits"],
                config,
                out_dir=out,
                work_dir=work,
                ledger=ledger_place(Settings(), f"{candidate} finetune {work.name[:12]}") if config.privacy else None,
                callbacks={"on_metrics": on_metrics, "on_progress": show_progress("finetune", candidate)},
            )

        model = produce(
            FineTunedModel,
            stage="finetune",
            candidate=candidate,
            rooms=("modeling", "privacy"),
            inputs=inputs,
            outside=outside,
            config=config,
            build=build,
            restricted=splits.restricted,
        )
        record_model(stage_run, model, inputs)
    return model


def find_checkpoint(name: str) -> Path:
    """A local Hugging Face folder, or a hub id fetched into the hub's cache.

    Raises: ConfigError if it is neither.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder.resolve()
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        files = ["*.json", "*.safetensors", "*.txt", "*.model"]
        return Path(snapshot_download(name, allow_patterns=files))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ConfigError(
            f"finetuning.checkpoint: {name!r} is no folder and cannot be fetched as a hub id; give a local folder"
        ) from error
