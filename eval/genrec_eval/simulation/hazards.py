"""When users leave and when they come back: the chance of it step by step, with steps of the same bin alike.

    logit P(now | not before) = a_bin + b · (how much better than usual it was)

This is Cox's logistic model of survival in discrete time (1972): nothing is assumed of the shape over time, and who
was still there, or away, when the log ends counts as long as it was seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec_eval.simulation.arrays import Bools, Floats, Ints, sigmoid
from genrec_eval.simulation.draws import uniform
from genrec_eval.simulation.logistic import fit_logistic
from genrec_eval.simulation.visits import Visits

_LEAVE, _RETURN, _WHEN = 11, 12, 13  # purposes of draws


@dataclass(frozen=True)
class Hazard:
    """Chances by bin.

    Args:
        edges: float64 [bins], where each bin begins.
        logits: float64 [bins].
        weight: of how much better than usual it was, in the log.
        error: its standard error.
        used: the weight that is simulated: what the log shows if it does, else 0, or what was assumed.
        assumed: whether it was set by hand.
    """

    edges: Floats
    logits: Floats
    weight: float
    error: float
    used: float
    assumed: bool = False

    def chance(self, bins: Ints, better: Floats) -> Floats:
        """Return P(now) in some bins, float64 like ``bins``."""
        return sigmoid(self.logits[bins] + self.used * better)


def fit_leaving(visits: Visits, better: Floats) -> Hazard:
    """Fit the chance to leave after an item, by its place in the visit and how much it was liked.

    Args:
        visits: some visits.
        better: float64 [rows of the log], as :func:`~genrec_eval.simulation.visits.surprises` returns it.
    """
    rows, sizes = visits.rows(), visits.stops - visits.starts
    place = rows - np.repeat(visits.starts, sizes) + 1
    last = (place == np.repeat(sizes, sizes)) & np.repeat(visits.ended, sizes)
    edges = _doubling(1.0, float(place.max(initial=1)))
    return _fit(edges, _bin(edges, place), better[rows], last, np.repeat(visits.users, sizes), None)


def fit_returning(visits: Visits, better: Floats, pause: float, assumed: float | None = None) -> Hazard:
    """Fit the chance to come back, by how long a user has been away and how the last visit went.

    Args:
        visits: some visits.
        better: float64 [visits], the mean of the visit's surprises.
        pause: days, the shortest time away.
        assumed: an effect of the visit to be used instead of the log's.
    """
    edges = _doubling(pause, float(visits.away.max(initial=pause)) / 2)
    until = 2 * edges
    seen = np.where(visits.returned[:, None], visits.away[:, None] >= edges, visits.away[:, None] >= until)
    visit, bins = np.nonzero(seen & visits.ended[:, None])
    back = visits.returned[visit] & (visits.away[visit] < until[bins])
    return _fit(edges, bins, better[visit], back, visits.users[visit], assumed)


def stays(leaving: Hazard, place: int, better: Floats, seed: int, users: Ints, visit: Ints) -> Bools:
    """Draw whether users go on after the item at a place, counted from 1; bool [users]."""
    bins = _bin(leaving.edges, np.full(len(users), float(place)))
    return uniform(seed, _LEAVE, users, visit, place) >= leaving.chance(bins, better)


def times_away(returning: Hazard, better: Floats, seed: int, users: Ints, visit: Ints) -> Floats:
    """Draw days until users come back, float64 [users]; inf for who does not in the time that the log covers."""
    away = np.full(len(users), np.inf)
    for at in range(len(returning.edges)):
        waiting = np.isinf(away)
        back = waiting & (
            uniform(seed, _RETURN, users, visit, at) < returning.chance(np.full(len(users), at), better)
        )
        when = uniform(seed, _WHEN, users[back], visit[back])
        away[back] = returning.edges[at] * 2.0**when  # bins double, and within one all magnitudes are alike
    return away


def _doubling(first: float, most: float) -> Floats:
    """Return the edges first, 2 first, 4 first, … up to ``most``."""
    doublings = np.arange(1 + int(np.log2(max(1.0, most / first))))
    return first * np.exp2(doublings.astype(np.float64))


def _bin(edges: Floats, values: Floats | Ints) -> Ints:
    return (np.searchsorted(edges, values, side="right") - 1).clip(0)


def _fit(edges: Floats, bins: Ints, better: Floats, event: Bools, users: Ints, assumed: float | None) -> Hazard:
    members = (bins[:, None] == np.arange(len(edges))).astype(np.float64)
    model = fit_logistic(np.column_stack([members, better]), event, users)
    weight, error = float(model.weights[-1]), float(model.errors[-1])
    used = (weight if model.shows(len(edges)) else 0.0) if assumed is None else assumed
    logits = model.weights[:-1] if used == weight else fit_logistic(members, event, users, used * better).weights
    return Hazard(edges, logits, weight, error, used, assumed is not None)
