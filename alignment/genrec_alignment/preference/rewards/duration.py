"""The duration-aware reward of OneRec-V2 (arXiv:2508.20900): watched for long, for an item of that length."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec.errors import DataError
from genrec_alignment.preference.rewards.base import Bools, Floats, Ints, Reward, RewardContext, share_of_items

Numbers = npt.NDArray[np.floating]


class DurationReward(Reward):
    """+1 for a target among the batch's best quarter by play time, −1 for one that was disliked, 0 for all else.

    Play times of items of different lengths cannot be compared; so a target's is ranked among the user's own plays
    of items of about its length (see :func:`duration_quantiles`). It is meant for what was really shown: only
    targets have a play time, and a candidate that is none gets 0. A session gets the mean of its items (ours). It
    is an advantage already, not to be normalised.

    A target whose user has no play of such an item before is not known, and gets 0. Above the threshold means above
    it: where more than the best share of a batch have the same highest quantile, none of them gets +1.

    Args:
        durations: float [items], the length of each item in the unit of the play times, by ``item_index``.
        base: of the logarithm that makes the buckets; the paper's value is not known to us.
        best: the share of the batch's targets that gets +1.
    """

    name = "duration"

    def __init__(self, durations: Numbers, base: float = 2.0, best: float = 0.25) -> None:
        if base <= 1 or not 0 < best < 1:
            raise ValueError(f"base must be above 1 and best between 0 and 1, not {base} and {best}")
        self.durations, self.base, self.best = np.asarray(durations, dtype=np.float64), base, best

    def __call__(self, context: RewardContext, items: Ints) -> Floats:
        """Return float32 [requests, candidates], from −1 to 1.

        Raises:
            DataError: if the context has no play times.
        """
        items, values = np.asarray(items), self._of_targets(context)
        of_items = np.zeros(items.shape)
        for at in range(values.shape[1]):
            same = (items == context.padded_targets[:, at, None, None]) & (items >= 0)
            of_items = np.where(same, values[:, at, None, None], of_items)
        return share_of_items(of_items, items)

    def _of_targets(self, context: RewardContext) -> Numbers:
        """Return the value of every target, float [requests, most targets]."""
        quantiles = np.full(context.padded_targets.shape, np.nan)
        for row, found in enumerate(self._quantiles(context)):
            quantiles[row, : len(found)] = found
        disliked = np.zeros(quantiles.shape, dtype=bool)
        for row, flags in enumerate(context.disliked or []):
            disliked[row, : len(flags)] = flags
        return np.where(disliked, -1.0, _above_threshold(quantiles, self.best))

    def _quantiles(self, context: RewardContext) -> list[Numbers]:
        if context.history_values is None or context.target_values is None:
            raise DataError(
                "The duration-aware reward needs how long each item was played, and the log has no values.",
                "Give the log's play time as the column value, or choose another reward.",
            )
        rows = zip(context.histories, context.history_values, context.targets, context.target_values, strict=True)
        return [
            duration_quantiles(self.durations[history], plays, self.durations[targets], times, self.base)
            for history, plays, targets, times in rows
        ]


def duration_quantiles(
    durations: Numbers, plays: Numbers, target_durations: Numbers, target_plays: Numbers, base: float
) -> Numbers:
    """Return where each target's play time stands among one user's plays of items of its bucket, from 0 to 1.

    Buckets are F(d) = ⌊log_base(d + ε)⌋. The quantile is the share of the bucket's plays that are not longer.

    Args:
        durations: float [events], the lengths of the items of the user's history.
        plays: float [events], how long each was played.
        target_durations: float [targets].
        target_plays: float [targets].
        base: of the buckets.

    Returns:
        Float [targets]; NaN where the history has nothing in the bucket or the play time is not known.
    """
    near = _buckets(durations, base) == _buckets(target_durations, base)[:, None]
    near = near & np.isfinite(plays)
    shorter = near & (plays <= np.asarray(target_plays)[:, None])
    counts = near.sum(axis=1)
    known = (counts > 0) & np.isfinite(target_plays)
    return np.where(known, shorter.sum(axis=1) / np.maximum(counts, 1), np.nan)


def _buckets(durations: Numbers, base: float) -> Numbers:
    return np.floor(np.log(np.asarray(durations, dtype=np.float64) + 1e-6) / np.log(base))


def _above_threshold(quantiles: Numbers, best: float) -> Bools:
    """Say which quantiles are above τ_B, the batch's (1 − best) quantile; none of those that are NaN."""
    known = np.isfinite(quantiles)
    if not known.any():
        return known
    return known & (quantiles > np.quantile(quantiles[known], 1 - best))
