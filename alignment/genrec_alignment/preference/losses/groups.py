"""Advantages within a group: what GRPO (arXiv:2402.03300) and ECPO (arXiv:2506.13695) have in place of a value."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Advantages(NamedTuple):
    """Advantages of a batch of groups.

    Args:
        values: float [batch, group].
        equal: bool [batch], the groups that have nothing to teach: all their rewards are equal, or they have fewer
            than two candidates.
    """

    values: Tensor
    equal: Tensor

    @property
    def skipped(self) -> int:
        """How many groups have nothing to teach."""
        return int(self.equal.sum())


def group_advantages(rewards: Tensor, real: Tensor | None = None) -> Advantages:
    """Return A = (r − mean) / std within each group; 0 for all of a group whose rewards are equal.

    The deviation is the population's, with nothing added to it: equal rewards are recognised as such instead.
    (TRL has the sample's, and adds 1e-4.)

    Args:
        rewards: float [batch, group].
        real: bool of the same shape, False where there is no candidate; its advantage is 0.

    Raises:
        ValueError: if a reward that counts is not finite.
    """
    real = torch.ones_like(rewards, dtype=torch.bool) if real is None else real
    if not bool(rewards[real].isfinite().all()):
        raise ValueError("a reward is not a finite number")
    rewards, count = rewards.masked_fill(~real, 0), real.sum(dim=1, keepdim=True).clamp(min=1)
    highest = rewards.masked_fill(~real, -torch.inf).amax(dim=1)
    lowest = rewards.masked_fill(~real, torch.inf).amin(dim=1)
    equal = highest <= lowest  # also where there is no candidate
    apart = (rewards - rewards.sum(dim=1, keepdim=True) / count).masked_fill(~real, 0)
    deviation = (apart.square().sum(dim=1, keepdim=True) / count).sqrt()
    # Equal rewards may have a tiny deviation of rounding, which must not become an advantage.
    return Advantages((apart / deviation.masked_fill(equal[:, None], 1)).masked_fill(equal[:, None], 0), equal)


def only_real(values: Tensor, real: Tensor | None) -> Tensor:
    """Return values [batch, group] with 0 where there is no candidate, so that no gradient comes from there."""
    return values if real is None else values.masked_fill(~real, 0)


def mean_over_groups(values: Tensor, real: Tensor | None) -> Tensor:
    """Return the mean of each group's values, float [batch]; 0 of a group without candidates."""
    if real is None:
        return values.mean(dim=1)
    return values.masked_fill(~real, 0).sum(dim=1) / real.sum(dim=1).clamp(min=1)
