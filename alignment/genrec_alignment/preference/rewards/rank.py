"""MiniOneRec's ranking reward (arXiv:2510.24431): the higher a miss stands, the more it costs."""

from __future__ import annotations

import numpy as np

from genrec_alignment.preference.rewards.base import Bools, Floats, Ints, Reward, RewardContext


class RankReward(Reward):
    """In a group with a hit the miss at rank i gets p_i = −(1/log2(i + 2)) / Σ_{j<G} 1/log2(j + 2).

    All else gets 0. Ranks count from 0, and the sum is over all G places, as in the authors' code. A hit's own 1
    comes from :class:`~genrec_alignment.preference.rewards.hit.HitReward`; the method adds the two. A session is a
    hit if any of its items is (ours: the paper has single items).
    """

    name = "rank"

    def __call__(self, context: RewardContext, items: Ints) -> Floats:
        """Return float32 [requests, candidates], from −1 to 0."""
        hit: Bools = np.any(context.hits(items), axis=2)
        weights = 1 / np.log2(np.arange(hit.shape[1]) + 2)
        misses = np.any(hit, axis=1)[:, None] & ~hit & (np.asarray(items)[..., 0] >= 0)
        return np.where(misses, -weights / weights.sum(), 0).astype(np.float32)
