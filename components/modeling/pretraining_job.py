"""One rank of a pretraining, as torchrun starts it: ``torchrun … -m components.modeling.pretraining_job JOB.json``.

The first rank writes what it reports to ``events.jsonl`` beside the job file, and any rank its error to
``error-<rank>.json`` there. Exit codes are the program's: 0 done, 2 a config or data error, 3 anything else.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from components.core.errors import ConfigError, TouchstoneError
from components.core.jsonfiles import write_json
from components.modeling.config import PretrainingConfig

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_BETWEEN_PROGRESS = 0.1


class PretrainingJob(BaseModel):
    """What ``job.json`` holds; paths must be the same on every machine."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    encoded: Path
    tokenizer: Path
    config: PretrainingConfig
    out_dir: Path
    work_dir: Path
    train_split: str = "train"


def events_file(folder: Path) -> Path:
    """Where the first rank reports."""
    return folder / "events.jsonl"


def error_file(folder: Path, rank: int) -> Path:
    """Where a rank leaves its error."""
    return folder / f"error-{rank}.json"


def main(arguments: list[str]) -> int:
    """Run one rank to its end."""
    if len(arguments) != 1:
        sys.stderr.write("usage: torchrun … -m components.modeling.pretraining_job JOB.json\n")
        return 2
    path = Path(arguments[0])
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    _redirect(path.parent / "ranks")
    try:
        _run(path)
    except Exception as error:
        _leave(path.parent, error)
        return error.exit_code if isinstance(error, TouchstoneError) else 3
    return 0


def _redirect(folder: Path) -> None:
    """Let what this rank and its libraries print end in a file, where the job's folder stands."""
    if folder.is_dir():
        path = folder / f"{os.getpid()}.log"  # until it is known which rank this is, which takes seconds
        with path.open("ab") as log:
            sys.stdout.flush()
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        from components.modeling.ranks import rank_of_this_process

        path.rename(folder / f"{rank_of_this_process()}.log")


def _run(path: Path) -> None:
    from components.modeling.pretraining import pretrain
    from components.modeling.ranks import is_first_rank

    job = _read(path)
    events = _Events(events_file(path.parent)) if is_first_rank() else None
    job.out_dir.mkdir(parents=True, exist_ok=True)
    on_metrics = (lambda step, values: events.write("metrics", [step, values])) if events else None
    report = pretrain(
        job.encoded,
        job.tokenizer,
        job.config,
        out_dir=job.out_dir,
        work_dir=job.work_dir,
        train_split=job.train_split,
        on_metrics=on_metrics,
        on_progress=events.progress if events else None,
    )
    if events is not None:
        events.write("report", report.model_dump(mode="json"))


def _read(path: Path) -> PretrainingJob:
    try:
        return PretrainingJob.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        detail = str(error).replace("\n", " ")
        raise ConfigError(f"{path}: no pretraining job ({detail}); write one as docs of PretrainingJob say") from error


class _Events:
    """Lines for whoever started the job; progress not more often than eyes need it."""

    def __init__(self, path: Path) -> None:
        self._path, self._last = path, 0.0

    def write(self, name: str, value: object) -> None:
        with self._path.open("a", encoding="utf-8") as handle:
            handle.write(json.dumps({name: value}) + "\n")

    def progress(self, done: int, total: int, unit: str, extra: dict[str, float]) -> None:
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_PROGRESS or done == total:
            self._last = now
            self.write("progress", [done, total, unit, extra])


def _leave(folder: Path, error: Exception) -> None:
    """Say what ended this rank; errors of ours hold no text of records, of others only the kind is kept."""
    import traceback

    from components.modeling.ranks import rank_of_this_process

    traceback.print_exc()
    own = isinstance(error, TouchstoneError)
    message = str(error) if own else f"{type(error).__name__}, see its file in ranks"
    if folder.is_dir():
        said = {"type": type(error).__name__, "message": message}
        write_json(said, error_file(folder, rank_of_this_process()))


def _end_with_parent(parent: int) -> None:
    """Leave when the agent is gone, which can no longer stop this rank."""
    while os.getppid() == parent:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
