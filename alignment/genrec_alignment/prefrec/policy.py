"""Policies: how they are asked, and how one is made of a critic's advantages."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from genrec_alignment.prefrec.network import ItemScores
from genrec_alignment.prefrec.steps import Float32, Float64


def advantage_weighted_loss(log_probabilities: Tensor, advantages: Tensor, beta: float, most: float) -> Tensor:
    """Return −min(exp(β A), most) · log π(a | s) of each step, float [n].

    What was better than expected counts more; with β = 0 the log is imitated.

    Args:
        log_probabilities: float [n], of what was shown.
        advantages: float [n], Q(s, a) − V(s), without gradients.
        beta: how much an advantage weighs.
        most: the greatest weight.
    """
    return -(beta * advantages).exp().clamp(max=most) * log_probabilities


class NetworkPolicy:
    """Shows the items that a network scores highest.

    Args:
        network: scores items.
        draws: draw from the softmax of the scores instead.
    """

    def __init__(self, network: ItemScores, draws: bool = False) -> None:
        self.network, self.draws = network, draws

    def __call__(self, states: Float32, rng: np.random.Generator) -> Float64 | Float32:
        """Return scores float [n, items]; see :class:`~genrec_alignment.prefrec.simulator.Policy`."""
        with torch.no_grad():
            scores = self.network.all_items(torch.from_numpy(states)).numpy()
        return scores + rng.gumbel(size=scores.shape) if self.draws else scores


class RandomPolicy:
    """Shows anything.

    Args:
        items: how many there are.
    """

    def __init__(self, items: int) -> None:
        self.items = items

    def __call__(self, states: Float32, rng: np.random.Generator) -> Float64 | Float32:
        """Return scores float [n, items]."""
        return rng.gumbel(size=(len(states), self.items))
