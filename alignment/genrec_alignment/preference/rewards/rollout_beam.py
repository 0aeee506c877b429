"""OneRec-Think's rollout-beam reward as a reward of candidates: how near each comes to a target."""

from __future__ import annotations

import numpy as np

from genrec_alignment.preference.rewards.base import Floats, Ints, Reward, RewardContext
from genrec_alignment.reasoning.reward import Match, rollout_beam_reward

_NO_CODE = -2  # beside the -1 of no candidate, with which it must not agree


class RolloutBeamReward(Reward):
    """The number of codes that the nearest of a candidate's items shares with the nearest target, 0 to the levels.

    In the paper (arXiv:2510.11639) the items are the beam behind one thought; see
    :func:`genrec_alignment.reasoning.reward.rollout_beam_reward`.

    Args:
        match: ``position`` counts codes that agree wherever they stand; ``prefix`` up to the first that does not.
    """

    name = "rollout_beam"

    def __init__(self, match: Match = "position") -> None:
        self.match = match

    def __call__(self, context: RewardContext, items: Ints) -> Floats:
        """Return float32 [requests, candidates]."""
        codes, items, targets = context.catalogue.codes, np.asarray(items), context.padded_targets
        beams = np.where(items[..., None] >= 0, codes[items], -1)
        wanted = np.where(targets[..., None] >= 0, codes[targets], _NO_CODE)
        rewards = [rollout_beam_reward(beams, wanted[:, None, at], self.match) for at in range(targets.shape[1])]
        return np.max(rewards, axis=0).astype(np.float32)
