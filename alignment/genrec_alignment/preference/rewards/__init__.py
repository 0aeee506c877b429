"""Rewards that are rules: each a small class, called with a context and items, that gives a number a candidate."""

from genrec_alignment.preference.rewards.base import Reward, RewardContext
from genrec_alignment.preference.rewards.diversity import DiversityReward
from genrec_alignment.preference.rewards.duration import DurationReward, duration_quantiles
from genrec_alignment.preference.rewards.hit import HitReward
from genrec_alignment.preference.rewards.legality import LegalityReward
from genrec_alignment.preference.rewards.novelty import NoveltyReward
from genrec_alignment.preference.rewards.rank import RankReward
from genrec_alignment.preference.rewards.rollout_beam import RolloutBeamReward
from genrec_alignment.preference.rewards.weighted import WeightedReward

__all__ = [
    "DiversityReward",
    "DurationReward",
    "HitReward",
    "LegalityReward",
    "NoveltyReward",
    "RankReward",
    "Reward",
    "RewardContext",
    "RolloutBeamReward",
    "WeightedReward",
    "duration_quantiles",
]
