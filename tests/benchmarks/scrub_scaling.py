"""How ``touchstone scrub`` scales: seconds, CPU seconds and memory for one worker and for several, on one file.

    python tests/benchmarks/scrub_scaling.py --megabytes 1000 --workers 1 2

Prints a JSON line a run: documents a second by the wall clock, CPU seconds of the reading process and of its workers,
and the highest sum of resident memory of them all (pages that they share count once a process, so it is a bound), then
the ratio to the first run. ``expected_speedup`` is what the CPU seconds alone allow,
``(reader + workers) / max(reader, workers / n)``: on a busy machine the wall clock says little. Every run starts with
a warm file cache; its output must be the same bytes. Give it idle cores, one a worker.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from faker import Faker

ROOT = Path(__file__).resolve().parents[2]
CHARACTERS = 900
POOL = 400  # different documents; the file repeats them with other ids


def main() -> None:
    """Make the file, run the verb, print what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--policy", default="redact")
    parser.add_argument("--labels", default=None, help="only these, with commas between")
    parser.add_argument("--input", type=Path, default=None, help="a JSONL file of your own instead of a made one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        source = options.input or _make_file(home / "in.jsonl", options.megabytes)
        first: dict[str, float | int | str] | None = None
        for workers in options.workers:
            row = _measure(source, home, workers, options.policy, options.labels)
            first = first or row
            row["speedup"] = round(float(first["seconds"]) / float(row["seconds"]), 3)
            row["same_bytes"] = str(row["digest"] == first["digest"])
            sys.stdout.write(json.dumps(row) + "\n")
            sys.stdout.flush()


def _make_file(path: Path, megabytes: float) -> Path:
    """Documents of 900 characters: prose with a few personal values each, two in three English, one Chinese."""
    fakes = {"en": Faker("en_US"), "zh": Faker("zh_CN")}
    for number, fake in enumerate(fakes.values()):
        fake.seed_instance(number)
    texts = [_document(fakes, ("en", "en", "zh")[number % 3]) for number in range(POOL)]
    size, number = 0, 0
    with path.open("wb") as out:
        while size < megabytes * 1e6:
            lang, text = texts[number % POOL]
            line = json.dumps({"id": str(number), "lang": lang, "text": text}, ensure_ascii=False).encode() + b"\n"
            size, number = size + out.write(line), number + 1
    return path


def _document(fakes: dict[str, Faker], lang: str) -> tuple[str, str]:
    fake = fakes[lang]
    text = f"{fake.name()} {fake.email()} {fake.phone_number()}. "
    while len(text) < CHARACTERS:
        text += fake.paragraph(nb_sentences=4) + " "
    return lang, text[:CHARACTERS]


def _measure(source: Path, home: Path, workers: int, policy: str, labels: str | None) -> dict[str, float | int | str]:
    output = home / f"out{workers}.jsonl"
    command = [
        *(sys.executable, "-m", "flows", "scrub", str(source), "-o", str(output), "--policy", policy, "--json"),
        *("--workers", str(workers), *(("--labels", labels) if labels else ())),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TOUCHSTONE_HOME": str(home / "home")}
    started = time.monotonic()
    run = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    peak, reader, children = _watch(run)
    seconds = time.monotonic() - started
    records = json.loads(run.stdout.read() if run.stdout else "")["records"]
    work = sum(children.values())
    output_digest = hashlib.sha256(output.read_bytes()).hexdigest()[:16]
    output.unlink()
    return {
        "workers": workers,
        "documents": records,
        "seconds": round(seconds, 2),
        "documents_per_second": round(records / seconds, 1),
        "reader_cpu_seconds": round(reader, 2),
        "worker_cpu_seconds": round(work, 2),
        "expected_speedup": round((reader + work) / max(reader, work / workers), 3) if work else 1.0,
        "peak_rss_mib": round(peak / 2**20, 1),
        "digest": output_digest,
    }


def _watch(run: subprocess.Popen[str]) -> tuple[int, float, dict[int, float]]:
    """Highest resident memory in bytes, and CPU seconds of the process and of each worker, until it ends."""
    peak, reader, children = 0, 0.0, dict[int, float]()
    process = psutil.Process(run.pid)
    while run.poll() is None:
        try:
            workers = process.children(recursive=True)
            used = process.cpu_times()
            reader = used.user + used.system
            resident = process.memory_info().rss
            for worker in workers:
                used = worker.cpu_times()
                children[worker.pid] = used.user + used.system
                resident += worker.memory_info().rss
            peak = max(peak, resident)
        except psutil.NoSuchProcess:
            continue
        time.sleep(0.05)
    return peak, reader, children


if __name__ == "__main__":
    main()
