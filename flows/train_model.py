"""Training text to models, for one candidate: tokenizer, encoding, pretraining, reference, fine-tuning."""

from __future__ import annotations

from prefect import flow

from flows.config import CandidateConfig, PipelineConfig
from flows.results import PreparedData, TrainedModels
from tasks.encode import encode, train_tokenizer
from tasks.finetune import find_checkpoint, finetune
from tasks.pretrain import pretrain, train_reference
from tasks.tracking import RunRef


@flow(name="train-model", flow_run_name="train-model-{candidate.name}", validate_parameters=False)
def train_model(candidate: CandidateConfig, config: PipelineConfig, data: PreparedData, run: RunRef) -> TrainedModels:
    """From scratch where the run pretrains, else from the configured checkpoint."""
    name, task_data = candidate.name, data.training["finetuning"]
    if config.pretraining is None or config.tokenizer is None or config.encoding is None:
        checkpoint = find_checkpoint(str(config.finetuning.checkpoint))
        task_model = finetune(checkpoint, task_data, config.finetuning, name, run)
        return TrainedModels(language_model=None, reference=None, task_model=task_model)
    text = data.training["pretraining"]
    tokenizer = train_tokenizer(text, config.tokenizer, name)
    encoded = encode(text, tokenizer, config.encoding, name)
    language_model = pretrain(encoded, tokenizer, config.pretraining, name, run)
    reference_config = config.pretraining.reference_config()
    reference = train_reference(encoded, tokenizer, reference_config, name) if reference_config else None
    task_model = finetune(language_model, task_data, config.finetuning, name, run)
    return TrainedModels(language_model=language_model, reference=reference, task_model=task_model)
