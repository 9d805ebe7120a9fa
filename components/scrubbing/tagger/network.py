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
# The second layer looks at every second, so that a handful of weights sees six tokens to each side.
DILATION = 2
REACH = SIDE + SIDE * DILATION
LEVELS = 127
EMBEDDING_LIMIT = 4.0
HIDDEN_LIMIT = 6.0
_BLOCK = 1024


@dataclass(frozen=True)
class Layer:
    """Whole-number weights (inputs, outputs) and biases, and the factor that takes a sum to the next layer's levels."""

    weights: Floats
    biases: Floats
    factors: Floats

    def sums(self, inputs: Floats) -> Floats:
        """Exact whole numbers, as single precision."""
        return np.asarray(inputs @ self.weights + self.biases, dtype=np.float32)


def convolve(values_ND: Floats, around_MK: NDArray[np.int64], layer: Layer) -> Floats:
    """Levels 0 to 127 (M, outputs) of a hidden layer over windows of rows, ``around_MK`` the rows of each window.

    A block at a time, so that what is written last is still in the cache when it is read.
    """
    levels_MH = np.empty((len(around_MK), layer.weights.shape[1]), dtype=np.float32)
    inputs = np.empty((_BLOCK, around_MK.shape[1], values_ND.shape[1]), dtype=np.float32)
    for start in range(0, len(around_MK), _BLOCK):
        around_BK = around_MK[start : start + _BLOCK]
        window_BKD = np.take(values_ND, around_BK, axis=0, out=inputs[: len(around_BK)], mode="clip")
        block_BH = levels_MH[start : start + _BLOCK]
        np.matmul(window_BKD.reshape(len(around_BK), -1), layer.weights, out=block_BH)
        block_BH += layer.biases
        block_BH *= layer.factors
        np.rint(block_BH, out=block_BH)
        np.maximum(block_BH, 0, out=block_BH)
        np.minimum(block_BH, LEVELS, out=block_BH)
    return levels_MH


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
