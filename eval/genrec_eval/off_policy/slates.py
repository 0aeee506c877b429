"""A policy's value from a log of lists, under three assumptions about how the places influence each other.

    independent  a place's reward depends on its own item and place (Li et al., KDD 2018: the item-position model)
    cascade      … on the items down to it (McInerney et al., KDD 2020: reward interaction)
    standard     … on the whole list

The weaker the assumption, the more factors a weight has, and the more it varies.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from genrec.errors import ConfigError, DataError
from genrec_eval.off_policy.checks import Floats, as_columns, not_finite, rows_where, wrong_propensities
from genrec_eval.off_policy.estimators import Estimate, of_terms

Interaction = Literal["independent", "cascade", "standard"]


@dataclass(frozen=True)
class SlateLog:
    """A checked log of lists, one row a place; make one with :meth:`of`.

    Args:
        slates: int64 [rows], which list a row is of, 0 to lists − 1; rows are sorted by list and place.
        rewards: float64 [rows].
        weights: float64 [rows], target propensity over propensity of a row's item.
    """

    slates: npt.NDArray[np.int64]
    rewards: Floats
    weights: Floats

    @classmethod
    def of(
        cls,
        slates: npt.ArrayLike,
        positions: npt.ArrayLike,
        rewards: npt.ArrayLike,
        propensities: npt.ArrayLike,
        target_propensities: npt.ArrayLike,
    ) -> SlateLog:
        """Check the columns of a log, in any order of rows.

        Propensities are those of a row's item at its place: for ``independent`` whatever else is in the list, for
        ``cascade`` and ``standard`` given the items above it, so that their product is the list's.

        Raises:
            DataError: naming everything that is wrong.
        """
        which = np.asarray(slates)
        columns = as_columns(
            {
                "positions": positions,
                "rewards": rewards,
                "propensities": propensities,
                "target_propensities": target_propensities,
            }
        )
        problems = [
            *not_finite(columns),
            *wrong_propensities("propensities", columns["propensities"], zero_allowed=False),
            *wrong_propensities("target_propensities", columns["target_propensities"], zero_allowed=True),
        ]
        if which.shape != columns["rewards"].shape:
            problems.append(f"slates has the shape {which.shape}, but must be one a row.")
        if problems:
            raise DataError(problems)
        _, of = np.unique(which, return_inverse=True)
        order = np.lexsort((columns["positions"], of))
        of, places = of[order].astype(np.int64), columns["positions"][order]
        twice = np.concatenate([[False], (of[1:] == of[:-1]) & (places[1:] == places[:-1])])
        if problems := rows_where(twice[np.argsort(order)], "A place stands twice in one list"):
            raise DataError(problems)
        weights = (columns["target_propensities"] / columns["propensities"])[order]
        return cls(of, columns["rewards"][order], weights)


def slate_ips(log: SlateLog, interaction: Interaction = "independent", *, level: float = 0.95) -> Estimate:
    """Return the mean over lists of the weighted sum of a list's rewards.

    The effective number of rows is that of the rows' weights; the interval is over lists.

    Raises:
        ConfigError: if the interaction is none of the three.
    """
    if interaction not in get_args(Interaction):
        raise ConfigError(f"interaction is {interaction!r}, but must be one of {', '.join(get_args(Interaction))}.")
    weights = _weights(log, interaction)
    terms = np.bincount(log.slates, weights=weights * log.rewards).astype(np.float64)
    whole = of_terms(f"slate_ips, {interaction}", terms, np.ones(len(terms)), 0.0, level)
    rows = of_terms("", weights, weights, 0.0, level)
    return Estimate(whole.estimator, whole.value, whole.low, whole.high, rows.effective_rows, len(log.rewards))


def _weights(log: SlateLog, interaction: Interaction) -> Floats:
    """Return each row's own weight, the product down to it, or that of its whole list."""
    if interaction == "independent":
        return log.weights
    starts = np.flatnonzero(np.diff(log.slates, prepend=-1))
    lists = np.split(log.weights, starts[1:])
    if interaction == "cascade":
        return np.concatenate([np.cumprod(weights) for weights in lists])
    return np.concatenate([np.full(len(weights), weights.prod()) for weights in lists])
