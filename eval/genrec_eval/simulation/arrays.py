"""Names of the arrays that this package passes around."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def sigmoid(logits: Floats) -> Floats:
    """Return 1 / (1 + exp(−x)), for any x."""
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def logit(shares: Floats) -> Floats:
    """Return log(p / (1 − p)) of shares strictly between 0 and 1."""
    return np.log(shares) - np.log1p(-shares)
