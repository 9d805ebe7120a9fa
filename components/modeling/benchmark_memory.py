"""The peak memory of one contender: a process of its own, told on standard input what to train; prints megabytes."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from components.modeling.benchmark import run_contender
from components.modeling.benchmark_contenders import Work
from components.modeling.config import PretrainingConfig


def main() -> None:
    """Train as asked and say the most resident memory."""
    job = json.loads(sys.stdin.read())
    config = PretrainingConfig.model_validate(job["config"])
    work = Work.of(Path(job["encoded"]), Path(job["tokenizer"]), config, job["peer_dropout"])
    run_contender(job["name"], work, int(job["steps"]))
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(f"{kilobytes / 1024:.1f}\n")


if __name__ == "__main__":
    main()
