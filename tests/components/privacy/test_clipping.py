from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import transformers
from torch import nn

pytest.importorskip("opacus", reason="needs the extra `privacy`")

from components.core.errors import ConfigError
from components.privacy.clipping import BookkeepingClipper, UnitClipper, make_clipper

MODES = ("bookkeeping", "hooks")
SHAPE = {
    "vocab_size": 31, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20,
    "max_position_embeddings": 16, "pad_token_id": 0, "initializer_range": 0.3,
}  # fmt: skip
ROTARY = {"rope_type": "default", "rope_theta": 10_000.0}


def bert(kind: str) -> nn.Module:
    settings = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return getattr(transformers, f"BertFor{kind}")(transformers.BertConfig(**SHAPE, **settings))


def modern(kind: str) -> nn.Module:
    config = transformers.ModernBertConfig(
        **SHAPE, bos_token_id=1, eos_token_id=2, cls_token_id=1, sep_token_id=2, local_attention=4,
        layer_types=["sliding_attention", "full_attention"], tie_word_embeddings=True, classifier_pooling="mean",
        rope_parameters={"full_attention": dict(ROTARY), "sliding_attention": dict(ROTARY)},
    )  # fmt: skip
    return getattr(transformers, f"ModernBertFor{kind}")(config)


def llama(kind: str) -> nn.Module:
    config = transformers.LlamaConfig(
        **SHAPE, bos_token_id=1, eos_token_id=2, tie_word_embeddings=True, rope_parameters=ROTARY
    )
    return getattr(transformers, f"LlamaFor{kind}")(config)


MODELS: dict[str, Callable[[], nn.Module]] = {
    "bert classifier": lambda: bert("SequenceClassification"),
    "bert masked": lambda: bert("MaskedLM"),
    "modern classifier": lambda: modern("SequenceClassification"),
    "modern masked": lambda: modern("MaskedLM"),
    "llama classifier": lambda: llama("SequenceClassification"),
    "llama causal": lambda: llama("CausalLM"),
}


def rows(count: int, seed: int = 3) -> dict[str, torch.Tensor]:
    """Token ids of different lengths up to 8, padded with 0; type 0, positions from 0."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(3, 31, (count, 8), generator=generator)
    mask = (torch.arange(8)[None, :] < torch.randint(3, 9, (count, 1), generator=generator)).long()
    return {"input_ids": ids * mask, "attention_mask": mask}


def losses(model: nn.Module, batch: dict[str, torch.Tensor], *, scale: float = 1.0) -> torch.Tensor:
    """A loss a row: cross entropy against the token two along, or the row's first token modulo 2."""
    extra = {}
    if "Bert" in type(model).__name__ and "Modern" not in type(model).__name__:
        places = torch.arange(8).expand(len(batch["input_ids"]), 8).contiguous()
        extra = {"position_ids": places, "token_type_ids": torch.zeros_like(places)}
    logits = model(**batch, **extra).logits
    if logits.ndim == 2:
        return scale * nn.functional.cross_entropy(logits, batch["input_ids"][:, 0] % 2, reduction="none")
    each = nn.functional.cross_entropy(logits.mT, batch["input_ids"].roll(2, 1), reduction="none")
    return scale * (each * batch["attention_mask"]).sum(1) / batch["attention_mask"].sum(1)


def one_by_one(
    model: nn.Module, batch: dict[str, torch.Tensor], rows_per_unit: int = 1
) -> list[dict[str, torch.Tensor]]:
    """The gradient of every unit, by autograd on its rows alone."""
    gradients = []
    for start in range(0, len(batch["input_ids"]), rows_per_unit):
        model.zero_grad()
        part = {name: value[start : start + rows_per_unit] for name, value in batch.items()}
        losses(model, part).mean().backward()
        gradients.append({name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None})
    model.zero_grad()
    return gradients


def clipped(
    clipper: UnitClipper, model: nn.Module, batch: dict[str, torch.Tensor], rows_per_unit: int = 1
) -> dict[str, torch.Tensor]:
    units = len(batch["input_ids"]) // rows_per_unit
    with clipper.watching(units):
        clipper.add(losses(model, batch).reshape(units, -1).mean(1))
    sums = clipper.take()
    return {name: sums[one] for name, one in model.named_parameters()}


def norm(gradient: dict[str, torch.Tensor]) -> float:
    return float(torch.cat([one.flatten().double() for one in gradient.values()]).norm())


@pytest.fixture(params=MODELS, ids=lambda name: name.replace(" ", "-"))
def model(request: pytest.FixtureRequest) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return MODELS[request.param]().train()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rows_per_unit", [1, 2])
def test_norms_and_sums_are_those_of_autograd_one_unit_at_a_time(
    model: nn.Module, mode: str, rows_per_unit: int
) -> None:
    batch = rows(6)
    expected = one_by_one(model, batch, rows_per_unit)
    norms = [norm(gradient) for gradient in expected]
    limit = sorted(norms)[len(norms) // 2]  # some are clipped and some are not
    clipper = make_clipper(mode, model, limit)
    found = clipped(clipper, model, batch, rows_per_unit)
    assert clipper.norms_U.tolist() == pytest.approx(norms, rel=1e-5)
    factors = [min(1.0, limit / one) for one in norms]
    for name, total in found.items():
        wanted = sum(
            gradient[name].double() * factor
            for gradient, factor in zip(expected, factors, strict=True)
            if name in gradient
        )
        assert torch.allclose(total.double(), torch.as_tensor(wanted), rtol=1e-4, atol=1e-6 * limit), name


@pytest.mark.parametrize("mode", MODES)
def test_a_neighbour_moves_the_sum_by_at_most_the_clip_norm(mode: str) -> None:
    """Same randomness, one unit replaced by an enormous one or left out: a replay on neighbouring data."""
    model, limit = bert("SequenceClassification"), 0.1
    batch = rows(5)
    clipper = make_clipper(mode, model, limit)
    whole = clipped(clipper, model, batch)
    without = clipped(clipper, model, {name: value[:4] for name, value in batch.items()})
    moved = norm({name: whole[name] - without[name] for name in whole})
    assert 0.5 * limit < moved <= limit * (1 + 1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_unit_without_a_finite_gradient_counts_nothing(mode: str, bad: float) -> None:
    model, batch = bert("SequenceClassification"), rows(3)
    scale = torch.tensor([1.0, bad, 1.0])
    clipper = make_clipper(mode, model, 0.5)
    with clipper.watching(3):
        clipper.add(losses(model, batch) * scale)
    spoiled = clipper.take()
    rest = clipped(clipper, model, {name: value[[0, 2]] for name, value in batch.items()})
    for name, one in model.named_parameters():
        assert torch.allclose(spoiled[one], rest[name], rtol=1e-4, atol=1e-6), name


@pytest.mark.parametrize("mode", MODES)
def test_batches_add_up_and_nothing_is_left_behind(mode: str) -> None:
    model, batch = bert("SequenceClassification"), rows(4)
    clipper = make_clipper(mode, model, 0.2)
    whole = clipped(clipper, model, batch)
    for start in (0, 2):
        with clipper.watching(2):
            clipper.add(losses(model, {name: value[start : start + 2] for name, value in batch.items()}))
    parts = clipper.take()
    for name, one in model.named_parameters():
        assert torch.allclose(parts[one], whole[name], rtol=1e-4, atol=1e-6), name
        assert one.grad is None
        assert one.requires_grad
        assert not hasattr(one, "grad_sample")
    assert not any(total.any() for total in clipper.take().values())


def test_rows_that_share_an_input_are_refused() -> None:
    """Positions of shape (1, T) have one gradient for all rows."""
    model = bert("SequenceClassification")
    clipper = BookkeepingClipper(model, 1.0)
    with pytest.raises(ConfigError, match="rows are mixed or shared"), clipper.watching(3):
        model(**rows(3), token_type_ids=torch.zeros(3, 8, dtype=torch.long))


@pytest.mark.parametrize(
    ("layer", "says"),
    [(nn.BatchNorm1d(3), "mixes the rows"), (nn.Conv1d(1, 1, 1), "no rule for the weights of 0")],
    ids=["batch norm", "no rule"],
)
def test_layers_without_a_rule_are_refused(layer: nn.Module, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        BookkeepingClipper(nn.Sequential(layer), 1.0)
