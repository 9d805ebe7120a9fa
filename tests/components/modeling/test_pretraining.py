"""Pretraining: learns, repeats, resumes, opens elsewhere, stops on nonsense."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from testkit.tiny_models import Tiny, tiny_pretraining

from components.core.corpus import read_records, write_records
from components.core.errors import ConfigError, ContractError
from components.core.hashing import digest_files
from components.core.jsonfiles import read_json, read_jsonl
from components.modeling.batches import PretrainingBatches
from components.modeling.config import PretrainingConfig
from components.modeling.corpus import load_split
from components.modeling.loading import load_tokenizer
from components.modeling.networks import make_network
from components.modeling.optimisation import make_optimizer
from components.modeling.pretraining import PretrainingModule, pretrain
from components.modeling.step_data import to_tensors
from components.modeling.training_loop import LoopSettings
from components.modeling.vocabulary import VocabularyIds
from components.tokenization.config import EncodingConfig
from components.tokenization.encoding import encode_splits

SETTINGS = LoopSettings(10, 1.0, "fp32", 5, 5, 0, {})


def run(tiny: Tiny, out: Path, work: Path, config: PretrainingConfig, **rest: object) -> Path:
    out.mkdir(exist_ok=True)
    pretrain(tiny.encoded, tiny.tokenizer, config, out_dir=out, work_dir=work, **rest)  # type: ignore[arg-type]
    return out


class KilledError(Exception):
    """Stands for the process ending between two steps."""


def kill_at(step: int):
    def on_progress(done: int, total: int, unit: str, extra: dict[str, float]) -> None:
        if done == step:
            raise KilledError

    return on_progress


@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_resumed_run_equals_uninterrupted_bitwise(tiny: Tiny, tmp_path: Path, dropout: float) -> None:
    shape = tiny_pretraining().architecture.model_copy(update={"dropout": dropout})
    config = tiny_pretraining(architecture=shape.model_dump(), max_steps=None, epochs=1.7)
    whole = run(tiny, tmp_path / "whole", tmp_path / "w1", config)
    with pytest.raises(KilledError):
        run(tiny, tmp_path / "torn", tmp_path / "w2", config, on_progress=kill_at(7))
    done: list[int] = []
    resumed = run(tiny, tmp_path / "resumed", tmp_path / "w2", config, on_progress=lambda step, *_: done.append(step))
    assert done[0] == 5  # from the checkpoint at 4, not from the start
    assert digest_files(resumed) == digest_files(whole)


def test_checkpoint_of_another_config_is_refused_and_stays(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        run(tiny, tmp_path / "a", tmp_path / "w", tiny_pretraining(), on_progress=kill_at(6))
    kept = digest_files(tmp_path / "w")
    with pytest.raises(ConfigError, match=r"step-0+4-.*pretraining\.seed is 0 there and 1 here") as caught:
        run(tiny, tmp_path / "b", tmp_path / "w", tiny_pretraining(seed=1))
    assert "learning_rate" not in str(caught.value)
    assert digest_files(tmp_path / "w") == kept


def test_two_runs_same_bytes_and_another_seed_others(tiny: Tiny, pretrained: Path, tmp_path: Path) -> None:
    again = run(tiny, tmp_path / "again", tmp_path / "w1", tiny_pretraining())
    other = run(tiny, tmp_path / "other", tmp_path / "w2", tiny_pretraining(seed=1))
    assert digest_files(again) == digest_files(pretrained)
    assert digest_files(other)["model.safetensors"] != digest_files(pretrained)["model.safetensors"]


def test_opens_in_plain_transformers_with_equal_logits(tiny: Tiny, tmp_path: Path) -> None:
    from transformers import AutoModelForPreTraining, AutoTokenizer

    out = run(tiny, tmp_path / "out", tmp_path / "w", tiny_pretraining())
    vocabulary = VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    ours = make_network(tiny_pretraining(), vocabulary).model
    missing, unexpected = ours.load_state_dict(load_file(out / "model.safetensors"), strict=False)
    assert not unexpected
    assert all("decoder" in name for name in missing)  # tied to the embeddings, stored once
    theirs, tokenizer = AutoModelForPreTraining.from_pretrained(out), AutoTokenizer.from_pretrained(out)
    inputs = tokenizer(["The nurse bought a lamp.", "护士购买了台灯。"], return_tensors="pt", padding=True)
    with torch.no_grad():
        first, second = ours.eval()(**inputs), theirs.eval()(**inputs)
    assert torch.allclose(first.prediction_logits, second.prediction_logits, atol=1e-5)
    assert torch.allclose(first.seq_relationship_logits, second.seq_relationship_logits, atol=1e-5)
    assert tokenizer.model_max_length == 64


def test_folder_holds_no_path_of_this_machine(pretrained: Path, tiny: Tiny) -> None:
    for path in pretrained.iterdir():
        assert str(tiny.tokenizer.parent).encode() not in path.read_bytes()


def test_journal_and_report(tiny: Tiny, pretrained: Path) -> None:
    rows = list(read_jsonl(pretrained / "metrics.jsonl"))
    assert [row["step"] for row in rows] == [5, 10, 12]
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    assert rows[-1]["learning_rate"] < 3e-3
    report = read_json(pretrained / "report.json")
    assert set(report["metrics"]) == {"all", "en", "zh"}
    pooled, parts = report["metrics"]["all"], [report["metrics"][lang] for lang in ("en", "zh")]
    assert pooled["targets"] == sum(part["targets"] for part in parts)


def test_sparse_loss_equals_the_library_loss_on_full_logits(tiny: Tiny) -> None:
    vocabulary = VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    network = make_network(tiny_pretraining(), vocabulary)
    batch = _batches(tiny, vocabulary).batch(0)
    tensors = to_tensors(batch)
    labels = torch.full(batch.input_ids_BT.shape, -100)
    labels.view(-1)[tensors["positions_P"]] = tensors["targets_P"]
    expected = network.model(
        input_ids=tensors["input_ids_BT"],
        attention_mask=tensors["attention_mask_BT"],
        token_type_ids=tensors["token_type_ids_BT"],
        labels=labels,
        next_sentence_label=tensors["pair_labels_S"],
    ).loss
    found = PretrainingModule(network, tiny_pretraining(), SETTINGS).losses(tensors)["loss"]
    assert torch.allclose(found, expected, atol=1e-5)


def test_overfits_sixty_four_rows(tiny: Tiny) -> None:
    """The same masked batch again and again: the loss must vanish."""
    torch.manual_seed(0)
    vocabulary = VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    config = tiny_pretraining()
    network = make_network(config, vocabulary)
    batches = PretrainingBatches(
        load_split(tiny.encoded, "train"),
        vocabulary,
        max_tokens=64,
        tokens_per_batch=64 * 24,
        objective="mlm+nsp",
        short_share=0,
        mask_share=0.15,
        seed=0,
    )
    batch = next(b for b in map(batches.batch, range(20)) if len(b.input_ids_BT) >= 64)
    tensors = to_tensors(batch)
    module = PretrainingModule(network, config, SETTINGS)
    optimizer = make_optimizer(network, learning_rate=5e-3, weight_decay=0.0)
    loss = torch.tensor(9.0)
    for _ in range(300):
        loss = module.losses(tensors)["loss"]
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if loss.item() < 0.05:
            break
    assert loss.item() < 0.05


def test_learns_more_than_token_frequencies(tiny: Tiny, tmp_path: Path) -> None:
    config = tiny_pretraining(max_steps=None, epochs=8, learning_rate=1e-2, tokens_per_batch=256)
    out = run(tiny, tmp_path / "out", tmp_path / "w", config)
    for name, part in read_json(out / "report.json")["metrics"].items():
        assert part["accuracy"] > part["unigram_accuracy"] + 0.05, name


def test_non_finite_loss_stops_with_the_step(tiny: Tiny, tmp_path: Path) -> None:
    ids = {record["id"] for record in read_records(tiny.splits / "train")}
    with pytest.raises(ContractError, match=r"stopped at step 1: loss is nan, .* lower learning_rate") as caught:
        run(tiny, tmp_path / "out", tmp_path / "w", tiny_pretraining(initial=str(_poisoned(tiny, tmp_path))))
    named = re.search(r"batch of documents (.*?)(?: and \d+ more)?, lower", str(caught.value))
    assert named is not None
    assert set(named.group(1).split(", ")) <= ids


def test_reference_model_trains_on_holdout(tiny: Tiny, pretrained: Path, tmp_path: Path) -> None:
    out = run(tiny, tmp_path / "out", tmp_path / "w", tiny_pretraining(), train_split="holdout")
    assert read_json(out / "report.json")["documents"] == 40
    assert digest_files(out)["model.safetensors"] != digest_files(pretrained)["model.safetensors"]


def test_continues_from_a_checkpoint(tiny: Tiny, pretrained: Path, tmp_path: Path) -> None:
    out = run(tiny, tmp_path / "out", tmp_path / "w", tiny_pretraining(initial=str(pretrained), seed=3))
    first = next(iter(read_jsonl(out / "metrics.jsonl")))["mlm_loss"]
    assert first < next(iter(read_jsonl(pretrained / "metrics.jsonl")))["mlm_loss"] - 0.2


def test_vocabulary_larger_than_the_model_is_refused(tiny: Tiny, pretrained: Path, tmp_path: Path) -> None:
    larger = shutil.copytree(tiny.tokenizer, tmp_path / "tokenizer")
    tokenizer = load_tokenizer(larger)
    tokenizer.add_tokens([f"new{number}" for number in range(300)])
    tokenizer.save_pretrained(larger)
    (tmp_path / "out").mkdir()
    with pytest.raises(
        ContractError, match=r"token embeddings, the tokenizer has \d+ tokens; use the checkpoint's own"
    ):
        pretrain(
            tiny.encoded,
            larger,
            tiny_pretraining(initial=str(pretrained)),
            out_dir=tmp_path / "out",
            work_dir=tmp_path / "w",
        )
    assert not list((tmp_path / "out").iterdir())


def test_empty_split_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    for name in ("train", "dev", "test", "holdout"):
        write_records([{"id": "a", "text": " "}], tmp_path / "splits" / name)
    (tmp_path / "encoded").mkdir()
    encode_splits(tmp_path / "splits", tiny.tokenizer, EncodingConfig(), out_dir=tmp_path / "encoded")
    empty = Tiny(tmp_path / "splits", tiny.tokenizer, tmp_path / "encoded")
    with pytest.raises(ContractError, match="no tokens"):
        run(empty, tmp_path / "out", tmp_path / "w", tiny_pretraining())


def test_nothing_reaches_the_terminal(tiny: Tiny, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(tiny, tmp_path / "out", tmp_path / "w", tiny_pretraining(max_steps=3))
    assert capfd.readouterr() == ("", "")
    assert {path.name for path in (tmp_path / "w").iterdir()} == {"metrics.jsonl", "performance.jsonl"}


def _batches(tiny: Tiny, vocabulary: VocabularyIds) -> PretrainingBatches:
    return PretrainingBatches(
        load_split(tiny.encoded, "train"),
        vocabulary,
        max_tokens=64,
        tokens_per_batch=512,
        objective="mlm+nsp",
        short_share=0.1,
        mask_share=0.3,
        seed=0,
    )


def _poisoned(tiny: Tiny, folder: Path) -> Path:
    """A checkpoint with one infinite weight."""
    model = make_network(tiny_pretraining(), VocabularyIds.of(load_tokenizer(tiny.tokenizer))).model
    with torch.no_grad():
        model.cls.predictions.transform.dense.bias[0] = float("inf")
    model.save_pretrained(folder / "poisoned")
    return folder / "poisoned"


def test_corpus_smaller_than_a_batch_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"pretraining\.tokens_per_batch is 1000000, the training split has \d+"):
        run(tiny, tmp_path / "out", tmp_path / "w", tiny_pretraining(tokens_per_batch=1_000_000))


def test_documents_too_short_to_mask_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    """One token alone has no context to be guessed from."""
    for name in ("train", "dev", "test", "holdout"):
        write_records([{"id": str(n), "text": "lamp", "lang": "en"} for n in range(5)], tmp_path / "splits" / name)
    (tmp_path / "encoded").mkdir()
    encode_splits(tmp_path / "splits", tiny.tokenizer, EncodingConfig(), out_dir=tmp_path / "encoded")
    short = Tiny(tmp_path / "splits", tiny.tokenizer, tmp_path / "encoded")
    with pytest.raises(ContractError, match="no training sequence of two tokens or more"):
        run(short, tmp_path / "out", tmp_path / "w", tiny_pretraining())


def test_layers_computed_twice_give_the_same(tiny: Tiny, pretrained: Path, tmp_path: Path) -> None:
    out = run(tiny, tmp_path / "out", tmp_path / "w", tiny_pretraining(activation_checkpointing=True))
    one, two = load_file(pretrained / "model.safetensors"), load_file(out / "model.safetensors")
    assert max(float((one[name] - two[name]).abs().max()) for name in one) < 1e-5
    assert read_json(out / "config.json") == read_json(pretrained / "config.json")


@pytest.mark.soak
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a processor")
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")  # torch 2.13's own inductor
def test_compiled_trains_alike(tiny: Tiny, pretrained: Path, tmp_path: Path) -> None:
    out = run(tiny, tmp_path / "out", tmp_path / "w", tiny_pretraining(compile=True))
    one, two = ([row["loss"] for row in read_jsonl(folder / "metrics.jsonl")] for folder in (pretrained, out))
    assert one == pytest.approx(two, abs=1e-4)
    assert load_file(out / "model.safetensors").keys() == load_file(pretrained / "model.safetensors").keys()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="bf16 autocast of a GPU needs one")
def test_trains_on_a_gpu_in_bf16(tiny: Tiny, tmp_path: Path) -> None:
    config = tiny_pretraining(accelerator="gpu", precision="bf16", packing=True, objective="mlm")
    out = run(tiny, tmp_path / "out", tmp_path / "w", config)
    assert all(np.isfinite(row["loss"]) for row in read_jsonl(out / "metrics.jsonl"))


def test_bf16_keeps_weights_whole(tiny: Tiny, pretrained: Path, tmp_path: Path) -> None:
    """Autocast computes in bf16, emulated where the processor has none; weights and their updates stay fp32."""
    out = run(tiny, tmp_path / "out", tmp_path / "w", tiny_pretraining(precision="bf16"))
    assert {str(value.dtype) for value in load_file(out / "model.safetensors").values()} == {"torch.float32"}
    one, two = ([row["loss"] for row in read_jsonl(folder / "metrics.jsonl")] for folder in (pretrained, out))
    assert one == pytest.approx(two, rel=0.02)
