"""Whether a round's policy is kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec_alignment.align.config import AcceptSettings
from genrec_alignment.align.measuring import Figures


@dataclass(frozen=True)
class Verdict:
    """What became of a round.

    Args:
        accepted: whether its policy is the one to go on from.
        reasons: why not; empty if it is.
        gains: the rise of each reward model's mean over the policy before, in standard errors.
    """

    accepted: bool
    reasons: tuple[str, ...]
    gains: dict[str, float]


def verdict(now: Figures, before: Figures, first: Figures, settings: AcceptSettings) -> Verdict:
    """Judge a policy on the validation requests.

    Both reward models' means must rise by at least ``least_gain`` standard errors of the paired differences, and
    neither recall nor NDCG may fall by more than ``tolerance`` of the first policy's. Compared with the first one,
    because small losses add up over rounds.

    Args:
        now: the policy of the round.
        before: the policy that it was trained from.
        first: the policy that the alignment began with.
        settings: the limits.
    """
    reasons, gains = [], {}
    for name, who in (("model", "the reward model"), ("judge", "the judge")):
        change = now.requests[name].to_numpy() - before.requests[name].to_numpy()
        gains[name] = in_errors(change)
        if not change.mean() > 0 or gains[name] < settings.least_gain:
            reasons.append(
                f"{who} gives {now.summary[f'{name}_mean']:.4f}, before {before.summary[f'{name}_mean']:.4f} "
                f"({gains[name]:+.1f} standard errors, {settings.least_gain:g} needed)"
            )
    for name, title in (("recall", "recall"), ("ndcg", "NDCG")):
        least = (1 - settings.tolerance) * first.summary[name]
        if now.summary[name] < least:
            reasons.append(f"{title} fell to {now.summary[name]:.4f}, below {least:.4f}")
    return Verdict(not reasons, tuple(reasons), gains)


def in_errors(change: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Return the mean of paired differences in its standard errors; 0 where nothing changed, ± infinity never."""
    if len(change) < 2 or not np.any(change):
        return 0.0
    error = change.std(ddof=1) / np.sqrt(len(change))
    return round(float(change.mean() / max(error, np.finfo(np.float64).tiny * len(change) + 1e-12)), 2)
