"""Losses of preference optimisation: functions of log-probabilities [batch, candidates], one method a file."""

from genrec_alignment.preference.losses.dpo import dpo_loss
from genrec_alignment.preference.losses.ecpo import ecpo_loss, ecpo_ratio
from genrec_alignment.preference.losses.gbpo import gbpo_loss, gbpo_old
from genrec_alignment.preference.losses.groups import Advantages, group_advantages, mean_over_groups
from genrec_alignment.preference.losses.softmax_dpo import implicit_rewards, softmax_dpo_loss

__all__ = [
    "Advantages",
    "dpo_loss",
    "ecpo_loss",
    "ecpo_ratio",
    "gbpo_loss",
    "gbpo_old",
    "group_advantages",
    "implicit_rewards",
    "mean_over_groups",
    "softmax_dpo_loss",
]
