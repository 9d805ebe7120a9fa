"""Splits to Tokenizer and EncodedCorpus."""

from __future__ import annotations

from pathlib import Path

from prefect import task

from components.core.artefacts import BalancedCorpus, EncodedCorpus, Splits, Tokenizer
from components.core.store import StageReport
from components.tokenization.config import EncodingConfig, TokenizerConfig
from tasks.stages import STAGE_OPTIONS, produce
from tasks.workers import run_stage


@task(name="train-tokenizer", task_run_name="train-tokenizer-{candidate}", **STAGE_OPTIONS)
def train_tokenizer(splits: Splits | BalancedCorpus, config: TokenizerConfig, candidate: str) -> Tokenizer:
    """Learn one bilingual vocabulary from the training text."""

    def build(inputs: dict[str, Path], out: Path, _: Path) -> StageReport:
        return run_stage("components.tokenization.training:train_tokenizer", inputs["splits"], config, out_dir=out)

    return produce(
        Tokenizer,
        stage="train-tokenizer",
        candidate=candidate,
        rooms=("tokenization",),
        inputs={"splits": splits},
        config=config,
        build=build,
        restricted=splits.restricted,
    )


@task(name="encode", task_run_name="encode-{candidate}", **STAGE_OPTIONS)
def encode(
    splits: Splits | BalancedCorpus, tokenizer: Tokenizer, config: EncodingConfig, candidate: str
) -> EncodedCorpus:
    """Sentences as token ids, with the word of each token."""

    def build(inputs: dict[str, Path], out: Path, _: Path) -> StageReport:
        encode_splits = "components.tokenization.encoding:encode_splits"
        return run_stage(encode_splits, inputs["splits"], inputs["tokenizer"], config, out_dir=out)

    return produce(
        EncodedCorpus,
        stage="encode",
        candidate=candidate,
        rooms=("tokenization",),
        inputs={"splits": splits, "tokenizer": tokenizer},
        config=config,
        build=build,
        restricted=splits.restricted,
    )
