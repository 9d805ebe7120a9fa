"""What pretraining is worth: fine-tuned from it against from scratch, and the objectives beside each other.

    python tests/benchmarks/pretraining_value.py --encoded DIR --tokenizer DIR --data DIR --out DIR \
        [--profile public] [--set pretraining.max_steps=2400] [--objectives mlm+nsp mlm+sop mlm] [--seeds 0 1 2]

``--encoded`` and ``--tokenizer`` are artefact folders of a run (``artefacts/EncodedCorpus/…`` and
``artefacts/Tokenizer/…``); ``--data`` holds ``sst2`` and ``chnsenticorp`` in their published form. Each objective is
pretrained once, for as many steps, then fine-tuned on each task under each seed; from scratch is the same network with
new weights, drawn by that seed. Fine-tuning stops early on a twentieth of the task's train file; accuracy is of the
published dev file, less the rows that stand in train. The gain is the mean over seeds and rows, its 95 % interval over
rows.

Everything that is done lies under ``--out`` and is not done again; a killed training goes on. Prints a table; writes
``value.json`` there. With the public profile a pretraining takes about a quarter of an hour on two cores, a fine-tuning
some minutes: 3 objectives x 2 tasks x 3 seeds and from scratch are 24 of these.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
import time
from collections.abc import Iterator
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
    options = parser.parse_args()
    config = load_config(options.profile, overrides=options.overrides)
    for task in options.tasks:
        prepare_task(options.data / task, options.out / "tasks" / task)
    for objective in options.objectives:
        pretrained(objective, config, options)
    for seed in options.seeds:
        from_scratch(seed, config, options)
    starts = [SCRATCH, *options.objectives]
    right = {
        (task, start): np.stack([answers(task, start, seed, config, options) for seed in options.seeds])
        for task in options.tasks
        for start in starts
    }
    report(right, options)


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


def pretrained(objective: str, config: PipelineConfig, options: argparse.Namespace) -> Path:
    """The folder of a finished pretraining."""
    from components.modeling.launching import run_pretraining

    folder: Path = options.out / "models" / objective
    if not (folder / "seconds.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        run_pretraining(
            options.encoded,
            options.tokenizer,
            pretraining_config(objective, config),
            out_dir=folder,
            work_dir=options.out / "work" / objective,
            on_progress=lambda done, total, _, extra: tell(f"{objective} {done}/{total} loss {extra['loss']:.3f}"),
        )
        write_json({"seconds": round(time.monotonic() - started, 1)}, folder / "seconds.json")
    return folder


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


def answers(task: str, start: str, seed: int, config: PipelineConfig, options: argparse.Namespace) -> np.ndarray:
    """Whether each row of the published dev file is answered right, after fine-tuning under a seed."""
    from components.modeling.finetuning import finetune
    from components.modeling.inference import TextClassifier

    folder: Path = options.out / "tuned" / task / f"{start.replace(' ', '-')}-{seed}"
    if not (folder / "answers.json").is_file():
        model = from_scratch(seed, config, options) if start == SCRATCH else pretrained(start, config, options)
        values = config.finetuning.model_dump(exclude={"sources", "checkpoint"}) | {"seed": seed}
        folder.mkdir(parents=True, exist_ok=True)
        finetune(
            model,
            options.out / "tasks" / task,
            FinetuningConfig.model_validate(values),
            out_dir=folder,
            work_dir=options.out / "work" / f"{task}-{start}-{seed}",
            on_progress=lambda done, total, *_: tell(f"{task}, {start}, seed {seed}: {done}/{total}"),
        )
        records = list(read_records(options.out / "tasks" / task / "test"))
        classifier = TextClassifier(folder)
        guesses = classifier.predict([record["text"] for record in records]).argmax(1)
        found = [classifier.labels[guess] == record["label"] for guess, record in zip(guesses, records, strict=True)]
        write_json({"right": [int(value) for value in found]}, folder / "answers.json")
    return np.asarray(read_json(folder / "answers.json")["right"], dtype=np.float64)


def report(right: dict[tuple[str, str], np.ndarray], options: argparse.Namespace) -> None:
    """Accuracy of every start and its gain over from scratch, in points."""
    results = []
    for (task, start), right_SN in right.items():
        difference_N = (right_SN - right[task, SCRATCH]).mean(0)
        half = Z * float(difference_N.std(ddof=1)) / len(difference_N) ** 0.5
        gain = float(difference_N.mean())
        results.append(
            {
                "task": task,
                "start": start,
                "n": right_SN.shape[1],
                "accuracy": round(float(right_SN.mean()), 4),
                "by_seed": [round(float(row.mean()), 4) for row in right_SN],
                "gain_points": round(100 * gain, 2),
                "ci_low": round(100 * (gain - half), 2),
                "ci_high": round(100 * (gain + half), 2),
            }
        )
    seconds = {name: read_json(options.out / "models" / name / "seconds.json") for name in options.objectives}
    write_json({"results": results, "pretraining": seconds, "seeds": options.seeds}, options.out / "value.json")
    tell("")
    for row in results:
        print(json.dumps(row))


def tell(text: str) -> None:
    """Progress, on one line of standard error."""
    sys.stderr.write(f"\r{text:<78}" if text else "\n")


if __name__ == "__main__":
    main()
