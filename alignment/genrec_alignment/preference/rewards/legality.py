"""The format reward of the OneRec technical report (arXiv:2506.13695)."""

from __future__ import annotations

import numpy as np

from genrec_alignment.preference.rewards.base import Floats, Ints, Reward, RewardContext


class LegalityReward(Reward):
    """Of a request's candidates some are chosen at random; of these the legal ones get 1, all else gets 0.

    At random, because the most probable ones are legal before long whatever the others are: rewarding those alone
    was hacked, says the report. Its numbers are 5 of 128. It takes what this returns as the advantage itself, so
    that a candidate with 0 teaches nothing. Candidates of a search within the catalogue are all legal.

    Args:
        chosen: how many candidates of a request are looked at.
    """

    name = "legality"

    def __init__(self, chosen: int = 5) -> None:
        if chosen < 1:
            raise ValueError(f"chosen is {chosen}, but must be at least 1")
        self.chosen = chosen

    def __call__(self, context: RewardContext, items: Ints) -> Floats:
        """Return float32 [requests, candidates]; -1 stands for what is no item, anywhere in a candidate."""
        legal = (np.asarray(items) >= 0).all(axis=2)
        order = np.random.default_rng(context.seed).random(legal.shape).argsort(axis=1)
        looked_at = np.zeros_like(legal)
        np.put_along_axis(looked_at, order[:, : self.chosen], True, axis=1)
        return (legal & looked_at).astype(np.float32)
