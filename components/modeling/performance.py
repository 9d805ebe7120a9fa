"""How fast a training is: tokens and useful arithmetic a second, waiting for data, memory; as lines of a file.

Arithmetic is counted as in PaLM (https://arxiv.org/abs/2204.02311, appendix B): 6 operations a weight and token,
forward and backward, and 12 a layer, width and pair of tokens that see each other; the vocabulary's weights count at
targets only, and nothing counts for padding or for what is computed twice. Utilisation is over what the device can do:
its maker's figure where it is known, else matrix products timed here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from components.core.jsonfiles import read_jsonl, write_jsonl
from components.modeling.step_data import Sizes

# Dense bf16 operations a second, from the data sheets; matched in this order.
_MAKERS_FIGURES = {
    "H200": 989.4e12,
    "H100 PCIe": 756e12,
    "H100": 989.4e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "A10": 125e12,
}
_PROBE_WIDTH, _PROBE_SECONDS = 512, 0.1


def peak_operations(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of matrix products on a device: the maker's figure for bf16, else as timed in 0.1 s."""
    if device.type == "cuda" and dtype == torch.bfloat16:
        name = torch.cuda.get_device_name(device)
        for model, figure in _MAKERS_FIGURES.items():
            if model in name:
                return figure
    one = torch.randn(_PROBE_WIDTH, _PROBE_WIDTH, device=device, dtype=dtype)
    best, until = 0.0, time.perf_counter() + _PROBE_SECONDS
    while time.perf_counter() < until:
        started = time.perf_counter()
        torch.mm(one, one)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best = max(best, 2.0 * _PROBE_WIDTH**3 / (time.perf_counter() - started))
    return best


@dataclass(frozen=True)
class Arithmetic:
    """What a network computes: ``weights`` a token, ``head_weights`` a target, ``pair_width`` a pair of tokens.

    ``asked_pair_width`` is of a layer that is computed at targets alone: a pair of a target and a token it sees.
    """

    weights: int
    head_weights: int
    pair_width: float
    asked_pair_width: float = 0.0

    def operations(self, sizes: Sizes) -> float:
        """Useful operations of the forward and backward pass over so many tokens, targets and seen pairs."""
        products = self.weights * sizes["tokens"] + self.head_weights * sizes["targets"]
        asked = sizes["pairs"] * sizes["targets"] / max(1.0, sizes["tokens"])
        return 6.0 * products + 12.0 * (self.pair_width * sizes["pairs"] + self.asked_pair_width * asked)


class Performance:
    """Figures over the time since the last line; the clock starts anew on every start of the process."""

    def __init__(self, path: Path, *, peak: float) -> None:
        self._path, self._peak = path, peak
        self._process = psutil.Process()
        self._started = self._since = time.perf_counter()
        self._waited = self._operations = 0.0
        self._tokens = self._all_tokens = 0
        self._ended_at: float | None = None

    def begin(self, step: int) -> None:
        """Training goes on from a step: what the file says of later ones is dropped."""
        kept = [row for row in read_jsonl(self._path) if row["step"] <= step] if self._path.is_file() else []
        write_jsonl(kept, self._path)
        self._process.cpu_percent()
        self._started = self._since = time.perf_counter()
        self._ended_at = None

    def step_begins(self) -> None:
        """A batch has come: what passed since the last step was spent waiting for it."""
        if self._ended_at is not None:
            self._waited += time.perf_counter() - self._ended_at

    def step_ends(self, tokens: int, operations: float) -> None:
        """A step over so many tokens is done."""
        self._ended_at = time.perf_counter()
        self._tokens, self._all_tokens = self._tokens + tokens, self._all_tokens + tokens
        self._operations += operations

    @property
    def tokens(self) -> int:
        """Tokens since ``begin``."""
        return self._all_tokens

    def _utilisation(self, passed: float) -> float:
        """In [0, 1]: a device that does more than it did when it was timed, other work beside it, can do that much."""
        self._peak = max(self._peak, self._operations / passed)
        return self._operations / passed / self._peak

    def now(self, steps_done: int, steps_left: int) -> dict[str, float]:
        """Rate and utilisation since the last line, seconds left by the mean since ``begin``."""
        passed = max(1e-9, time.perf_counter() - self._since)
        mean = (time.perf_counter() - self._started) / max(1, steps_done)
        return {
            "tokens_per_second": self._tokens / passed,
            "model_flop_utilisation": self._utilisation(passed),
            "seconds_left": mean * steps_left,
        }

    def line(self, step: int) -> dict[str, float]:
        """Write a line, begin the next, and return the figures."""
        passed = max(1e-9, time.perf_counter() - self._since)
        figures = {
            "tokens_per_second": round(self._tokens / passed, 1),
            "model_flop_utilisation": round(self._utilisation(passed), 4),
            "loader_share": round(self._waited / passed, 4),
            "system/cpu_percent": self._process.cpu_percent(),
            "system/memory_megabytes": round(self._process.memory_info().rss / 2**20, 1),
        }
        if torch.cuda.is_available():
            figures["system/gpu_memory_megabytes"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
        _append(self._path, {"step": step, **figures})
        self._since, self._waited, self._operations, self._tokens = time.perf_counter(), 0.0, 0.0, 0
        return figures


def _append(path: Path, row: Mapping[str, float]) -> None:
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(row, sort_keys=True) + "\n")
