"""The network at work: whole numbers of eight bits in, exact sums, the same scores on every machine.

Every product and sum stays below 2**24 in magnitude, which single precision holds exactly; so the result does not
depend on the order in which a BLAS adds, on the number of threads, or on which texts share a batch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SIDE = 2
LEVELS = 127
EMBEDDING_LIMIT = 4.0
HIDDEN_LIMIT = 6.0


@dataclass(frozen=True)
class Layer:
    """Whole-number weights (inputs, outputs) and biases, and the factor that takes a sum to the next layer's levels."""

    weights: Floats
    biases: Floats
    factors: Floats

    def sums(self, inputs: Floats) -> Floats:
        """Exact whole numbers, as single precision."""
        return np.asarray(inputs @ self.weights + self.biases, dtype=np.float32)


def activate(sums: Floats, factors: Floats) -> Floats:
    """Levels 0 to 127 of a hidden layer."""
    scaled = sums * factors
    np.rint(scaled, out=scaled)
    np.clip(scaled, 0, LEVELS, out=scaled)
    return scaled


def quantise(weights: Floats, biases: Floats, *, in_step: float, out_step: float) -> Layer:
    """A float layer as whole numbers, each output with its own step.

    ``in_step`` is what one level of the inputs is worth, ``out_step`` what one level of the outputs is.
    """
    steps = np.maximum(np.abs(weights).max(axis=0), 1e-8) / LEVELS
    whole = np.rint(weights / steps)
    return Layer(
        whole.astype(np.float32),
        np.rint(biases / (steps * in_step)).astype(np.float32),
        (steps * in_step / out_step).astype(np.float32),
    )
