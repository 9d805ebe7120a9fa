"""What pretraining is worth: fine-tuned from it against from scratch, and the objectives beside each other.

    python tests/benchmarks/pretraining_value.py --encoded DIR --tokenizer DIR --data DIR --out DIR --jobs 2 \
        [--profile public] [--set pretraining.max_steps=2400 finetuning.epochs=3] \
        [--objectives mlm+nsp mlm+sop mlm] [--seeds 0 1 2]

``--encoded`` and ``--tokenizer`` are artefact folders of a run (``artefacts/EncodedCorpus/…`` and
``artefacts/Tokenizer/…``); ``--data`` holds ``sst2`` and ``chnsenticorp`` in their published form. Each objective is
pretrained once, for as many steps, then fine-tuned on each task under each seed; from scratch is the same network with
new weights, drawn by that seed, all layers of which learn at the full rate. Fine-tuning stops early on a twentieth of
the task's train file; accuracy is of the published dev file, less the rows that stand in train. The gain is the mean
over seeds and rows; its 95 % interval adds the variance between rows to that between seeds.

The work is done by ``--jobs`` processes side by side, which share the cores; each logs to ``OUT/logs``. Everything that
is done lies under ``--out`` and is not done again: the same command goes on after a kill, from the last checkpoints.
Writes ``value.json`` and ``value.md`` there as soon as all is done. With the public profile a pretraining takes
about twenty minutes of one core, a fine-tuning some minutes: 3 objectives x 2 tasks x 3 seeds and from scratch are 24.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from components.core.corpus import read_records, write_records
from components.core.jsonfiles import read_json, write_json
from components.core.seeds import derive_seed
from components.modeling.config import FinetuningConfig, PretrainingConfig
from flows.config import PipelineConfig, load_config

SCRATCH = "from scratch"
TASKS = ("sst2", "chnsenticorp")
LABELS = {"0": "negative", "1": "positive"}
STOP_SHARE = 20  # one in so many train rows is held back for stopping early
Z = 1.959964


def main() -> None:
    """Do what is not done yet, then say what came out."""
    options = _options()
    config = load_config(options.profile, overrides=options.overrides)
    if options.item:
        _do(options.item, config, options)
        return
    for task in options.tasks:
        prepare_task(options.data / task, options.out / "tasks" / task)
    tunings = [
        ["tune", task, start, str(seed)]
        for seed in options.seeds
        for task in options.tasks
        for start in [SCRATCH, *options.objectives]
    ]
    for items in ([["pretrain", objective] for objective in options.objectives], tunings):
        run_beside_each_other([item for item in items if not _is_done(item, options)], options.jobs, options.out)
    right = {
        (task, start): np.stack([answers(task, start, seed, options) for seed in options.seeds])
        for task in options.tasks
        for start in [SCRATCH, *options.objectives]
    }
    report(right, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoded", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--profile", default="public")
    parser.add_argument("--set", dest="overrides", nargs="*", default=[])
    parser.add_argument("--objectives", nargs="+", default=["mlm+nsp", "mlm+sop", "mlm"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side, which share the cores")
    parser.add_argument("--item", nargs="+", help=argparse.SUPPRESS)  # what a process of these does
    return parser.parse_args()


def run_beside_each_other(items: Sequence[Sequence[str]], jobs: int, out: Path) -> None:
    """Each item in a process of its own, so many at a time; the first that fails ends the others."""
    (out / "logs").mkdir(parents=True, exist_ok=True)
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    environment = os.environ | {"OMP_NUM_THREADS": threads}
    waiting, running = list(items), {}
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                item = waiting.pop(0)
                log = out / "logs" / f"{'-'.join(item).replace(' ', '-')}.log"
                with log.open("ab") as handle:
                    command = [sys.executable, "-W", "ignore", *sys.argv, "--item", *item]
                    running[log] = subprocess.Popen(command, stdout=handle, stderr=handle, env=environment)
            time.sleep(1)
            for log, process in list(running.items()):
                if process.poll() is not None:
                    del running[log]
                    if process.returncode:
                        sys.exit(f"{log.stem} ended with {process.returncode}; see {log}, then run the same again")
            tell(f"{len(waiting)} waiting, {len(running)} running")
    finally:
        for process in running.values():
            process.terminate()  # saves a checkpoint first


def _do(item: Sequence[str], config: PipelineConfig, options: argparse.Namespace) -> None:
    if item[0] == "pretrain":
        pretrain_once(item[1], config, options)
    else:
        tune_once(item[1], item[2], int(item[3]), config, options)


def _is_done(item: Sequence[str], options: argparse.Namespace) -> bool:
    if item[0] == "pretrain":
        return (options.out / "models" / item[1] / "seconds.json").is_file()
    return (_tuned(item[1], item[2], int(item[3]), options) / "answers.json").is_file()


def _tuned(task: str, start: str, seed: int, options: argparse.Namespace) -> Path:
    folder: Path = options.out / "tuned" / task / f"{start.replace(' ', '-')}-{seed}"
    return folder


def prepare_task(source: Path, folder: Path) -> None:
    """``train``, ``dev`` (for stopping) and ``test`` (the published dev file less rows of train) as corpora."""
    if (folder / "done").is_file():
        return
    train, dev = list(rows_of(source, "train")), list(rows_of(source, "dev"))
    seen = {record["text"] for record in train}
    held = {record["id"] for record in train if derive_seed(0, "stop", record["text"]) % STOP_SHARE == 0}
    write_records([record for record in train if record["id"] not in held], folder / "train")
    write_records([record for record in train if record["id"] in held], folder / "dev")
    write_records([record for record in dev if record["text"] not in seen], folder / "test")
    (folder / "done").touch()


def rows_of(source: Path, split: str) -> Iterator[dict[str, str]]:
    """Records of a published file: sst2 has text and label, chnsenticorp a head and more columns."""
    path = next(path for path in (source / f"{split}.tsv", source / f"{split}.tsv.gz") if path.is_file())
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as handle:
        rows: Iterator[Any] = csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
        if source.name == "chnsenticorp":
            head = next(rows)
            text, label = head.index("text_a"), head.index("label")
        else:
            text, label = 0, 1
        for number, row in enumerate(rows):
            if len(row) > max(text, label) and row[label] in LABELS and row[text].strip():
                yield {"id": f"{split}-{number}", "text": row[text].strip(), "label": LABELS[row[label]]}


def pretraining_config(objective: str, config: PipelineConfig) -> PretrainingConfig:
    """The profile's, with another objective."""
    if config.pretraining is None:
        sys.exit("this profile has no pretraining.yaml; name one that has")
    values = config.pretraining.model_dump(exclude={"sources", "reference_epochs"}) | {"objective": objective}
    return PretrainingConfig.model_validate(values)


def pretrain_once(objective: str, config: PipelineConfig, options: argparse.Namespace) -> None:
    """Pretrain, or go on with it."""
    from components.modeling.launching import run_pretraining

    folder: Path = options.out / "models" / objective
    folder.mkdir(parents=True, exist_ok=True)
    started = time.process_time()
    report = run_pretraining(
        options.encoded,
        options.tokenizer,
        pretraining_config(objective, config),
        out_dir=folder,
        work_dir=options.out / "work" / objective,
        on_progress=lambda done, total, _, extra: tell(f"{objective} {done}/{total} loss {extra['loss']:.3f}"),
    )
    seconds = {"processor_seconds_since_start_or_resume": round(time.process_time() - started, 1)}
    write_json(seconds | dict(report.summary), folder / "seconds.json")


def from_scratch(seed: int, config: PipelineConfig, options: argparse.Namespace) -> Path:
    """The same network with new weights."""
    import torch

    from components.modeling.loading import load_tokenizer
    from components.modeling.networks import make_network
    from components.modeling.saving import save_network
    from components.modeling.vocabulary import VocabularyIds

    folder: Path = options.out / "models" / f"scratch-{seed}"
    if not (folder / "config.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        tokenizer = load_tokenizer(options.tokenizer)
        torch.manual_seed(derive_seed(seed, "scratch"))
        network = make_network(pretraining_config("mlm", config), VocabularyIds.of(tokenizer))
        tokenizer.model_max_length = network.max_tokens
        save_network(network, tokenizer, folder)
    return folder


def tune_once(task: str, start: str, seed: int, config: PipelineConfig, options: argparse.Namespace) -> None:
    """Fine-tune under a seed, and note whether each row of the published dev file is answered right."""
    from components.modeling.finetuning import finetune
    from components.modeling.inference import TextClassifier

    folder = _tuned(task, start, seed, options)
    model = from_scratch(seed, config, options) if start == SCRATCH else options.out / "models" / start
    values = config.finetuning.model_dump(exclude={"sources", "checkpoint"}) | {"seed": seed}
    if start == SCRATCH:
        values["layerwise_decay"] = 1.0  # nothing is there yet that lower layers should keep
    folder.mkdir(parents=True, exist_ok=True)
    finetune(
        model,
        options.out / "tasks" / task,
        FinetuningConfig.model_validate(values),
        out_dir=folder,
        work_dir=options.out / "work" / f"{task}-{start.replace(' ', '-')}-{seed}",
        on_progress=lambda done, total, *_: tell(f"{task}, {start}, seed {seed}: {done}/{total}"),
    )
    records = list(read_records(options.out / "tasks" / task / "test"))
    classifier = TextClassifier(folder)
    guesses = classifier.predict([record["text"] for record in records]).argmax(1)
    found = [classifier.labels[guess] == record["label"] for guess, record in zip(guesses, records, strict=True)]
    write_json({"right": [int(value) for value in found]}, folder / "answers.json")


def answers(task: str, start: str, seed: int, options: argparse.Namespace) -> np.ndarray:
    """Whether each row is answered right, 0 or 1."""
    values = read_json(_tuned(task, start, seed, options) / "answers.json")["right"]
    return np.asarray(values, dtype=np.float64)


def report(right: dict[tuple[str, str], np.ndarray], options: argparse.Namespace) -> None:
    """Accuracy of every start and its gain over from scratch, in points."""
    results = [_result(task, start, right_SN, right[task, SCRATCH]) for (task, start), right_SN in right.items()]
    names = options.objectives
    pretraining = {
        name: {
            "processor": read_json(options.out / "models" / name / "seconds.json"),
            "report": read_json(options.out / "models" / name / "report.json"),
        }
        for name in names
    }
    write_json({"results": results, "pretraining": pretraining, "seeds": options.seeds}, options.out / "value.json")
    lines = [
        "| task | start | n | accuracy | by seed | gain, points | 95 % |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in results:
        seeds = " ".join(f"{100 * value:.1f}" for value in row["by_seed"])
        gain = ["", ""]
        if row["start"] != SCRATCH:
            gain = [f"{row['gain_points']:+.1f}", f"{row['ci_low']:+.1f} to {row['ci_high']:+.1f}"]
        cells = [row["task"], row["start"], str(row["n"]), f"{100 * row['accuracy']:.1f}", seeds, *gain]
        lines.append(f"| {' | '.join(cells)} |")
    table = "\n".join(lines) + "\n"
    (options.out / "value.md").write_text(table, encoding="utf-8")
    tell("")
    print(table, end="")


def _result(task: str, start: str, right_SN: np.ndarray, scratch_SN: np.ndarray) -> dict[str, Any]:
    """Rows and seeds are both samples: the variances of their means add up, which is the cautious side."""
    difference_SN = right_SN - scratch_SN
    seeds, rows = difference_SN.shape
    between_seeds = float(difference_SN.mean(1).var(ddof=1)) / seeds if seeds > 1 else 0.0
    half = Z * (float(difference_SN.mean(0).var(ddof=1)) / rows + between_seeds) ** 0.5
    gain = float(difference_SN.mean())
    return {
        "task": task,
        "start": start,
        "n": rows,
        "accuracy": round(float(right_SN.mean()), 4),
        "by_seed": [round(float(row.mean()), 4) for row in right_SN],
        "gain_points": round(100 * gain, 2),
        "ci_low": round(100 * (gain - half), 2),
        "ci_high": round(100 * (gain + half), 2),
    }


def tell(text: str) -> None:
    """Progress on a terminal, on one line."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text:<78}" if text else "\n")


if __name__ == "__main__":
    main()
