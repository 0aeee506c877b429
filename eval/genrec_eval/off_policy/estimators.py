"""Estimators of a policy's value from a log of single actions (or of actions at positions).

With weights ``w = π_target(a | x) / π_logging(a | x)``, rewards r, and a reward model's q and
``v = Σ_a π_target(a | x) q(x, a)``:

    IPS             mean of w r                                   Horvitz and Thompson, 1952
    SNIPS           Σ w r / Σ w                                   Swaminathan and Joachims, 2015
    direct method   mean of v
    doubly robust   mean of v + w (r - q)                         Dudík, Langford and Li, 2011

IPS is unbiased if the logged propensities are right; doubly robust if they are, or the reward model is, and the
model was not fitted to the same rows. Intervals are normal approximations of a mean over independent rows. That of
SNIPS is by the delta method. That of the direct method says nothing of how wrong the model is.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from genrec.errors import ConfigError, DataError
from genrec_eval.off_policy.checks import Floats
from genrec_eval.off_policy.log import BanditLog

_LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A policy's value.

    Args:
        estimator: its name.
        value: the mean reward that the policy is estimated to earn.
        low: of the interval.
        high: of the interval.
        effective_rows: ``(Σ w)² / Σ w²``, how many rows of equal weight are as good; all of them without weights.
        rows: of the log.
        clipped: the share of rows whose weight was cut to ``max_weight``.
    """

    estimator: str
    value: float
    low: float
    high: float
    effective_rows: float
    rows: int
    clipped: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def ips(log: BanditLog, *, max_weight: float | None = None, level: float = _LEVEL) -> Estimate:
    """Return the inverse propensity estimate.

    Args:
        log: the log.
        max_weight: cuts larger weights, which trades variance for bias; None cuts none.
        level: of the interval.
    """
    weights, clipped = _weights(log, max_weight)
    return of_terms("ips", weights * log.rewards, weights, clipped, level)


def snips(log: BanditLog, *, max_weight: float | None = None, level: float = _LEVEL) -> Estimate:
    """Return the self-normalised inverse propensity estimate, which always lies within the rewards.

    Raises:
        DataError: if the target policy never shows what was shown, so that all weights are 0.
    """
    weights, clipped = _weights(log, max_weight)
    total = weights.mean()
    if total == 0:
        raise DataError("The target policy shows nothing of what was shown: every weight is 0.")
    value = float((weights * log.rewards).mean() / total)
    return of_terms("snips", value + weights * (log.rewards - value) / total, weights, clipped, level, value)


def direct_method(log: BanditLog, *, level: float = _LEVEL) -> Estimate:
    """Return what the reward model says that the policy earns."""
    _, values = _model(log)
    return of_terms("direct_method", values, np.ones(len(log)), 0.0, level)


def doubly_robust(log: BanditLog, *, max_weight: float | None = None, level: float = _LEVEL) -> Estimate:
    """Return the reward model's estimate, corrected by the weighted errors it makes on what was shown."""
    guessed, values = _model(log)
    weights, clipped = _weights(log, max_weight)
    return of_terms("doubly_robust", values + weights * (log.rewards - guessed), weights, clipped, level)


def estimate_all(log: BanditLog, *, max_weight: float | None = None, level: float = _LEVEL) -> list[Estimate]:
    """Return every estimate that the log's columns allow: without a reward model, IPS and SNIPS."""
    found = [ips(log, max_weight=max_weight, level=level), snips(log, max_weight=max_weight, level=level)]
    if log.estimated_values is not None:
        found += [direct_method(log, level=level), doubly_robust(log, max_weight=max_weight, level=level)]
    return found


def of_terms(
    estimator: str,
    terms: Floats,
    weights: Floats,
    clipped: float,
    level: float,
    value: float | None = None,
) -> Estimate:
    """Return an estimate that is the mean of independent terms, with the interval of that mean.

    Args:
        estimator: its name.
        terms: float64 [rows].
        weights: float64 [rows], for the effective number of rows.
        clipped: the share of weights that were cut.
        level: of the interval, between 0 and 1.
        value: the estimate, where it is known without the rounding of a mean.

    Raises:
        ConfigError: if the level is none.
    """
    if not 0 < level < 1:
        raise ConfigError(f"The level of an interval is between 0 and 1, not {level}.")
    value = float(terms.mean()) if value is None else value
    error = float(terms.std(ddof=1)) / np.sqrt(len(terms)) if len(terms) > 1 else np.inf
    reach = NormalDist().inv_cdf((1 + level) / 2) * float(error)
    squares = float(np.square(weights).sum())
    effective = float(weights.sum()) ** 2 / squares if squares else 0.0
    return Estimate(estimator, value, value - reach, value + reach, effective, len(terms), clipped)


def _weights(log: BanditLog, most: float | None) -> tuple[Floats, float]:
    if most is None:
        return log.weights, 0.0
    if not most > 0:
        raise ConfigError(f"max_weight is {most}, but must be above 0.")
    return np.minimum(log.weights, most), float((log.weights > most).mean())


def _model(log: BanditLog) -> tuple[Floats, Floats]:
    if log.estimated_rewards is None or log.estimated_values is None:
        raise DataError(
            "The direct method and doubly robust need a reward model, and the log has no estimates.",
            "Give estimated_rewards and estimated_values, or use ips or snips.",
        )
    return log.estimated_rewards, log.estimated_values
