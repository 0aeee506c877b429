"""What a reward model says of lists: the mean and the best of each."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class ListRewards(NamedTuple):
    """Means over lists that hold anything at all.

    Args:
        mean: of the mean reward of each list.
        max: of the highest reward of each list.
    """

    mean: float
    max: float


def list_rewards(rewards: npt.ArrayLike, items: npt.ArrayLike, k: int) -> ListRewards:
    """Return the mean and the highest reward among the first k of each list, as means over lists.

    The two figures by which OneRec compares policies (arXiv:2502.18965): the mean says what a user gets from the
    whole list, the highest what the best of several candidates would give. The highest grows with k alone, so only
    lists of equal length compare. The rewards are a model's: see ``genrec reward`` for how far it can be believed.

    Args:
        rewards: float [lists, k or more], of the item at each place, for the list's user.
        items: int64 of the same shape, ``item_index``; places with -1, and sequences that are no item (below 0), do
            not count, whatever their reward.
        k: the cut-off. A list shorter than k is taken as it is; one with nothing in it is left out.

    Raises:
        ValueError: if the shapes differ, k < 1, a reward that counts is not finite, or all lists are empty.
    """
    places, values = np.asarray(items), np.asarray(rewards, dtype=np.float64)
    if places.shape != values.shape or places.ndim != 2:
        raise ValueError(f"rewards {values.shape} and items {places.shape} must both be [lists, k]")
    if k < 1:
        raise ValueError(f"k is {k}, but must be at least 1")
    filled, values = places[:, :k] >= 0, values[:, :k]
    filled, values = filled[filled.any(axis=1)], values[filled.any(axis=1)]
    if not len(filled):
        raise ValueError("the mean over no lists is undefined")
    if not np.isfinite(values[filled]).all():
        raise ValueError("a reward is not finite")
    means = np.where(filled, values, 0.0).sum(axis=1) / filled.sum(axis=1)
    return ListRewards(float(means.mean()), float(np.where(filled, values, -np.inf).max(axis=1).mean()))
