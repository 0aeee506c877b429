"""Diversity: a session whose items differ."""

from __future__ import annotations

import numpy as np

from genrec_alignment.preference.rewards.base import Floats, Ints, Reward, RewardContext
from genrec_eval.metrics.diversity import diversity


class DiversityReward(Reward):
    """The mean distance of a session's pairs of items by their semantic IDs, as ``genrec evaluate`` has it.

    A candidate of one item has no pair, and gets 0.
    """

    name = "diversity"

    def __call__(self, context: RewardContext, items: Ints) -> Floats:
        """Return float32 [requests, candidates], from 0 to 1."""
        requests, candidates, length = np.shape(items)
        found = diversity(np.reshape(items, (-1, length)), context.catalogue.codes, length)
        return np.nan_to_num(found, nan=0.0).astype(np.float32).reshape(requests, candidates)
