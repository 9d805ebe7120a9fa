"""Rates and arithmetic of a training, and the plots of its journals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from testkit.offline import open_in_browser, outside_references
from testkit.tiny_models import Tiny, tiny_pretraining
from torch.utils.flop_counter import FlopCounterMode

from components.core.jsonfiles import read_jsonl
from components.modeling.corpus import load_split
from components.modeling.journals import PERFORMANCE_FILE
from components.modeling.loading import load_tokenizer
from components.modeling.networks import make_network
from components.modeling.performance import peak_operations
from components.modeling.plots import write_plots
from components.modeling.pretraining import PretrainingModule, pretrain, training_batches
from components.modeling.step_data import to_tensors
from components.modeling.training_loop import LoopSettings
from components.modeling.vocabulary import VocabularyIds

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(("layout", "objective"), [("bert", "mlm"), ("llama", "clm")])
def test_operations_are_those_that_torch_counts(tiny: Tiny, layout: str, objective: str) -> None:
    """Where nothing is padded, matrix products of a real forward and backward pass are what is counted as useful."""
    shape = {"layout": layout, "layers": 2, "hidden": 32, "heads": 2, "intermediate": 64, "max_tokens": 64}
    config = tiny_pretraining(architecture=shape, objective=objective)
    vocabulary = VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    network = make_network(config, vocabulary)
    network.model.set_attn_implementation("eager")  # torch's counter sees every product there
    module = PretrainingModule(network, config, LoopSettings(10, 1.0, "fp32", 5, 5, 0, {}))
    batches = training_batches(load_split(tiny.encoded, "train"), vocabulary, config, 64)
    whole = next(batches.batch(step) for step in range(40))
    batch = whole.rows(0, 1)  # the longest row of a batch has no padding
    width = int(batch.attention_mask_BT.sum())
    assert width == batch.input_ids_BT.shape[1]
    tensors = to_tensors(batch)
    with FlopCounterMode(display=False) as counter:  # it does not see the products in place of the summed loss
        logits_PV, _ = network(tensors)
        torch.nn.functional.cross_entropy(logits_PV, tensors["targets_P"]).backward()
    counted = counter.get_total_flops()
    sizes = batch.sizes()
    assert (sizes["tokens"], sizes["pairs"]) == (width, width**2)
    useful = module.operations(sizes)
    if layout == "llama":  # eager attention multiplies also what a decoder may not see
        useful += 0.5 * 12 * 2 * 32 * width**2
    assert useful == pytest.approx(counted, rel=0.03)


def test_sizes_count_pairs_inside_sequences(tiny: Tiny) -> None:
    vocabulary = VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    config = tiny_pretraining(packing=True)
    batch = training_batches(load_split(tiny.encoded, "train"), vocabulary, config, 64).batch(0)
    expected = sum(
        int((row == block).sum()) ** 2 for row in batch.blocks_BT for block in range(1, int(batch.blocks_BT.max()) + 1)
    )
    assert batch.sizes() == {"tokens": batch.tokens, "targets": len(batch.positions_P), "pairs": expected}
    assert set(batch.without_targets().sizes().values()) == {0.0}


def test_a_processor_multiplies() -> None:
    assert 1e8 < peak_operations(torch.device("cpu"), torch.float32) < 1e14


def test_journal_of_rates_and_progress(tiny: Tiny, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    seen: list[dict[str, float]] = []
    told: list[dict[str, float]] = []
    pretrain(
        tiny.encoded,
        tiny.tokenizer,
        tiny_pretraining(),
        out_dir=tmp_path / "out",
        work_dir=tmp_path / "work",
        on_progress=lambda done, total, unit, extra: seen.append(extra),
        on_metrics=lambda step, values: told.append(values),
    )
    rows = list(read_jsonl(tmp_path / "work" / PERFORMANCE_FILE))
    assert [row["step"] for row in rows] == [5, 10, 12]
    for row in rows:
        assert row["tokens_per_second"] > 0
        assert 0 < row["model_flop_utilisation"] < 1.5
        assert 0 <= row["loader_share"] < 1
        assert row["system/memory_megabytes"] > 50
    assert not (tmp_path / "out" / PERFORMANCE_FILE).exists()  # rates are of the machine, the model repeats
    assert set(seen[0]) == {"loss", "tokens_per_second", "model_flop_utilisation", "seconds_left"}
    assert seen[-1]["seconds_left"] == 0
    assert {"loss", "learning_rate", "tokens_per_second", "system/cpu_percent"} <= set(told[0])


@pytest.fixture(scope="module")
def plots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("work")
    generator = np.random.default_rng(0)
    with (work / "metrics.jsonl").open("w") as journal, (work / "performance.jsonl").open("w") as rates:
        for step in range(10, 210, 10):
            loss = 9.0 - step / 50
            row = {"step": step, "loss": loss, "mlm_loss": loss - 0.7, "nsp_loss": 0.7, "learning_rate": 1e-3}
            journal.write(json.dumps(row) + "\n")
            rates.write(json.dumps({"step": step, "tokens_per_second": 9000 + float(generator.normal())}) + "\n")
    write_plots(work, work / "plots")
    return work / "plots"


def test_plots_are_pictures_and_a_page(plots: Path) -> None:
    names = {"loss.png", "pair_loss.png", "learning_rate.png", "throughput.png", "training.html"}
    assert {path.name for path in plots.iterdir()} == names
    assert all(path.read_bytes().startswith(PNG) for path in plots.glob("*.png"))
    assert outside_references((plots / "training.html").read_text(encoding="utf-8")) == []


@pytest.mark.soak
def test_page_draws_without_a_network(plots: Path, tmp_path: Path) -> None:
    document, asked = open_in_browser(plots / "training.html", tmp_path)
    assert asked == []
    assert document.count('class="trace scatter') == 4  # two losses, the rate, the throughput
    for title in (
        "Loss (nats a target)",
        "Loss of pairs (nats a pair)",
        "by chance",
        "Learning rate",
        "Throughput (real tokens a second)",
    ):
        assert title in document


def test_nothing_to_draw(tmp_path: Path) -> None:
    assert write_plots(tmp_path, tmp_path / "plots") == []
    assert not (tmp_path / "plots").exists()
