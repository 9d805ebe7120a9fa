"""A training shared out among processes: the same as in one, and one error when a process dies.

The processes are real, talk over gloo and are started by torchrun's agent.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from safetensors.torch import load_file
from testkit.tiny_models import Tiny, tiny_pretraining

from components.core.errors import ConfigError, InfrastructureError
from components.core.jsonfiles import read_jsonl
from components.modeling.batches import PretrainingBatches
from components.modeling.config import PretrainingConfig
from components.modeling.corpus import load_split
from components.modeling.launching import run_pretraining
from components.modeling.loading import load_tokenizer
from components.modeling.pretraining import pretrain, training_batches
from components.modeling.ranks import Distribution
from components.modeling.vocabulary import VocabularyIds

ROOT = Path(__file__).parents[3]

LAUNCHER = """
import sys
from pathlib import Path
from components.modeling.config import PretrainingConfig
from components.modeling.launching import run_pretraining

encoded, tokenizer, out, work, config = sys.argv[1:]

def on_progress(done, *_):
    print(done, flush=True)

run_pretraining(Path(encoded), Path(tokenizer), PretrainingConfig.model_validate_json(config), out_dir=Path(out),
                work_dir=Path(work), on_progress=on_progress)
"""


def spread(**changes: object) -> PretrainingConfig:
    """Twelve steps of two layers on two processes, a line of the journal each."""
    shape = {"layers": 2, "hidden": 32, "heads": 2, "intermediate": 64, "max_tokens": 64}
    values = {"architecture": shape, "log_every_steps": 1, "accelerator": "cpu", "devices": 2, **changes}
    return tiny_pretraining(**values)


def run(tiny: Tiny, root: Path, config: PretrainingConfig, **rest: object) -> Path:
    (root / "out").mkdir(parents=True, exist_ok=True)
    run_pretraining(tiny.encoded, tiny.tokenizer, config, out_dir=root / "out", work_dir=root / "work", **rest)  # type: ignore[arg-type]
    return root / "out"


def curve(out: Path) -> list[float]:
    return [row["loss"] for row in read_jsonl(out / "metrics.jsonl")]


@pytest.fixture(scope="module")
def alone(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tiny, tmp_path_factory.mktemp("alone"), spread(devices=1))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"strategy": "ddp", "accumulate": 2}, id="ddp"),
        pytest.param({"strategy": "fsdp2"}, id="fsdp2", marks=pytest.mark.soak),
        pytest.param({"objective": "mlm", "packing": True}, id="packed", marks=pytest.mark.soak),
    ],
)
def test_two_processes_train_like_one(tiny: Tiny, alone: Path, tmp_path: Path, changes: dict[str, object]) -> None:
    heard: list[int] = []
    lines: list[int] = []
    found = run(
        tiny,
        tmp_path / "two",
        spread(**changes),
        on_progress=lambda done, *_: heard.append(done),
        on_metrics=lambda step, _: lines.append(step),
    )
    expected = run(tiny, tmp_path / "one", spread(**changes, devices=1)) if "packing" in changes else alone
    assert curve(found) == pytest.approx(curve(expected), abs=1e-5)
    assert lines == list(range(1, 13))  # the first rank alone reports
    assert heard[-1] == 12
    one, two = load_file(expected / "model.safetensors"), load_file(found / "model.safetensors")
    assert one.keys() == two.keys()
    # Adam divides by what the gradients were: where these are nearly nothing, rounding is not.
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-3


def _kill(rank: int) -> None:
    """Kill one rank of the group that this process has started."""
    (victim,) = [
        child for child in psutil.Process().children(recursive=True) if child.environ().get("RANK") == str(rank)
    ]
    victim.kill()


def test_a_dead_rank_ends_the_group_and_one_process_goes_on(tiny: Tiny, alone: Path, tmp_path: Path) -> None:
    died: list[float] = []

    def kill_at_six(done: int, *_: object) -> None:
        if done >= 6 and not died:
            died.append(time.monotonic())
            _kill(1)

    with pytest.raises(InfrastructureError, match=r"rank 1 .* killed by SIGKILL \(exit code -9\)"):
        run(tiny, tmp_path, spread(max_steps=None, epochs=40), on_progress=kill_at_six)
    assert time.monotonic() - died[0] < 60
    assert not [child for child in psutil.Process().children(recursive=True) if "RANK" in child.environ()]
    assert list((tmp_path / "work").glob("step-*.ckpt"))


@pytest.mark.soak
@pytest.mark.parametrize(("strategy", "then"), [("ddp", 1), ("fsdp2", 2)])
def test_asked_to_end_all_save_and_another_number_goes_on(
    tiny: Tiny, alone: Path, tmp_path: Path, strategy: str, then: int
) -> None:
    """SIGTERM to the launcher reaches every rank; they agree on a step, save it and end."""
    config = spread(strategy=strategy, max_steps=200, epochs=100, learning_rate=1e-4)
    (tmp_path / "out").mkdir()
    arguments = [tiny.encoded, tiny.tokenizer, tmp_path / "out", tmp_path / "work", config.model_dump_json()]
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", LAUNCHER, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) >= 6:
            child.terminate()
            break
    child.stdout.close()
    assert child.wait(120) == -signal.SIGTERM
    saved = max(int(path.name.split("-")[1]) for path in (tmp_path / "work").glob("step-*.ckpt"))
    assert saved % 4, "the checkpoint is the one that SIGTERM asked for"
    done: list[int] = []
    resumed = config.model_copy(update={"devices": then})
    out = run(tiny, tmp_path, resumed, on_progress=lambda step, *_: done.append(step))
    assert done[0] > saved
    whole = run(tiny, tmp_path / "whole", config.model_copy(update={"devices": 1}))
    assert curve(out) == pytest.approx(curve(whole), abs=1e-4)


def test_ranks_share_every_batch(tiny: Tiny) -> None:
    """Rows of all parts of all ranks are the batch's rows, and so are its targets and labels."""
    split, vocabulary = load_split(tiny.encoded, "train"), VocabularyIds.of(load_tokenizer(tiny.tokenizer))

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 40), st.integers(1, 5), st.integers(1, 7), st.booleans(), st.sampled_from([256, 16384]))
    def check(step: int, count: int, ranks: int, packing: bool, tokens: int) -> None:
        config = tiny_pretraining(packing=packing, tokens_per_batch=tokens)
        batches = training_batches(split, vocabulary, config, 64)
        whole = batches.batch(step)
        shares = [batches.parts(step, count=count, rank=rank, ranks=ranks) for rank in range(ranks)]
        assert len({len(share) for share in shares}) == 1
        parts = [part for share in shares for part in share]
        speaking = [part for part in parts if len(part.positions_P)]
        assert sum(len(part.input_ids_BT) for part in speaking) == len(whole.input_ids_BT)
        assert sum(share[0].targets_total for share in shares if _speaks(share)) == whole.targets_total
        assert sum(share[0].labels_total for share in shares if _speaks(share)) == whole.labels_total
        assert np.concatenate([part.targets_P for part in parts]).tolist() == whole.targets_P.tolist()
        found = [_masked(part, row) for part in speaking for row in range(len(part.input_ids_BT))]
        assert found == [_masked(whole, row) for row in range(len(whole.input_ids_BT))]

    check()


def _speaks(share: list[object]) -> bool:
    return any(len(part.positions_P) for part in share)  # type: ignore[attr-defined]


def _masked(batch: object, row: int) -> list[int]:
    """A row's tokens as the network sees them, without padding."""
    ids, real = batch.input_ids_BT[row], batch.attention_mask_BT[row] > 0  # type: ignore[attr-defined]
    return ids[real].tolist()


def test_documents_of_a_batch_by_their_ids(tiny: Tiny) -> None:
    split, vocabulary = load_split(tiny.encoded, "train"), VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    batches: PretrainingBatches = training_batches(split, vocabulary, tiny_pretraining(objective="mlm"), 64)
    every = [batches.documents(step) for step in range(batches.steps_in_epoch(0))]
    assert sorted({name for names in every for name in names}) == sorted(split.ids(np.arange(split.documents)))
    assert all(names and len(names) < split.documents for names in every)


def test_a_gpu_that_is_not_there_is_refused(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for config in (spread(accelerator="gpu"), spread(accelerator="gpu", devices=1)):
        with pytest.raises(ConfigError, match=r"pretraining\.accelerator: gpu is asked for"):
            run(tiny, tmp_path, config)
    assert not list((tmp_path / "work").glob("*.ckpt"))


def test_processes_that_nobody_started_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape("--nnodes 1 --nproc-per-node 2")):
        pretrain(tiny.encoded, tiny.tokenizer, spread(), out_dir=tmp_path, work_dir=tmp_path / "w")


def test_machines_need_a_place_to_meet() -> None:
    with pytest.raises(ValidationError, match="rendezvous is not given"):
        spread(num_nodes=2)
    assert spread(num_nodes=2, rendezvous="first.host:29400").num_nodes == 2


def test_placement_is_no_part_of_what_is_trained() -> None:
    assert spread(devices=2, strategy="ddp").digest() == spread(devices=1).digest()
    assert spread(seed=1).digest() != spread().digest()


def test_auto_takes_the_processor_where_there_is_no_gpu() -> None:
    expected = "gpu" if torch.cuda.is_available() else "cpu"
    assert Distribution().device_type() == expected
    assert Distribution(accelerator="cpu").device_type() == "cpu"
