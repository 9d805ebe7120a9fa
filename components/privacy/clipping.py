"""Clipped sums of units' gradients, by book-keeping: one backward pass, and no gradient of a unit is ever laid out.

While a model is watched, forward hooks keep what goes into every module that owns weights and tensor hooks keep the
gradient that comes back to its output. For a linear map both give the norm of a unit's gradient from two T x T
products (Goodfellow 2015, https://arxiv.org/abs/1510.01799; Li et al. 2022, https://arxiv.org/abs/2110.05679) and then
the sum of the clipped gradients in one product (book-keeping, Bu et al. 2023, https://arxiv.org/abs/2210.00038). The
same numbers, in fp32, give norm and sum, so the sum moves by at most the clip norm whatever one unit says.

Weights that several modules share, as a tied decoder's, are one parameter with one gradient here too. Letters: U units,
R rows (R / U neighbouring rows are a unit), T tokens of a unit, I inputs, O outputs, V vocabulary.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import torch
from torch import nn

from components.core.errors import ConfigError

_TINY = 1e-12  # a unit without a gradient has norm 0


class UnitClipper(Protocol):
    """Adds up units' gradients, each clipped; ``norms_U`` are those of the last batch, before clipping."""

    norms_U: torch.Tensor

    def watching(self, units: int) -> Any:
        """A context in which the losses of so many units are computed and ``add`` is called."""

    def add(self, losses_U: torch.Tensor) -> None:
        """Add the clipped gradients of units, each of which has a loss that depends on its own rows alone."""

    def take(self) -> dict[nn.Parameter, torch.Tensor]:
        """The sums since the last time, which start anew; zeros where nothing was added."""


@dataclass
class _Uses:
    """What a parameter met in one batch."""

    linear: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)  # inputs UTI, gradients UTO
    lookups: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)  # ids UT, gradients UTO
    whole: list[torch.Tensor] = field(default_factory=list)  # gradients of a vector, UO


class BookkeepingClipper:
    """The sums of one model's trainable parameters."""

    def __init__(self, model: nn.Module, clip_norm: float) -> None:
        """Raises ConfigError for a module whose weights have no rule or that mixes the rows of a batch."""
        self._clip_norm = clip_norm
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        hidden = {module for module, _ in second_names(model)}
        named = [(name, module) for name, module in model.named_modules() if module not in hidden]
        self._modules = [module for name, module in named if _is_known(name, module)]
        self._sums: dict[nn.Parameter, torch.Tensor] = {}
        self._seen: list[tuple[nn.Module, torch.Tensor, torch.Tensor]] = []
        self._units = 0
        self.norms_U = torch.zeros(0)

    @contextmanager
    def watching(self, units: int) -> Iterator[None]:
        """Keep what the hooks see; autograd computes no gradient of a weight meanwhile."""
        self._units = units
        handles = [module.register_forward_hook(self._after_forward) for module in self._modules]
        try:
            for parameter in self._parameters:
                parameter.requires_grad_(False)
            yield
        finally:
            for parameter in self._parameters:
                parameter.requires_grad_(True)
            for handle in handles:
                handle.remove()
            self._seen.clear()

    def add(self, losses_U: torch.Tensor) -> None:
        """One backward pass for the norms and the sums."""
        losses_U.sum().backward()  # type: ignore[no-untyped-call]
        with torch.no_grad(), _full_precision(losses_U):
            uses = self._uses()
            self._seen.clear()
            squares_U = sum((_squares(use) for use in uses.values()), torch.zeros_like(losses_U, dtype=torch.float32))
            self.norms_U = squares_U.clamp(min=0).sqrt()
            factors_U = clip_factors(self.norms_U, self._clip_norm)
            for parameter, use in uses.items():
                weighted = _weighted_sum(use, factors_U, parameter)
                self._sums[parameter] = self._sums[parameter] + weighted if parameter in self._sums else weighted

    def take(self) -> dict[nn.Parameter, torch.Tensor]:
        """The sums since the last time."""
        sums = {one: self._sums.get(one, torch.zeros_like(one, dtype=torch.float32)) for one in self._parameters}
        self._sums = {}
        return sums

    def _after_forward(self, module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
        first = inputs[0].detach()
        if first.shape[0] % self._units or not first.shape[0]:
            raise ConfigError(
                f"privacy: {type(module).__name__} sees a batch of {first.shape[0]} where there are {self._units} "
                "units, so rows are mixed or shared; give the model inputs of one row each"
            )
        if not output.requires_grad:
            output = output.requires_grad_().clone()  # a clone, because models add to it in place
        output.register_hook(lambda gradient: self._seen.append((module, first, gradient)))  # type: ignore[no-untyped-call]
        return output

    def _uses(self) -> dict[nn.Parameter, _Uses]:
        uses: dict[nn.Parameter, _Uses] = {}
        for module, inputs, gradient in self._seen:
            gradients_UTO = self._by_unit(gradient.float(), 1)
            weight, bias = module.weight, getattr(module, "bias", None)
            if isinstance(bias, nn.Parameter) and bias in self._trained:
                uses.setdefault(bias, _Uses()).whole.append(gradients_UTO.sum(1))
            if weight not in self._trained:
                continue
            use = uses.setdefault(weight, _Uses())  # type: ignore[arg-type]
            if isinstance(module, nn.Embedding):
                ids_UT = self._by_unit(inputs, 0)
                if module.padding_idx is not None:
                    gradients_UTO = gradients_UTO * (ids_UT != module.padding_idx)[..., None]
                use.lookups.append((ids_UT, gradients_UTO))
            elif isinstance(module, nn.Linear):
                use.linear.append((self._by_unit(inputs.float(), 1), gradients_UTO))
            else:
                use.whole.append((gradients_UTO * self._by_unit(_normalised(module, inputs.float()), 1)).sum(1))
        return uses

    @property
    def _trained(self) -> set[nn.Parameter]:
        return set(self._parameters)

    def _by_unit(self, values: torch.Tensor, trailing: int) -> torch.Tensor:
        """[R, ..., O] as [U, T, O], or [R, ...] as [U, T] where nothing trails."""
        return values.reshape(self._units, -1, *values.shape[values.ndim - trailing :])


def _full_precision(losses_U: torch.Tensor) -> torch.autocast:
    """Norms and sums in fp32 where the model computes in bf16: a rounded norm would not bound the sum."""
    return torch.autocast(losses_U.device.type, enabled=False)


def clip_factors(norms_U: torch.Tensor, clip_norm: float) -> torch.Tensor:
    """What each unit's gradient is multiplied with: at most 1, and 0 where its norm is not finite."""
    factors_U = (clip_norm / norms_U.clamp(min=_TINY)).clamp(max=1.0)
    return torch.where(torch.isfinite(norms_U), factors_U, torch.zeros_like(factors_U))


def second_names(model: nn.Module) -> list[tuple[nn.Module, str]]:
    """Where a container names the bias of a linear map inside it, as BERT's prediction head does with its decoder's."""
    of_linear = {
        id(one): module
        for module in model.modules()
        if isinstance(module, nn.Linear)
        for one in module.parameters(recurse=False)
    }
    return [
        (module, name)
        for module in model.modules()
        for name, one in module.named_parameters(recurse=False)
        if any(of_linear.get(id(one)) is inner for inner in module.modules() if inner is not module)
    ]


def _is_known(name: str, module: nn.Module) -> bool:
    """Whether a module owns trainable weights, all of a kind that has a rule. Raises ConfigError for others."""
    own = [parameter for parameter in module.parameters(recurse=False) if parameter.requires_grad]
    _refuse_mixing(name, module)
    if not own:
        return False
    if isinstance(module, nn.Embedding) and (module.max_norm is not None or module.scale_grad_by_freq):
        raise ConfigError(f"privacy: {name} renormalises or counts over the batch; set neither of both")
    if isinstance(module, nn.Linear | nn.Embedding | nn.LayerNorm) or _is_rms_norm(module):
        return True
    raise ConfigError(
        f"privacy: no rule for the weights of {name} ({type(module).__name__}); freeze them, or set privacy.clipping: "
        "hooks"
    )


def _refuse_mixing(name: str, module: nn.Module) -> None:
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        raise ConfigError(f"privacy: {name} ({type(module).__name__}) mixes the rows of a batch; use a layer norm")


def _is_rms_norm(module: nn.Module) -> bool:
    """Torch's own, or a Hugging Face model's, which has its epsilon under another name."""
    return type(module).__name__.endswith("RMSNorm") and isinstance(getattr(module, "weight", None), nn.Parameter)


def _normalised(module: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """What a norm multiplies its weight with."""
    if isinstance(module, nn.LayerNorm):
        return nn.functional.layer_norm(inputs, module.normalized_shape, eps=module.eps)
    epsilon = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    return inputs * torch.rsqrt(inputs.pow(2).mean(-1, keepdim=True) + float(epsilon or 0.0))


def _squares(use: _Uses) -> torch.Tensor:
    """Squared norm of each unit's gradient of one parameter, [U]."""
    if use.whole:
        return torch.stack(use.whole).sum(0).square().sum(-1)
    total: Any = 0.0
    if use.linear:
        inputs_UTI, gradients_UTO = (torch.cat(list(parts), 1) for parts in zip(*use.linear, strict=True))
        total = total + _linear_squares(inputs_UTI, gradients_UTO)
    if use.lookups:
        ids_UT, gradients_UTO = (torch.cat(list(parts), 1) for parts in zip(*use.lookups, strict=True))
        same_UTT = ids_UT[:, :, None] == ids_UT[:, None, :]
        total = total + (torch.bmm(gradients_UTO, gradients_UTO.mT) * same_UTT).sum((1, 2))
        for linear_UTI, outputs_UTV in use.linear:  # shared: row v of one meets the outputs v of the other
            met_UPT = outputs_UTV.gather(2, ids_UT[:, None, :].expand(-1, outputs_UTV.shape[1], -1))
            total = total + 2 * (met_UPT * torch.bmm(linear_UTI, gradients_UTO.mT)).sum((1, 2))
    squares_U: torch.Tensor = total
    return squares_U


def _linear_squares(inputs_UTI: torch.Tensor, gradients_UTO: torch.Tensor) -> torch.Tensor:
    """Squared norms of the units' matrices [O, I], by whichever way is less work."""
    tokens, width_in, width_out = inputs_UTI.shape[1], inputs_UTI.shape[2], gradients_UTO.shape[2]
    if tokens * (width_in + width_out) <= width_in * width_out:
        return (torch.bmm(inputs_UTI, inputs_UTI.mT) * torch.bmm(gradients_UTO, gradients_UTO.mT)).sum((1, 2))
    pairs = zip(gradients_UTO, inputs_UTI, strict=True)
    return torch.stack([(gradient_TO.mT @ input_TI).square().sum() for gradient_TO, input_TI in pairs])


def _weighted_sum(use: _Uses, factors_U: torch.Tensor, parameter: nn.Parameter) -> torch.Tensor:
    """The sum of the clipped gradients of one parameter; a factor of 0 leaves a unit out, whatever its values are."""
    if use.whole:
        return _scaled(torch.stack(use.whole).sum(0), factors_U).sum(0).reshape(parameter.shape)
    total = torch.zeros_like(parameter, dtype=torch.float32)
    for inputs_UTI, gradients_UTO in use.linear:
        inputs = torch.where((factors_U > 0)[:, None, None], inputs_UTI, 0.0)
        total += _scaled(gradients_UTO, factors_U).flatten(0, 1).mT @ inputs.flatten(0, 1)
    for ids_UT, gradients_UTO in use.lookups:
        total.index_add_(0, ids_UT.flatten(), _scaled(gradients_UTO, factors_U).flatten(0, 1))
    return total


def _scaled(values: torch.Tensor, factors_U: torch.Tensor) -> torch.Tensor:
    factors = factors_U.reshape(-1, *[1] * (values.ndim - 1))
    return torch.where(factors > 0, values * factors, 0.0)


def _teach_opacus() -> None:
    """Opacus 1.6 asks the bias of a layer norm for its gradient where it has none, as ModernBERT's."""
    from opacus.grad_sample import register_grad_sampler

    register_grad_sampler(nn.LayerNorm)(_layer_norm_gradients)


def _layer_norm_gradients(
    layer: nn.LayerNorm, activations: list[torch.Tensor], backprops: torch.Tensor
) -> dict[nn.Parameter, torch.Tensor]:
    """Of every row: summed over all dimensions but the first and the normalised ones."""
    inner = tuple(range(1, backprops.dim() - len(layer.normalized_shape)))
    found: dict[nn.Parameter, torch.Tensor] = {}
    if layer.weight is not None and layer.weight.requires_grad:
        normed = nn.functional.layer_norm(activations[0], layer.normalized_shape, eps=layer.eps)
        found[layer.weight] = (normed * backprops).sum(inner) if inner else normed * backprops
    if layer.bias is not None and layer.bias.requires_grad:
        found[layer.bias] = backprops.sum(inner) if inner else backprops
    return found


class HooksClipper:
    """The same sums from Opacus' hooks, which lay out the gradient of every row: slower, larger, and any module."""

    def __init__(self, model: nn.Module, clip_norm: float) -> None:
        """Raises ConfigError for a module that mixes the rows of a batch."""
        for name, module in model.named_modules():
            _refuse_mixing(name, module)
        self._model, self._clip_norm = model, clip_norm
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._sums: dict[nn.Parameter, torch.Tensor] = {}
        self._units = 0
        self.norms_U = torch.zeros(0)

    @contextmanager
    def watching(self, units: int) -> Iterator[None]:
        """Opacus' hooks are on the modules meanwhile."""
        from opacus.grad_sample import GradSampleModule

        _teach_opacus()
        self._units = units
        hidden = [(module, name, module._parameters.pop(name)) for module, name in second_names(self._model)]
        hooked = GradSampleModule(self._model, batch_first=True, loss_reduction="sum", strict=False)
        try:
            yield
        finally:
            hooked.remove_hooks()
            for module, name, parameter in hidden:
                module._parameters[name] = parameter
            for parameter in self._parameters:
                for left in ("grad_sample", "_forward_counter", "_current_grad_sample"):
                    if hasattr(parameter, left):
                        delattr(parameter, left)
                parameter.grad = None

    def add(self, losses_U: torch.Tensor) -> None:
        """One backward pass, then the norms of what it left."""
        with warnings.catch_warnings():  # that token ids have no gradient
            warnings.filterwarnings("ignore", message="Full backward hook is firing")
            losses_U.sum().backward()  # type: ignore[no-untyped-call] # torch carries no type here
        with torch.no_grad(), _full_precision(losses_U):
            found: Mapping[nn.Parameter, torch.Tensor] = {
                one: _gradient_of_rows(one).float().reshape(self._units, -1, *one.shape).sum(1)
                for one in self._parameters
                if getattr(one, "grad_sample", None) is not None
            }
            squares = [gradient.reshape(self._units, -1).square().sum(1) for gradient in found.values()]
            self.norms_U = torch.stack(squares).sum(0).sqrt()
            factors_U = clip_factors(self.norms_U, self._clip_norm)
            for parameter, gradient in found.items():
                weighted = _scaled(gradient, factors_U).sum(0)
                self._sums[parameter] = self._sums[parameter] + weighted if parameter in self._sums else weighted

    def take(self) -> dict[nn.Parameter, torch.Tensor]:
        """The sums since the last time."""
        sums = {one: self._sums.get(one, torch.zeros_like(one, dtype=torch.float32)) for one in self._parameters}
        self._sums = {}
        return sums


def _gradient_of_rows(parameter: nn.Parameter) -> torch.Tensor:
    """Opacus keeps a list where a parameter was used several times."""
    found = parameter.grad_sample  # type: ignore[attr-defined]
    return torch.stack(found).sum(0) if isinstance(found, list) else cast(torch.Tensor, found)


def make_clipper(mode: str, model: nn.Module, clip_norm: float) -> UnitClipper:
    """The clipper of ``privacy.clipping``."""
    return HooksClipper(model, clip_norm) if mode == "hooks" else BookkeepingClipper(model, clip_norm)
