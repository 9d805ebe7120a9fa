"""``touchstone bench``: ours and a peer on the same work in one run."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import typer.core

from components.core.errors import ConfigError
from flows.cli import bench_dedup, bench_guard, bench_pretrain, bench_seal, options, render
from flows.cli.progress import phases
from flows.cli.session import prepare, result_on_stdout, screen, to_json_line

if TYPE_CHECKING:
    from components.scrubbing.benchmark import BenchReport

_SEED = 7
_PEER_SHARE = 50
_LOGGERS_OF_THE_PEER = ("presidio-analyzer", "tldextract")


class _KnownBenches(typer.core.TyperGroup):
    """A group that says which benchmarks there are."""

    def resolve_command(self, context: Any, arguments: list[str]) -> Any:
        """As click's; an unknown name comes with the known ones."""
        if arguments and self.get_command(context, arguments[0]) is None and not arguments[0].startswith("-"):
            known = ", ".join(sorted(self.list_commands(context)))
            raise ConfigError(f"bench {arguments[0]}: unknown; known: {known}")
        return super().resolve_command(context, arguments)


def add_to(app: typer.Typer) -> None:
    """Register the verb, with a benchmark a command."""
    group = typer.Typer(
        cls=_KnownBenches, no_args_is_help=True, help="Compare with a peer on the same work in one run, by a ratio."
    )
    group.command(epilog="Example: touchstone bench scrub --documents 10000 --json")(scrub)
    bench_dedup.add_to(group)
    bench_guard.add_to(group)
    bench_pretrain.add_to(group)
    bench_seal.add_to(group)
    app.add_typer(group, name="bench")


def scrub(
    documents: Annotated[int, typer.Option("--documents", min=100, help="Documents of about 900 characters.")] = 5_000,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Turns of each side; the median counts.")] = 5,
    json: options.Json = False,
) -> None:
    """Detection of personal data beside Presidio, and from file to file: documents a second, recall, precision."""
    with result_on_stdout(json) as results:
        prepare()
        results.append(_bench_scrub(documents, rounds))
    if not json:
        _show(results[0])


def _bench_scrub(documents: int, rounds: int) -> dict[str, Any]:
    from components.scrubbing import LABELS
    from components.scrubbing.benchmark import STRUCTURED_LABELS, compare, make_documents, speeds_by_turns
    from components.scrubbing.benchmark.contenders import our_detection, presidio_detection

    _quieten_the_peer()
    with phases(3) as enter:
        enter("detection, both sides")
        work = make_documents(documents, seed=_SEED)
        ours, peer = our_detection(STRUCTURED_LABELS), presidio_detection(STRUCTURED_LABELS)
        report = compare(ours, peer, work, rounds=rounds, peer_share=min(_PEER_SHARE, documents))
        enter("every label")
        texts = [document.text for document in work]
        few = texts[: documents // 5]
        everything, whole_peer = speeds_by_turns(
            [(our_detection(LABELS), few), (presidio_detection(None), few[:: min(_PEER_SHARE, len(few))])],
            rounds=rounds,
        )
        enter("file to file")
        files = [_file_to_file(texts) for _ in range(min(rounds, 3))]
    best = sorted(files)[len(files) // 2]
    return {
        "bench": "scrub",
        "ours": {"name": ours.name, "version": ours.version, **report.ours.model_dump(),
                 "quality": report.ours_quality.model_dump(), "file_to_file_documents_per_second": best},
        "peer": {"name": peer.name, "version": peer.version, **report.peer.model_dump(),
                 "quality": report.peer_quality.model_dump()},
        "ratio": report.ratio,
        "file_to_file_ratio": best / report.peer.documents_per_second,
        "everything_on": everything.model_dump(),
        "everything_on_peer": whole_peer.model_dump(),
        "everything_on_ratio": everything.documents_per_second / whole_peer.documents_per_second,
        "everything_on_ratio_to_structured_peer": everything.documents_per_second / report.peer.documents_per_second,
        "unit": "documents/s",
        "work": _work(report),
    }  # fmt: skip


def _work(report: BenchReport) -> dict[str, Any]:
    from components.scrubbing.benchmark import STRUCTURED_LABELS

    return {
        "documents": report.documents,
        "peer_documents": report.peer_documents,
        "mean_characters": report.characters / report.documents,
        "labels": list(STRUCTURED_LABELS),
        "threads": 1,
        "clock": "processor time",
    }


def _file_to_file(texts: list[str]) -> float:
    """Documents a second of ``touchstone scrub`` from one JSONL file to another, its process included but its start."""
    from components.scrubbing.benchmark import STRUCTURED_LABELS
    from flows.cli.scrubbing import ScrubJob, run_scrub_job

    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder, "in.jsonl"), Path(folder, "out.jsonl")
        with source.open("w", encoding="utf-8") as handle:
            handle.writelines(to_json_line({"id": str(number), "text": text}) for number, text in enumerate(texts))
        job = ScrubJob.checked(
            lang="en", policy="redact", labels=",".join(STRUCTURED_LABELS), min_score=0.5, keys=Path(folder)
        )
        start = time.process_time()
        run_scrub_job(str(source), output, None, job, workers=1, columns={})
        return len(texts) / (time.process_time() - start)


def _quieten_the_peer() -> None:
    import logging

    os.environ.setdefault("TLDEXTRACT_CACHE", os.devnull)
    for logger in _LOGGERS_OF_THE_PEER:
        logging.getLogger(logger).setLevel(logging.ERROR)


def _show(result: dict[str, Any]) -> None:
    rows = []
    for side in ("ours", "peer"):
        found = result[side]
        rows.append(
            [f"{found['name']} {found['version']}", f"{found['documents_per_second']:,.0f}",
             f"{found['quality']['recall']:.3f}", f"{found['quality']['precision']:.3f}"]
        )  # fmt: skip
    work = result["work"]
    title = f"{work['documents']} documents of {work['mean_characters']:.0f} characters, one thread"
    screen().print(render.plain_table(["", "documents/s", "recall", "precision"], rows, title=title))
    screen().print(
        f"detection {result['ratio']:.0f} times the peer; file to file "
        f"{result['ours']['file_to_file_documents_per_second']:,.0f} documents/s, "
        f"{result['file_to_file_ratio']:.0f} times the peer's detection; every label "
        f"{result['everything_on']['documents_per_second']:,.0f} documents/s, "
        f"{result['everything_on_ratio']:.1f} times the peer with every recogniser, "
        f"{result['everything_on_ratio_to_structured_peer']:.1f} times the peer with these seven",
        markup=False,
    )
