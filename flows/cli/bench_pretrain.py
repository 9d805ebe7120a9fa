"""``touchstone bench pretrain``: our training loop beside the Hugging Face ``Trainer`` on the same network and text."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from components.core.errors import ContractError
from flows.cli import options, render
from flows.cli.progress import phases
from flows.cli.session import prepare, result_on_stdout, screen

if TYPE_CHECKING:
    from components.core.corpus import Record
    from components.modeling.benchmark import PretrainingComparison
    from components.modeling.config import PretrainingConfig

_CONTENDERS = 3
_PREPARATIONS = 1
_NAMES = {"ours": "touchstone", "trainer": "Trainer", "trainer_packed": "Trainer, full rows"}
_SHARES = {"train": 0.9, "dev": 0.06, "test": 0.02, "holdout": 0.02}


def add_to(bench: typer.Typer) -> None:
    """Register the benchmark under ``bench``."""
    bench.command("pretrain", epilog="Example: touchstone bench pretrain text.jsonl --layers 4 --hidden 256")(pretrain)


def pretrain(
    source: Annotated[str | None, typer.Argument(help="Documents; the embedded corpus by default.")] = None,
    layers: Annotated[int, typer.Option(min=1, max=48, help="Transformer layers.")] = 4,
    hidden: Annotated[int, typer.Option(min=16, max=4096, help="Width; a head is 64 wide.")] = 256,
    max_tokens: Annotated[int, typer.Option(min=16, max=4096, help="Tokens of a sequence.")] = 128,
    tokens_per_batch: Annotated[int, typer.Option(min=64, help="Padded tokens of a batch.")] = 2_048,
    documents: Annotated[int, typer.Option(min=100, help="Documents at most.")] = 20_000,
    vocabulary: Annotated[int, typer.Option(min=200, help="Size of the tokenizer.")] = 8_000,
    turns: Annotated[int, typer.Option(min=1, help="Turns of each side; the median counts.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Steps of a turn.")] = 20,
    loss_tokens: Annotated[int, typer.Option(min=0, help="Tokens trained on for the held-out loss; 0: none.")] = 0,
    loss_seconds: Annotated[
        float, typer.Option(min=0, help="Processor seconds trained for the loss after equal time; 0: none.")
    ] = 0.0,
    memory: Annotated[bool, typer.Option("--memory", help="Peak memory, of a process of its own each.")] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the arithmetic.")] = None,
    column: options.Columns = None,
    json: options.Json = False,
) -> None:
    """Real tokens a second of processor time, and the held-out loss after equal tokens."""
    with result_on_stdout(json) as results:
        prepare()
        from components.modeling.benchmark import compare_pretraining

        count = _PREPARATIONS + _CONTENDERS * (turns + bool(loss_tokens) + bool(loss_seconds) + memory)
        with tempfile.TemporaryDirectory(prefix="touchstone-") as name, phases(count) as enter:
            folder = Path(name)
            config = _config(layers, hidden, max_tokens, tokens_per_batch, threads)
            _encode(_read(source, options.parse_columns(column), documents), folder, vocabulary, max_tokens, enter)
            report = compare_pretraining(
                folder / "encoded",
                folder / "tokenizer",
                config,
                turns=turns,
                steps=steps,
                loss_tokens=loss_tokens,
                loss_seconds=loss_seconds,
                memory=memory,
                begins=enter,
            )
        results.append(_document(report, documents=documents, vocabulary=vocabulary, max_tokens=max_tokens))
    if not json:
        _show(report)


def _config(layers: int, hidden: int, max_tokens: int, tokens_per_batch: int, threads: int | None) -> PretrainingConfig:
    from components.modeling.config import ArchitectureConfig, PretrainingConfig

    shape = ArchitectureConfig(
        layers=layers, hidden=hidden, heads=max(1, hidden // 64), intermediate=4 * hidden, max_tokens=max_tokens
    )
    return PretrainingConfig(architecture=shape, objective="mlm", tokens_per_batch=tokens_per_batch, threads=threads)


def _read(source: str | None, columns: Any, documents: int) -> Iterator[Record]:
    """The documents, each with an id and a language."""
    if source is None:
        yield from islice(_embedded(documents), documents)
        return
    from components.ingestion.languages import detect_language
    from components.ingestion.readers import read_input

    readable = (item for item in read_input(source, columns=columns or None) if isinstance(item, dict))
    for number, item in enumerate(islice(readable, documents)):
        yield {"id": str(number), "text": item["text"], "lang": detect_language(item["text"])[0]}


def _embedded(documents: int) -> Iterator[Record]:
    from components.core.corpus import read_records
    from components.ingestion.embedded import write_embedded_corpus
    from flows.config import load_config

    values = [f"ingestion.embedded.n_documents={documents}"]
    config = load_config("demo", overrides=values).ingestion_of("pretraining").embedded
    if config is None:
        raise ContractError("the demo profile has no embedded corpus; name a file of documents")
    with tempfile.TemporaryDirectory(prefix="touchstone-") as folder:
        write_embedded_corpus(config, "pretraining", Path(folder))
        yield from read_records(Path(folder))


def _encode(
    records: Iterator[Record], folder: Path, vocabulary: int, max_tokens: int, enter: Callable[[str], None]
) -> None:
    """``folder/tokenizer`` and ``folder/encoded`` from the records' texts."""
    from components.cleaning.config import Fractions, SplitConfig
    from components.cleaning.split import split_corpus
    from components.core.corpus import write_records
    from components.tokenization.config import EncodingConfig, TokenizerConfig
    from components.tokenization.encoding import encode_splits
    from components.tokenization.training import train_tokenizer

    enter("tokenizer and encoding")
    if not write_records(records, folder / "corpus"):
        raise ContractError("no readable record; check the file and the names of its columns")
    for name in ("splits", "tokenizer", "encoded"):
        (folder / name).mkdir()
    shares = Fractions(**_SHARES)
    splits = SplitConfig(
        fractions=shares, unit="document", group_near_duplicates=None, respect_given_splits=False, workers=1
    )
    split_corpus(folder / "corpus", splits, out_dir=folder / "splits")
    tokenizer = TokenizerConfig(vocabulary_size=vocabulary, max_tokens=max_tokens)
    train_tokenizer(folder / "splits", tokenizer, out_dir=folder / "tokenizer")
    encode_splits(folder / "splits", folder / "tokenizer", EncodingConfig(), out_dir=folder / "encoded")


def _document(report: PretrainingComparison, *, documents: int, vocabulary: int, max_tokens: int) -> dict[str, Any]:
    from importlib.metadata import version

    sides = {name: figures.model_dump() for name, figures in report.contenders.items()}
    return {
        "bench": "pretrain",
        "ours": sides["ours"],
        "peer": {"name": "transformers.Trainer", "version": version("transformers"), **sides["trainer"]},
        "peer_full_rows": sides["trainer_packed"],
        "ratio": report.ratios["trainer"],
        "ratio_full_rows": report.ratios["trainer_packed"],
        "arithmetic_ratio": report.arithmetic_ratios["trainer"],
        "arithmetic_ratio_full_rows": report.arithmetic_ratios["trainer_packed"],
        "heldout_loss_ratio": report.heldout_loss_ratio,
        "heldout_loss_ratio_equal_time": report.heldout_loss_ratio_equal_time,
        "unit": "tokens/s of processor time",
        "work": {
            "documents": documents,
            "vocabulary": vocabulary,
            "max_tokens": max_tokens,
            **report.model_dump(include={"layers", "hidden", "precision", "tokens_per_batch", "steps_a_turn"}),
        },
    }


def _show(report: PretrainingComparison) -> None:
    rows = [
        [
            _NAMES[name],
            f"{figures.tokens_per_second:,.0f}",
            f"{figures.padding_share:.1%}",
            f"{figures.loader_share:.1%}",
            _or_dash(figures.peak_memory_megabytes, "{:,.0f}"),
            _or_dash(figures.heldout_loss, "{:.4f}"),
            _or_dash(figures.heldout_loss_equal_time, "{:.4f}"),
            "" if name == "ours" else f"{report.ratios[name]:.2f}",
            "" if name == "ours" else f"{report.arithmetic_ratios[name]:.2f}",
        ]
        for name, figures in report.contenders.items()
    ]
    title = f"{report.layers} layers of {report.hidden}, {report.tokens_per_batch:,} tokens a batch, {report.precision}"
    head = ["", "tokens/s", "padding", "loader", "MB", "loss, equal tokens", "loss, equal time"]
    head += ["ours is … times as fast", "computes … times as much"]
    screen().print(render.plain_table(head, rows, title=title))


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)
