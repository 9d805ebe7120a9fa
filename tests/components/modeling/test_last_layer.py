"""A last layer that is asked at places gives what the library gives there, and the same gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from testkit.tiny_models import Tiny, tiny_pretraining
from torch import nn

from components.modeling.corpus import load_split
from components.modeling.loading import load_tokenizer
from components.modeling.networks import PretrainingNetwork, make_network
from components.modeling.pretraining import PretrainingModule, loop_settings, training_batches
from components.modeling.step_data import Part, to_tensors
from components.modeling.vocabulary import VocabularyIds

SHAPES: dict[str, dict[str, Any]] = {
    "bert": {"layout": "bert"},
    "modern": {"layout": "modern", "local_window": 8, "global_every_layers": 2},
    "modern, last layer local": {"layout": "modern", "local_window": 6, "global_every_layers": 3},
}


@pytest.mark.parametrize("packing", [False, True], ids=["bucketed", "packed"])
@pytest.mark.parametrize("objective", ["mlm", "mlm+nsp"])
@pytest.mark.parametrize("shape", SHAPES)
def test_same_loss_and_gradients_as_everywhere(shape: str, objective: str, packing: bool, tiny: Tiny) -> None:
    network, batch, module = made(shape, objective, packing, tiny)
    here = gradients(module, batch)
    network.prepare(compiled=False, activation_checkpointing=True)
    again = gradients(module, batch)
    network.prepare(compiled=False, activation_checkpointing=False)
    network.ask_last_layer(False)
    there = gradients(module, batch)
    assert here.keys() == there.keys()
    for name, value in there.items():
        torch.testing.assert_close(here[name], value, rtol=1e-4, atol=1e-6, msg=name)
        torch.testing.assert_close(again[name], value, rtol=1e-4, atol=1e-6, msg=name)


def test_asked_nowhere_it_gives_gradients_of_zero(tiny: Tiny) -> None:
    _, batch, module = made("bert", "mlm", False, tiny)
    none = {**batch, "positions_P": batch["positions_P"][:0], "targets_P": batch["targets_P"][:0]}
    found = gradients(module, none)
    assert all(not value.any() for value in found.values())
    assert "model.bert.embeddings.word_embeddings.weight" in found


def test_rows_without_a_place_beside_rows_with_many(tiny: Tiny) -> None:
    network, batch, _ = made("bert", "mlm", False, tiny)
    width = batch["input_ids_BT"].shape[1]
    places = torch.tensor([1, 2, 3, 2 * width + 1])
    with torch.no_grad():
        logits, _ = network({**batch, "positions_P": places})
        network.ask_last_layer(False)
        wanted = network.model(
            input_ids=batch["input_ids_BT"],
            attention_mask=batch["attention_mask_BT"],
            token_type_ids=batch["token_type_ids_BT"],
        ).logits.flatten(0, 1)[places]
    torch.testing.assert_close(logits, wanted, rtol=1e-5, atol=1e-5)


def made(shape: str, objective: str, packing: bool, tiny: Tiny) -> tuple[PretrainingNetwork, Part, PretrainingModule]:
    """A network with weights wide enough that a mistake shows, and a batch with padding or several texts a row."""
    values = {"layers": 2, "hidden": 32, "heads": 2, "intermediate": 64, "max_tokens": 64, "initial_deviation": 0.3}
    config = tiny_pretraining(architecture={**values, **SHAPES[shape]}, objective=objective, packing=packing)
    vocabulary = VocabularyIds.of(load_tokenizer(tiny.tokenizer))
    torch.manual_seed(5)
    network = make_network(config, vocabulary)
    batches = training_batches(load_split(tiny.encoded, "train"), vocabulary, config, network.max_tokens)
    return network, to_tensors(batches.batch(0)), PretrainingModule(network, config, loop_settings(config, 1, "test"))


def gradients(module: PretrainingModule, batch: Part) -> dict[str, torch.Tensor]:
    """Of every weight that the loss reaches, and the loss itself."""
    network: nn.Module = module.model
    network.zero_grad()
    loss = module.losses(batch)["loss"]
    loss.backward()
    found = {name: value.grad.clone() for name, value in network.named_parameters() if value.grad is not None}
    return {**found, "loss": loss.detach()}
