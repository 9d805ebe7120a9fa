"""The ranks of one training: who this process is, how they are held together, and the few numbers they exchange.

A rank is a process with one device. ``torchrun`` (or ``launching.py``, which uses its agent) starts them and tells each
its place through the environment, which Lightning reads; a process that nobody started so is the only rank.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy, Strategy
from torch import nn

from components.core.errors import ConfigError
from components.modeling.config import Accelerator, DistributionStrategy


@dataclass(frozen=True)
class Distribution:
    """Devices of a training: ``devices`` ranks on each of ``num_nodes`` machines, each with a copy or a shard."""

    accelerator: Accelerator = "auto"
    devices: int = 1
    num_nodes: int = 1
    strategy: DistributionStrategy = "auto"
    timeout_seconds: int = 60

    @property
    def ranks(self) -> int:
        """Processes in total."""
        return self.devices * self.num_nodes

    @property
    def shards(self) -> bool:
        """Whether each rank holds a part of the weights only."""
        return self.strategy == "fsdp2"

    def device_type(self) -> str:
        """``gpu`` or ``cpu``; auto takes a GPU where there is one."""
        return "gpu" if self.accelerator != "cpu" and torch.cuda.is_available() else "cpu"

    def check_machine(self) -> None:
        """Raises ConfigError where a GPU is asked for and there is none, or there are fewer GPUs than devices."""
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if self.accelerator == "gpu" and not found:
            raise ConfigError(
                "pretraining.accelerator: gpu is asked for, this machine has none that torch can use; say auto or cpu"
            )
        if self.device_type() == "gpu" and self.devices > found:
            raise ConfigError(f"pretraining.devices: {self.devices} asked for, this machine has {found} GPUs")

    def check(self) -> None:
        """``check_machine``, and ConfigError where not as many processes were started as the config names."""
        self.check_machine()
        started = TorchElasticEnvironment().world_size() if TorchElasticEnvironment.detect() else 1
        if started != self.ranks:
            raise ConfigError(
                f"pretraining.devices x pretraining.num_nodes is {self.devices} x {self.num_nodes}, and {started} "
                f"processes were started; start torchrun with --nnodes {self.num_nodes} --nproc-per-node {self.devices}"
            )

    def lightning_strategy(self) -> Strategy | str:
        """Lightning's strategy: one device, a copy each (DDP) or a shard each (FSDP2)."""
        timeout = timedelta(seconds=self.timeout_seconds)
        if self.shards:
            # One file, gathered on rank 0: any number of ranks can continue from it.
            return ModelParallelStrategy(
                data_parallel_size=self.ranks,
                tensor_parallel_size=1,
                save_distributed_checkpoint=False,
                timeout=timeout,
            )
        return DDPStrategy(timeout=timeout) if self.ranks > 1 else "auto"


def rank_of_this_process() -> int:
    """0 for a process that torchrun did not start."""
    return TorchElasticEnvironment().global_rank() if TorchElasticEnvironment.detect() else 0


def is_first_rank() -> bool:
    """Whether this process is the one that reports, evaluates and writes."""
    return rank_of_this_process() == 0


def ranks_on_this_machine(distribution: Distribution) -> int:
    """Processes that share this machine's cores."""
    return distribution.devices if TorchElasticEnvironment.detect() else 1


def sum_over_ranks(values: list[float], device: torch.device) -> list[float]:
    """Each number summed over all ranks; every rank must call it at the same place."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return values
    summed = torch.tensor(values, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)
    dist.all_reduce(summed)
    return [float(value) for value in summed.tolist()]


def shard_layers(network: nn.Module, mesh: Any) -> None:
    """FSDP2: every transformer layer is gathered when it is used, what is left (embeddings, heads) with the network.

    The weights must be the same on every rank before; each then keeps its shard of them.
    """
    from torch.distributed.fsdp import fully_shard

    layers = [module for name, module in network.named_modules() if name.split(".")[-2:-1] in (["layer"], ["layers"])]
    for layer in layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(network, mesh=mesh)


def synchronise_gradients(strategy: Strategy, network: nn.Module, wanted: bool) -> Any:
    """A context for the backward pass of a part; only the last part of a batch exchanges gradients."""
    from contextlib import nullcontext

    from torch.distributed.fsdp import FSDPModule
    from torch.nn.parallel import DistributedDataParallel

    if isinstance(network, FSDPModule):
        network.set_requires_gradient_sync(wanted)
    elif isinstance(strategy.model, DistributedDataParallel) and not wanted:
        return strategy.model.no_sync()
    return nullcontext()


def whole(value: torch.Tensor) -> torch.Tensor:
    """A value gathered where it lies in shards; every rank must call it."""
    gathered: torch.Tensor = value.full_tensor() if hasattr(value, "full_tensor") else value
    return gathered


def gather_weights(network: nn.Module) -> dict[str, torch.Tensor]:
    """All weights on the processor's memory; with shards on the first rank only, and every rank must call it."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
    from torch.distributed.fsdp import FSDPModule

    if not isinstance(network, FSDPModule):
        return network.state_dict()
    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    return dict(get_model_state_dict(network, options=options))  # type: ignore[arg-type]
