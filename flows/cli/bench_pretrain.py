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

_PREPARATIONS = 1
_NOT_MEASURED = "–"
_NAMES = {
    "ours": "touchstone",
    "trainer": "Trainer",
    "trainer_packed": "Trainer full rows",
    "trainer_bf16": "Trainer bf16",
    "trainer_packed_bf16": "Trainer full rows bf16",
}
_LOSS_TOKENS = 50_000  # of dev, for the held-out loss
_SHARES = {"train": 0.9, "dev": 0.06, "test": 0.02, "holdout": 0.02}


def add_to(bench: typer.Typer) -> None:
    """Register the benchmark under ``bench``."""
    bench.command("pretrain", epilog="Example: touchstone bench pretrain text.jsonl --layers 4 --hidden 256")(pretrain)


def pretrain(
    sources: Annotated[
        list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Documents; the embedded corpus by default.")
    ] = None,
    layers: Annotated[int, typer.Option(min=1, max=48, help="Transformer layers.")] = 4,
    hidden: Annotated[int, typer.Option(min=16, max=4096, help="Width; a head is 64 wide.")] = 256,
    max_tokens: Annotated[int, typer.Option(min=16, max=4096, help="Tokens of a sequence.")] = 512,
    rows: Annotated[int, typer.Option(min=1, help="Sequences of a batch of the Trainer's.")] = 8,
    documents: Annotated[int, typer.Option(min=100, help="Documents at most, of each source.")] = 5_000,
    min_characters: Annotated[int, typer.Option(min=1, help="Shorter documents are left out.")] = 1,
    vocabulary: Annotated[int, typer.Option(min=200, help="Size of the tokenizer, at most.")] = 32_000,
    mask_share: Annotated[float, typer.Option(min=0.05, max=0.5, help="Share of tokens masked, on all sides.")] = 0.15,
    turns: Annotated[int, typer.Option(min=1, help="Turns of each side; the median counts.")] = 5,
    steps: Annotated[int, typer.Option(min=1, help="Steps of a turn.")] = 5,
    loss_tokens: Annotated[int, typer.Option(min=0, help="Tokens trained on for the held-out loss; 0: none.")] = 0,
    loss_seconds: Annotated[
        float, typer.Option(min=0, help="Processor seconds trained for the loss after equal time; 0: none.")
    ] = 0.0,
    memory: Annotated[bool, typer.Option("--memory", help="Peak memory, of a process of its own each.")] = False,
    bf16: Annotated[bool, typer.Option("--bf16", help="The Trainer in bf16 too.")] = False,
    peer_dropout: Annotated[
        float, typer.Option(min=0, max=0.9, help="Dropout of the Trainer's network; its library's own is 0.1.")
    ] = 0.0,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the arithmetic.")] = None,
    column: options.Columns = None,
    json: options.Json = False,
) -> None:
    """Real tokens a second of processor time, and the held-out loss after equal tokens."""
    with result_on_stdout(json) as results:
        prepare()
        from components.modeling.benchmark import compare_pretraining

        steps_shown = turns + memory
        count = _PREPARATIONS + (5 if bf16 else 3) * steps_shown + 3 * (bool(loss_tokens) + bool(loss_seconds))
        with tempfile.TemporaryDirectory(prefix="touchstone-") as name, phases(count) as enter:
            folder = Path(name)
            config = _config(
                {"layers": layers, "hidden": hidden, "max_tokens": max_tokens},
                tokens_per_batch=rows * max_tokens,
                mask_share=mask_share,
                threads=threads,
            )
            texts = _read(sources, options.parse_columns(column), documents, min_characters)
            _encode(texts, folder, vocabulary, max_tokens, enter)
            report = compare_pretraining(
                folder / "encoded",
                folder / "tokenizer",
                config,
                turns=turns,
                steps=steps,
                loss_tokens=loss_tokens,
                loss_seconds=loss_seconds,
                memory=memory,
                bf16=bf16,
                peer_dropout=peer_dropout,
                begins=enter,
            )
        work = {"documents": documents, "max_tokens": max_tokens, "mask_share": mask_share}
        results.append(_document(report, {**work, "peer_dropout": peer_dropout}))
    if not json:
        _show(report)


def _config(shape: dict[str, int], **settings: Any) -> PretrainingConfig:
    """Masked words alone, which the library knows too; no sequence is cut short on purpose, which would only pad."""
    from components.modeling.config import ArchitectureConfig, PretrainingConfig

    hidden = shape["hidden"]
    architecture = ArchitectureConfig(heads=max(1, hidden // 64), intermediate=4 * hidden, **shape)
    return PretrainingConfig(
        architecture=architecture, objective="mlm", short_sequence_share=0, evaluation_tokens=_LOSS_TOKENS, **settings
    )


def _read(sources: list[str] | None, columns: Any, documents: int, min_characters: int) -> Iterator[Record]:
    """The documents, each with an id and a language."""
    if not sources:
        yield from _embedded(documents)
        return
    from components.ingestion.languages import detect_language
    from components.ingestion.readers import read_input

    for source in sources:
        items = (item for item in read_input(source, columns=columns or None) if isinstance(item, dict))
        texts = (item["text"] for item in items if len(item["text"]) >= min_characters)
        for number, text in enumerate(islice(texts, documents)):
            yield {"id": f"{source}:{number}", "text": text, "lang": detect_language(text)[0]}


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


def _document(report: PretrainingComparison, asked: dict[str, float]) -> dict[str, Any]:
    from importlib.metadata import version

    sides = {name: figures.model_dump() for name, figures in report.contenders.items()}
    named = {"name": "transformers.Trainer", "version": version("transformers"), **sides["trainer"]}
    work = report.model_dump(
        include={"layers", "hidden", "vocabulary", "parameters", "precision", "tokens_per_batch", "steps_a_turn"}
    )
    return {
        "bench": "pretrain",
        "ours": sides["ours"],
        "peer": named,
        **{f"peer_{name.removeprefix('trainer_')}": side for name, side in sides.items() if "_" in name},
        "ratio": report.ratios["trainer"],
        "ratios": report.ratios,
        "arithmetic_ratios": report.arithmetic_ratios,
        "heldout_loss_ratio": report.heldout_loss_ratio,
        "heldout_loss_ratio_equal_time": report.heldout_loss_ratio_equal_time,
        "unit": "tokens/s of processor time",
        "work": {**asked, **work},
    }


def _show(report: PretrainingComparison) -> None:
    rows = [
        [
            _NAMES[name],
            f"{figures.tokens_per_second:,.0f}",
            "" if name == "ours" else f"{report.ratios[name]:.2f} x",
            "" if name == "ours" else f"{report.arithmetic_ratios[name]:.2f} x",
            f"{figures.padding_share:.1%}",
            f"{figures.loader_share:.1%}",
        ]
        for name, figures in report.contenders.items()
    ]
    title = (
        f"{report.layers} layers of {report.hidden}, vocabulary {report.vocabulary:,}, "
        f"{report.parameters / 1e6:.1f} M parameters, {report.precision}"
    )
    out = screen()
    out.print(render.plain_table(["", "tokens/s", "slower", "arithmetic", "padding", "waiting"], rows, title=title))
    out.print(
        "Real tokens a second of processor time, median of the turns. slower: than touchstone, the median over turns. "
        "arithmetic: matrix products a real token, over touchstone's. waiting: part of a step, for its batch."
    )
    measured = [
        [
            _NAMES[name],
            f"{figures.tokens_per_step:,.0f}",
            _or_dash(figures.heldout_loss, "{:.4f}"),
            _or_dash(figures.heldout_loss_equal_time, "{:.4f}"),
            _or_dash(figures.peak_memory_megabytes, "{:,.0f}"),
        ]
        for name, figures in report.contenders.items()
    ]
    if any(set(row[2:]) != {_NOT_MEASURED} for row in measured):
        out.print(
            render.plain_table(
                ["", "tokens a step", "equal tokens", "equal time", "peak MB"], measured, title="Held-out loss"
            )
        )


def _or_dash(value: float | None, form: str) -> str:
    return _NOT_MEASURED if value is None else form.format(value)
