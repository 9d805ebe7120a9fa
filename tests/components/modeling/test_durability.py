"""A training that is killed, asked to end, or finds its files damaged."""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from testkit.tiny_models import Tiny, tiny_pretraining

from components.core.errors import InfrastructureError
from components.core.hashing import digest_files
from components.modeling.checkpoints import Checkpoints
from components.modeling.config import PretrainingConfig
from components.modeling.pretraining import pretrain

ROOT = Path(__file__).parents[3]

CHILD = """
import os, signal, sys
from pathlib import Path
from components.modeling.config import PretrainingConfig
from components.modeling.pretraining import pretrain

encoded, tokenizer, out, work, config, at, what = sys.argv[1:]

def on_progress(done, total, unit, extra):
    if done == int(at):
        os.kill(os.getpid(), int(what))

pretrain(Path(encoded), Path(tokenizer), PretrainingConfig.model_validate_json(config), out_dir=Path(out),
         work_dir=Path(work), on_progress=on_progress)
"""


def configured(**changes: object) -> PretrainingConfig:
    """Two layers with dropout over more than one epoch; a checkpoint every four steps."""
    shape = {"layers": 2, "hidden": 32, "heads": 2, "intermediate": 64, "max_tokens": 64, "dropout": 0.1}
    return tiny_pretraining(architecture=shape, max_steps=14, **changes)


def run(tiny: Tiny, root: Path, config: PretrainingConfig, *, done: list[int] | None = None) -> Path:
    (root / "out").mkdir(parents=True, exist_ok=True)
    seen = done if done is not None else []
    pretrain(
        tiny.encoded,
        tiny.tokenizer,
        config,
        out_dir=root / "out",
        work_dir=root / "work",
        on_progress=lambda step, *_: seen.append(step),
    )
    return root / "out"


def run_in_child(tiny: Tiny, root: Path, config: PretrainingConfig, *, at: int, what: signal.Signals) -> int:
    """The same in a process of its own, which sends itself a signal after a step. Returns its exit code."""
    (root / "out").mkdir(parents=True, exist_ok=True)
    arguments = [tiny.encoded, tiny.tokenizer, root / "out", root / "work", config.model_dump_json(), at, int(what)]
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, *map(str, arguments)],
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=300,
    ).returncode


@pytest.mark.parametrize("layout", ["bert", "modern"])
def test_killed_and_started_again_equals_uninterrupted_bitwise(tiny: Tiny, tmp_path: Path, layout: str) -> None:
    shape = configured().architecture.model_copy(update={"layout": layout}).model_dump()
    config = configured().model_copy(update={"architecture": PretrainingConfig(architecture=shape).architecture})
    config = config.model_copy(update={"packing": layout == "modern", "accumulate": 2, "objective": "mlm+sop"})
    assert run_in_child(tiny, tmp_path / "torn", config, at=10, what=signal.SIGKILL) == -signal.SIGKILL
    done: list[int] = []
    resumed = run(tiny, tmp_path / "torn", config, done=done)
    assert done[0] == 9  # the checkpoint of step 8
    assert digest_files(resumed) == digest_files(run(tiny, tmp_path / "whole", config))


def test_asked_to_end_it_saves_first(tiny: Tiny, tmp_path: Path) -> None:
    config = configured()
    assert run_in_child(tiny, tmp_path / "torn", config, at=6, what=signal.SIGTERM) == -signal.SIGTERM
    done: list[int] = []
    resumed = run(tiny, tmp_path / "torn", config, done=done)
    assert done[0] == 7  # not the checkpoint of step 4
    assert digest_files(resumed) == digest_files(run(tiny, tmp_path / "whole", config))


def test_damaged_checkpoint_falls_back_to_the_one_before(
    tiny: Tiny, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = configured(keep_checkpoints=2)
    whole = digest_files(run(tiny, tmp_path / "torn", config))
    last, before = sorted((tmp_path / "torn" / "work").glob("*.ckpt"), reverse=True)
    damaged = bytearray(last.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    last.write_bytes(damaged)
    done: list[int] = []
    with caplog.at_level(logging.WARNING, logger="components"):
        resumed = run(tiny, tmp_path / "torn", config, done=done)
    assert done[0] == int(before.name.split("-")[1]) + 1
    assert f"{last.name} is damaged" in caplog.text
    assert digest_files(resumed) == whole


def test_only_the_last_few_stay(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, fingerprint={"a": 1}, keep=3)
    for step in range(1, 8):
        checkpoints.save(step, lambda path, step=step: path.write_text(str(step)))
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["5", "6", "7"]


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), RuntimeError("PytorchStreamWriter failed writing file")]
)
def test_full_disk_names_the_folder_and_keeps_the_last_good_one(tmp_path: Path, error: Exception) -> None:
    checkpoints = Checkpoints(tmp_path, fingerprint={"a": 1}, keep=1)
    checkpoints.save(1, lambda path: path.write_text("good"))

    def half_written(path: Path) -> None:
        path.write_text("ha")
        raise error

    with pytest.raises(InfrastructureError, match=r"step 2 could not be written .*intact") as caught:
        checkpoints.save(2, half_written)
    assert str(tmp_path) in str(caught.value)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["good"]


def test_signals_are_put_back(tiny: Tiny, tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    run(tiny, tmp_path, configured(), done=[])
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_seeding_dropout_leaves_nothing_behind() -> None:
    """Seeding a million steps must take neither time nor memory that grows; see ``_seed_dropout``."""
    import torch

    from components.modeling.training_loop import _seed_dropout

    queued = len(torch.cuda._queued_calls)
    started = time.process_time()
    for seed in range(200):
        _seed_dropout(seed)
    assert len(torch.cuda._queued_calls) == queued
    assert time.process_time() - started < 0.1
    first = torch.rand(3)
    _seed_dropout(199)
    assert torch.equal(torch.rand(3), first)
