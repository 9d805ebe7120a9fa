"""The summed cross-entropy in chunks against torch's on whole logits in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from components.modeling import vocabulary_loss
from components.modeling.vocabulary_loss import summed_cross_entropy


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven rows a chunk, so that the last one is short."""
    monkeypatch.setattr(vocabulary_loss, "_CHUNK_NUMBERS", 7 * 50)


def inputs(targets: int, scale: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    hidden = torch.randn(targets, 16, generator=generator) * scale
    weight, bias = torch.randn(50, 16, generator=generator), torch.randn(50, generator=generator)
    return hidden, weight, bias, torch.randint(50, (targets,), generator=generator)


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize(("targets", "scale"), [(24, 1.0), (7, 30.0), (1, 1.0), (0, 1.0)])
def test_value_and_gradients(targets: int, scale: float, with_bias: bool) -> None:
    hidden, weight, bias, wanted = inputs(targets, scale)
    found = [value.requires_grad_() for value in (hidden, weight, bias)[: 3 if with_bias else 2]]
    exact = [value.detach().double().requires_grad_() for value in found]
    loss = summed_cross_entropy(hidden, weight, bias if with_bias else None, wanted)
    (loss / 3).backward()
    logits = nn.functional.linear(*exact)
    reference = nn.functional.cross_entropy(logits, wanted, reduction="sum")
    (reference / 3).backward()
    assert loss.item() == pytest.approx(reference.item(), rel=1e-5, abs=1e-5)
    for one, other in zip(found, exact, strict=True):
        assert one.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(one.grad.double(), other.grad, rtol=1e-4, atol=1e-5)


def test_a_share_too_small_for_single_precision_has_a_loss() -> None:
    hidden, weight, wanted = torch.tensor([[200.0]]), torch.tensor([[1.0], [-1.0]]), torch.tensor([1])
    assert summed_cross_entropy(hidden, weight, None, wanted).item() == 400.0


def test_a_number_that_is_none_reaches_the_loss() -> None:
    hidden, weight, bias, wanted = inputs(9, 1.0)
    hidden[3, 2] = float("nan")
    assert summed_cross_entropy(hidden, weight, bias, wanted).isnan()


def test_without_gradients_nothing_is_kept() -> None:
    hidden, weight, bias, wanted = inputs(9, 1.0)
    loss = summed_cross_entropy(hidden, weight, bias, wanted)
    assert loss.grad_fn is None
    reference = nn.functional.cross_entropy(nn.functional.linear(hidden, weight, bias), wanted, reduction="sum")
    assert loss.item() == pytest.approx(reference.item(), rel=1e-6)
