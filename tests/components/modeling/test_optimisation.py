"""Schedule, parameter groups, precision."""

from __future__ import annotations

import torch
from torch import nn

from components.modeling.optimisation import arithmetic, make_optimizer, resolve_precision, warmup_stable_decay


def test_schedule_by_hand() -> None:
    factors = [warmup_stable_decay(step, total=10, warmup_share=0.2, decay_share=0.3) for step in range(10)]
    expected = [0.5, 1, 1, 1, 1, 1, 1, 1, 2 / 3, 1 / 3]
    assert all(abs(found - value) < 1e-12 for found, value in zip(factors, expected, strict=True))


def test_schedule_without_shares_is_flat() -> None:
    assert {warmup_stable_decay(step, total=7, warmup_share=0, decay_share=0) for step in range(7)} == {1.0}


def test_layers_have_falling_rates_and_vectors_no_decay() -> None:
    model = nn.ModuleDict(
        {
            "embeddings": nn.Embedding(4, 2),
            "encoder": nn.ModuleDict({"layer": nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])}),
            "classifier": nn.Linear(2, 2),
        }
    )
    optimizer = make_optimizer(model, learning_rate=1.0, weight_decay=0.1, layerwise_decay=0.5)
    found = {
        name: (group["lr"], group["weight_decay"])
        for name, parameter in model.named_parameters()
        for group in optimizer.param_groups
        if any(parameter is member for member in group["params"])
    }
    assert found == {
        "embeddings.weight": (0.125, 0.1),
        "encoder.layer.0.weight": (0.25, 0.1),
        "encoder.layer.0.bias": (0.25, 0.0),
        "encoder.layer.1.weight": (0.5, 0.1),
        "encoder.layer.1.bias": (0.5, 0.0),
        "classifier.weight": (1.0, 0.1),
        "classifier.bias": (1.0, 0.0),
    }


def test_arithmetic_puts_back_what_it_changed() -> None:
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    with arithmetic(1, 5):
        first = torch.rand(3)
    with arithmetic(None, 5):
        second = torch.rand(3)
    assert torch.equal(first, second)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.random.get_rng_state(), state)


def test_precision_stays_where_it_is_stated() -> None:
    assert resolve_precision("fp32") == "fp32"
    assert resolve_precision("bf16") == "bf16"
    assert resolve_precision("auto") in {"fp32", "bf16"}
