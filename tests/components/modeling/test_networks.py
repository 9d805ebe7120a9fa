"""Every layout and objective: trained, reopened in plain ``transformers``, used by the stages after it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file
from testkit.tiny_models import Tiny, tiny_finetuning, tiny_pretraining

from components.core.errors import ContractError
from components.core.jsonfiles import read_json
from components.modeling.batches import PretrainingBatches
from components.modeling.config import PretrainingConfig
from components.modeling.corpus import load_split
from components.modeling.finetuning import finetune
from components.modeling.inference import MaskedLanguageModel, TextClassifier
from components.modeling.loading import load_tokenizer
from components.modeling.networks import PAIR_HEAD_FILE, make_network
from components.modeling.pretraining import PretrainingModule, pretrain, training_batches
from components.modeling.step_data import to_tensors
from components.modeling.training_loop import LoopSettings
from components.modeling.vocabulary import VocabularyIds

TEXTS = ["The nurse bought a lamp. I love it.", "护士购买了台灯。", "It broke"]
CASES = [
    ("bert", "mlm", "BertForMaskedLM"),
    ("bert", "mlm+nsp", "BertForPreTraining"),
    ("bert", "mlm+sop", "BertForPreTraining"),
    ("modern", "mlm", "ModernBertForMaskedLM"),
    ("modern", "mlm+nsp", "ModernBertForMaskedLM"),
    ("modern", "mlm+sop", "ModernBertForMaskedLM"),
    ("llama", "clm", "LlamaForCausalLM"),
]
IDS = [f"{layout}-{objective}" for layout, objective, _ in CASES]


@dataclass(frozen=True)
class Trained:
    """A finished folder and how it came to be."""

    folder: Path
    config: PretrainingConfig
    architecture: str


def shaped(layout: str, objective: str, **changes: object) -> PretrainingConfig:
    shape = {"layout": layout, "layers": 2, "hidden": 32, "heads": 2, "intermediate": 64, "max_tokens": 64}
    if layout == "modern":
        shape |= {"local_window": 8, "global_every_layers": 2}
    return tiny_pretraining(architecture=shape, objective=objective, **changes)


def run(tiny: Tiny, config: PretrainingConfig, root: Path) -> Path:
    (root / "out").mkdir(parents=True)
    pretrain(tiny.encoded, tiny.tokenizer, config, out_dir=root / "out", work_dir=root / "work")
    return root / "out"


@pytest.fixture(scope="module", params=CASES, ids=IDS)
def trained(request: pytest.FixtureRequest, tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    layout, objective, architecture = request.param
    config = shaped(layout, objective, max_steps=4)
    return Trained(run(tiny, config, tmp_path_factory.mktemp("trained")), config, architecture)


def network_of(trained: Trained, tiny: Tiny) -> Any:
    """Ours, built anew and filled from the files by name."""
    network = make_network(trained.config, VocabularyIds.of(load_tokenizer(tiny.tokenizer)))
    missing, unexpected = network.model.load_state_dict(load_file(trained.folder / "model.safetensors"), strict=False)
    assert not unexpected
    assert all("decoder" in name or "lm_head" in name for name in missing)  # tied to the embeddings, stored once
    return network.eval()


def plain_logits(folder: Path, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    import transformers

    (name,) = read_json(folder / "config.json")["architectures"]
    model, info = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    with torch.no_grad():
        outputs = model.eval()(**inputs)
    return outputs.prediction_logits if name == "BertForPreTraining" else outputs.logits


def test_plain_transformers_gives_the_same_logits(trained: Trained, tiny: Tiny) -> None:
    from transformers import AutoModel, AutoTokenizer

    assert read_json(trained.folder / "config.json")["architectures"] == [trained.architecture]
    network = network_of(trained, tiny)
    inputs = dict(AutoTokenizer.from_pretrained(trained.folder)(TEXTS, return_tensors="pt", padding=True))
    attention = inputs["attention_mask"]
    rows, width = attention.shape
    batch = {
        "input_ids_BT": inputs["input_ids"],
        "attention_mask_BT": attention,
        "token_type_ids_BT": torch.zeros_like(attention),
        "starts_S": torch.arange(rows) * width,
        "positions_P": torch.arange(rows * width),
    }
    with torch.no_grad():
        ours = network(batch)[0].reshape(rows, width, -1)
    theirs = plain_logits(trained.folder, inputs)
    real = attention.bool()
    assert torch.allclose(ours[real], theirs[real], atol=1e-5)
    body = AutoModel.from_pretrained(trained.folder).eval()(**inputs).last_hidden_state
    assert body.shape == (rows, width, 32)


def test_the_loss_counts_every_target_once(trained: Trained, tiny: Tiny) -> None:
    """Against the library's own loss over full logits, with a label wherever ours has a target."""
    network = network_of(trained, tiny)
    vocabulary = VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    batch = to_tensors(training_batches(load_split(tiny.encoded, "train"), vocabulary, trained.config, 64).batch(0))
    labels = torch.full(batch["input_ids_BT"].shape, -100)
    labels.view(-1)[batch["positions_P"]] = batch["targets_P"]
    inputs = {"input_ids": batch["input_ids_BT"], "attention_mask": batch["attention_mask_BT"]}
    if trained.architecture.startswith("Bert"):
        inputs["token_type_ids"] = batch["token_type_ids_BT"]
    logits = plain_logits(trained.folder, inputs)
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.view(-1))
    module = PretrainingModule(network, trained.config, LoopSettings(10, 1.0, "fp32", 5, 5, 0, {}))
    losses = module.losses(batch)
    name = "clm_loss" if trained.config.objective == "clm" else "mlm_loss"
    assert losses[name].item() == pytest.approx(expected.item(), abs=1e-5)


def test_report_names_the_objective(trained: Trained) -> None:
    report = read_json(trained.folder / "report.json")
    assert report["objective"] == trained.config.objective
    pooled = report["metrics"]["all"]
    assert pooled["targets"] > 0
    assert (pooled["pair_accuracy"] is not None) == ("+" in trained.config.objective)


def test_masked_language_model_opens_it_or_says_why_not(trained: Trained) -> None:
    if trained.config.objective == "clm":
        with pytest.raises(ContractError, match="generates from left to right"):
            MaskedLanguageModel(trained.folder)
        return
    model = MaskedLanguageModel(trained.folder)
    rows = model.encode(TEXTS)
    (score, *_) = model.masked_log_probabilities(rows, [[1, 2], [1], []])
    inputs = {"input_ids": torch.tensor([rows[0]]), "attention_mask": torch.ones(1, len(rows[0]), dtype=torch.long)}
    inputs["input_ids"][0, [1, 2]] = model.tokenizer.mask_token_id
    expected = torch.log_softmax(plain_logits(trained.folder, inputs)[0], -1)
    assert np.allclose(score, [expected[place, rows[0][place]] for place in (1, 2)], atol=1e-5)
    assert model.embed(TEXTS).shape == (3, 32)


def test_only_next_sentence_heads_answer_about_next_sentences(trained: Trained) -> None:
    if trained.config.objective == "clm":
        pytest.skip("no masked language model")
    model = MaskedLanguageModel(trained.folder)
    assert model.has_next_sentence_head == (trained.config.objective == "mlm+nsp")
    pairs = [(TEXTS[0], TEXTS[2]), (TEXTS[1], TEXTS[1])]
    if not model.has_next_sentence_head:
        with pytest.raises(ContractError, match="no next-sentence head"):
            model.next_sentence_logits(pairs)
        return
    together = model.next_sentence_logits(pairs)
    assert np.allclose(together[1:], model.next_sentence_logits(pairs[1:]), atol=1e-5)


def test_fine_tunes_and_classifies(trained: Trained, tiny: Tiny, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    (tmp_path / "out").mkdir()
    config = tiny_finetuning(epochs=1)
    finetune(trained.folder, tiny.splits, config, out_dir=tmp_path / "out", work_dir=tmp_path / "work")
    classifier = TextClassifier(tmp_path / "out")
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    inputs = AutoTokenizer.from_pretrained(tmp_path / "out")(TEXTS, return_tensors="pt", padding=True)
    with torch.no_grad():
        expected = model(**inputs).logits.numpy()
    assert np.allclose(classifier.logits(TEXTS), expected, atol=1e-5)


def test_continues_from_its_own_folder(trained: Trained, tiny: Tiny) -> None:
    config = trained.config.model_copy(update={"initial": str(trained.folder)})
    vocabulary = VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    again, before = make_network(config, vocabulary), network_of(trained, tiny)
    for name, weight in before.model.state_dict().items():
        assert torch.equal(weight, again.model.state_dict()[name]), name
    if again.pair_head is not None:
        stored = load_file(trained.folder / PAIR_HEAD_FILE)
        assert all(torch.equal(weight, stored[name]) for name, weight in again.pair_head.state_dict().items())


def test_packed_rows_give_the_same_loss_and_gradients(trained: Trained, tiny: Tiny) -> None:
    """The same sequences and masks, one a row and several a row: block-diagonal attention changes nothing."""
    network = network_of(trained, tiny)
    module = PretrainingModule(network, trained.config, LoopSettings(10, 1.0, "fp32", 5, 5, 0, {}))
    split = load_split(tiny.encoded, "train")
    vocabulary = VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    packed = training_batches(split, vocabulary, trained.config.model_copy(update={"packing": True}), 64).batch(0)
    loose = one_sequence_a_row(packed, pad=vocabulary.pad)
    assert len(packed.starts_S) > len(packed.input_ids_BT)
    found = {}
    for name, batch in (("packed", packed), ("loose", loose)):
        network.zero_grad()
        loss = module.losses(to_tensors(batch))["loss"]
        loss.backward()
        found[name] = loss.item(), [p.grad.clone() for p in network.parameters() if p.grad is not None]
    assert found["packed"][0] == pytest.approx(found["loose"][0], abs=1e-5)
    for one, other in zip(found["packed"][1], found["loose"][1], strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def one_sequence_a_row(packed: Any, *, pad: int) -> Any:
    """Unpack by a plain loop over blocks."""
    rows = [
        np.flatnonzero(packed.blocks_BT[row] == block) + row * packed.blocks_BT.shape[1]
        for row in range(len(packed.blocks_BT))
        for block in range(1, packed.blocks_BT[row].max() + 1)
    ]
    width = max(map(len, rows))
    ids, types, attention, places = (np.zeros((len(rows), width), np.int64) for _ in range(4))
    ids += pad
    moved: dict[int, int] = {}
    for number, flat in enumerate(rows):
        ids[number, : len(flat)] = packed.input_ids_BT.reshape(-1)[flat]
        types[number, : len(flat)] = packed.token_type_ids_BT.reshape(-1)[flat]
        attention[number, : len(flat)] = 1
        places[number] = np.arange(width)
        moved.update({int(old): number * width + new for new, old in enumerate(flat)})
    positions = np.array([moved[int(old)] for old in packed.positions_P])
    return type(packed)(
        ids,
        attention,
        types,
        places,
        attention,
        np.arange(len(rows)) * width,
        positions,
        packed.targets_P,
        packed.pair_labels_S,
        packed.targets_total,
        packed.labels_total,
    )


@pytest.mark.parametrize("packing", [False, True])
def test_parts_of_a_batch_add_up_to_its_gradient(trained: Trained, tiny: Tiny, packing: bool) -> None:
    network = network_of(trained, tiny)
    config = trained.config.model_copy(update={"packing": packing})
    module = PretrainingModule(network, config, LoopSettings(10, 1.0, "fp32", 5, 5, 0, {}))
    vocabulary = VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    batches = training_batches(load_split(tiny.encoded, "train"), vocabulary, config, 64)
    found = []
    for parts in (1, 4):
        network.zero_grad()
        pieces = batches.parts(1, count=parts)
        assert len(pieces) == parts
        total = 0.0
        for piece in pieces:
            loss = module.losses(to_tensors(piece))["loss"]
            loss.backward()
            total += loss.item()
        found.append((total, [p.grad.clone() for p in network.parameters() if p.grad is not None]))
    assert found[0][0] == pytest.approx(found[1][0], abs=1e-6)
    for one, other in zip(found[0][1], found[1][1], strict=True):
        assert torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objective": "clm"}, "clm needs llama"),
        ({"architecture": {"layout": "llama"}}, "do not fit"),
        ({"architecture": {"local_window": 8}}, "local_window is for layout modern"),
        ({"architecture": {"layout": "modern", "hidden": 18, "heads": 2}}, "odd"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        PretrainingConfig.model_validate(changes)


def test_other_model_types_are_refused_by_name(tiny: Tiny, tmp_path: Path, pretrained: Path) -> None:
    from transformers import DistilBertConfig, DistilBertForMaskedLM

    vocabulary = VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    DistilBertForMaskedLM(DistilBertConfig(vocab_size=300, dim=32, n_layers=1, n_heads=2)).save_pretrained(tmp_path)
    with pytest.raises(ContractError, match="distilbert; objective mlm\\+nsp continues from bert or modernbert"):
        make_network(tiny_pretraining(initial=str(tmp_path)), vocabulary)
    with pytest.raises(ContractError, match="objective clm continues from llama"):
        make_network(shaped("llama", "clm", initial=str(pretrained)), vocabulary)


def test_masking_needs_a_mask_token(tiny: Tiny) -> None:
    known = VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    without = VocabularyIds(known.pad, known.cls, known.sep, None, known.special, known.size)
    settings = {"max_tokens": 64, "tokens_per_batch": 512, "short_share": 0.1, "mask_share": 0.3, "seed": 0}
    with pytest.raises(ContractError, match="no mask token"):
        PretrainingBatches(load_split(tiny.encoded, "train"), without, objective="mlm", **settings)
    assert PretrainingBatches(load_split(tiny.encoded, "train"), without, objective="clm", **settings).batch(0).tokens
