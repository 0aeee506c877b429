"""Novelty: items that few others have chosen."""

from __future__ import annotations

import numpy as np

from genrec_alignment.preference.rewards.base import Floats, Ints, Reward, RewardContext, share_of_items


class NoveltyReward(Reward):
    """The mean self-information −log2 p of a candidate's items, over that of an item that nobody has chosen.

    p is an item's share of the log with one added to every count, so that an item without any has one too. The
    scale from 0 to 1 and the added one are ours.

    Args:
        counts: int [items], how often each item was chosen in the training part, by ``item_index``.
    """

    name = "novelty"

    def __init__(self, counts: Ints) -> None:
        counts = np.asarray(counts)
        if counts.ndim != 1 or (counts < 0).any():
            raise ValueError("counts must be one number an item, none of them negative")
        share = (counts + 1) / (counts.sum() + len(counts))
        most = np.log2(counts.sum() + len(counts))
        self._novelty = -np.log2(share) / (most if most > 0 else 1)

    def __call__(self, context: RewardContext, items: Ints) -> Floats:
        """Return float32 [requests, candidates], from 0 to 1."""
        if len(self._novelty) != len(context.catalogue):
            raise ValueError(f"{len(self._novelty)} counts for {len(context.catalogue)} items")
        return share_of_items(self._novelty[items], items)
