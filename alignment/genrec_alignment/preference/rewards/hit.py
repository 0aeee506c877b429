"""The plainest reward: was it what the person chose?"""

from __future__ import annotations

from genrec_alignment.preference.rewards.base import Floats, Ints, Reward, RewardContext, share_of_items


class HitReward(Reward):
    """The share of a candidate's items that are targets: for one item 1 or 0, MiniOneRec's rule (2510.24431)."""

    name = "hit"

    def __call__(self, context: RewardContext, items: Ints) -> Floats:
        """Return float32 [requests, candidates], from 0 to 1."""
        return share_of_items(context.hits(items), items)
