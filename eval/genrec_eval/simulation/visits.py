"""Visits of a log: stretches of a user's interactions without a long pause, and what came after each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec_eval.simulation.arrays import Bools, Floats, Ints
from genrec_eval.simulation.log import Log


@dataclass(frozen=True)
class Visits:
    """Visits in the order of the log.

    Args:
        users: int64 [visits].
        starts: int64 [visits], the first row of each.
        stops: int64 [visits], the row after its last.
        away: float64 [visits], days until the user's next visit; for the last one, until the log ends.
        returned: bool [visits], whether there was a next one.
        ended: bool [visits], whether the pause was long enough to know that the visit was over.
    """

    users: Ints
    starts: Ints
    stops: Ints
    away: Floats
    returned: Bools
    ended: Bools

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, chosen: Bools) -> Visits:
        """Return some of the visits."""
        return Visits(
            self.users[chosen],
            self.starts[chosen],
            self.stops[chosen],
            self.away[chosen],
            self.returned[chosen],
            self.ended[chosen],
        )

    def rows(self) -> Ints:
        """Return the rows of all visits, one visit after the other."""
        sizes = self.stops - self.starts
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return np.repeat(self.starts, sizes) + within


def visits_of(log: Log, pause: float) -> Visits:
    """Cut a log that has times into visits.

    Args:
        log: the log.
        pause: days; a longer pause ends a visit.
    """
    new = np.diff(log.users, prepend=-1) != 0
    new |= np.diff(log.days, prepend=0.0) > pause
    starts = np.flatnonzero(new)
    stops = np.append(starts[1:], len(log.days))
    users, end = log.users[starts], log.days.max(initial=0.0)
    returned = np.append(users[1:] == users[:-1], False)
    until = np.where(returned, log.days[np.append(starts[1:], 0)], end)
    away = until - log.days[stops - 1]
    return Visits(users, starts, stops, away, returned, returned | (away > pause))


def surprises(log: Log, usual: Floats) -> Floats:
    """Return how much better than usual each row was, its answer minus the user's usual share; 0 where not known.

    Args:
        log: the log.
        usual: float64 [users].
    """
    return np.where(log.known, log.liked - usual[log.users], 0.0)


def mean_of(visits: Visits, column: Floats) -> Floats:
    """Return the mean of a column of the log over each visit, float64 [visits]."""
    totals = np.concatenate([[0.0], np.cumsum(column)])
    return (totals[visits.stops] - totals[visits.starts]) / (visits.stops - visits.starts)
