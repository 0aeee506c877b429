"""Several rewards as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genrec_alignment.preference.rewards.base import Floats, Ints, Reward, RewardContext


class WeightedReward(Reward):
    """The weighted sum of rewards.

    Args:
        parts: each reward with its weight; a negative one is a cost.
    """

    name = "weighted"

    def __init__(self, parts: Sequence[tuple[float, Reward]]) -> None:
        if not parts or not np.isfinite([weight for weight, _ in parts]).all():
            raise ValueError("a weighted reward needs at least one part, and finite weights")
        self.parts = tuple(parts)

    def __call__(self, context: RewardContext, items: Ints) -> Floats:
        """Return float32 [requests, candidates]."""
        summed = sum(weight * reward(context, items).astype(np.float64) for weight, reward in self.parts)
        return np.asarray(summed, dtype=np.float32)
