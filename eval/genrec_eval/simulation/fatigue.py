"""How much of the same a user has had of late."""

from __future__ import annotations

from copy import copy

import numpy as np

from genrec_eval.simulation.arrays import Floats, Ints
from genrec_eval.simulation.log import Log


class Fatigue:
    """The load of every user in every category; it halves with time.

    An item shown adds its shares in the categories, liked or not. What an item meets is
    ``log(1 + Σ_c share_c · load_c)``.

    Args:
        users: how many.
        categories: float64 [items, categories], the share of each item in each.
        half_life: days in which a load halves.
    """

    def __init__(self, users: int, categories: Floats, half_life: float) -> None:
        self._categories, self._half_life = categories, half_life
        self._load, self._since = np.zeros((users, categories.shape[1])), np.zeros(users)

    def met(self, users: Ints, items: Ints, days: Floats) -> Floats:
        """Return what items meet if they are shown to users now, float64 [users]; users differ from each other."""
        self._rest(users, days)
        return np.log1p((self._categories[items] * self._load[users]).sum(axis=1))

    def show(self, users: Ints, items: Ints, days: Floats) -> None:
        """Show an item to each of some users, who differ from each other."""
        self._rest(users, days)
        self._load[users] += self._categories[items]

    def twin(self) -> Fatigue:
        """Return the same loads, to be changed apart from these."""
        twin = copy(self)
        twin._load, twin._since = self._load.copy(), self._since.copy()
        return twin

    def _rest(self, users: Ints, days: Floats) -> None:
        self._load[users] *= 0.5 ** ((days - self._since[users]) / self._half_life)[:, None]
        self._since[users] = days


def met_in(log: Log, half_life: float) -> Floats:
    """Return what every row of a log met, float64 [rows]."""
    fatigue = Fatigue(len(log.user_ids), log.categories, half_life)
    sizes, met = np.diff(log.offsets), np.zeros(len(log.items))
    for place in range(int(sizes.max(initial=0))):
        users = np.flatnonzero(sizes > place)
        rows = log.offsets[users] + place
        met[rows] = fatigue.met(users, log.items[rows], log.days[rows])
        fatigue.show(users, log.items[rows], log.days[rows])
    return met
