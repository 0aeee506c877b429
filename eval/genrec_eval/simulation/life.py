"""Users who live with a system: visit by visit, all users at once.

In a visit a user gets one list and looks at it item by item. Each is liked or not, adds to the load of its
categories, and may be the last one looked at. Then the user goes and comes back some time later, or not at all.
What a user likes, when they leave and when they return is drawn by user, visit and place: one user's luck does not
hang on who else is there, and is the same under two systems as long as both show the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

from genrec.console import progress_bar
from genrec.data import Dataset
from genrec_eval.simulation.arrays import Bools, Floats, Ints
from genrec_eval.simulation.draws import uniform
from genrec_eval.simulation.fatigue import Fatigue
from genrec_eval.simulation.hazards import stays, times_away
from genrec_eval.simulation.model import UserModel
from genrec_eval.simulation.past import Past, Visit
from genrec_eval.simulation.systems import System

_LIKED, _VALUE = 1, 2  # purposes of draws


@dataclass(frozen=True)
class Period:
    """A stretch of simulated time, in which every user comes at its start.

    Args:
        start: the day it begins.
        days: its length.
        daily: whether users come back once a day, whatever happens; else as the log's law says.
        length: items in a list.
    """

    start: float
    days: float
    daily: bool
    length: int


@dataclass(frozen=True)
class Totals:
    """What every user did in a period; float64 [users] each.

    Args:
        visits: how often they came.
        shown: items they looked at.
        likes: items they liked.
        values: the sum of what the items they looked at were worth, such as seconds watched.
    """

    visits: Floats
    shown: Floats
    likes: Floats
    values: Floats

    @classmethod
    def none(cls, users: int) -> Totals:
        """Return totals to be added to."""
        return cls(*(np.zeros(users) for _ in range(4)))


class Population:
    """The users of a log, from its end on: rested, with the log as their past.

    Args:
        model: how they behave.
        dataset: who they are and what they did.
        seed: of all draws.
    """

    def __init__(self, model: UserModel, dataset: Dataset, seed: int) -> None:
        self._model, self._seed, self._usual = model, seed, model.usual
        categories, tiring = model.response.tastes.categories, model.response.tiring
        self._fatigue = Fatigue(len(dataset.user_ids), categories, tiring.half_life)
        self._count = np.zeros(len(dataset.user_ids), dtype=np.int64)
        self.past = Past.of(dataset)

    def live(self, systems: Sequence[System], arms: Ints, period: Period) -> Totals:
        """Let users live through a period.

        Args:
            systems: what users are shown.
            arms: int [users], the place in ``systems`` of each user's; -1 for users that stay out.
            period: when, how long, and how often.
        """
        totals, due = Totals.none(len(arms)), np.where(arms >= 0, period.start, np.inf)
        stop = period.start + period.days
        with progress_bar() as bar:
            task = bar.add_task(f"{period.days:g} days, user days", total=int((arms >= 0).sum() * period.days))
            while len(present := np.flatnonzero(due < stop)):
                lists = self._lists(systems, arms, present, period.length)
                better = self._visit(present, due[present], lists, totals)
                due[present] += 1.0 if period.daily else self._away(present, better)
                self._count[present] += 1
                bar.update(task, completed=int((due.clip(max=stop) - period.start)[arms >= 0].sum()))
        return totals

    def twin(self) -> Population:
        """Return the same users at the same moment, whose lives go on apart from these."""
        twin = copy(self)
        twin._fatigue, twin._count, twin.past = self._fatigue.twin(), self._count.copy(), self.past.twin()
        return twin

    def _lists(self, systems: Sequence[System], arms: Ints, present: Ints, length: int) -> Ints:
        lists = np.full((len(present), length), -1, dtype=np.int64)
        for arm, system in enumerate(systems):
            rows = np.flatnonzero(arms[present] == arm)
            if len(rows):
                lists[rows] = system.lists(present[rows], self.past, length)
        return lists

    def _visit(self, users: Ints, days: Floats, lists: Ints, totals: Totals) -> Floats:
        """Show lists to users, add up what they do, and return how much better than usual each visit went."""
        liked, values = np.zeros(lists.shape, dtype=bool), np.full(lists.shape, np.nan)
        looked, here = np.zeros(len(users), dtype=np.int64), np.arange(len(users))
        for place in range(lists.shape[1]):
            here = here[lists[here, place] >= 0]
            looked[here] = place + 1
            rows = users[here], lists[here, place], days[here]
            liked[here, place], values[here, place] = self._answers(*rows, place)
            if self._model.leaving is not None:
                better = liked[here, place] - self._usual[rows[0]]
                visit = self._count[rows[0]]
                here = here[stays(self._model.leaving, place + 1, better, self._seed, rows[0], visit)]
        self._remember(users, days, lists, liked, values, looked)
        _add(totals, users, liked, values, looked)
        return (liked.sum(axis=1) - looked * self._usual[users]) / looked.clip(1)

    def _answers(self, users: Ints, items: Ints, days: Floats, place: int) -> tuple[Bools, Floats]:
        response, visit = self._model.response, self._count[users]
        probability = response.probability(users, items, self._fatigue.met(users, items, days))
        liked = uniform(self._seed, _LIKED, users, visit, place) < probability
        self._fatigue.show(users, items, days)
        if response.values is None:
            return liked, np.full(len(users), np.nan)
        return liked, response.values.draw(probability, liked, uniform(self._seed, _VALUE, users, visit, place))

    def _remember(self, users: Ints, days: Floats, lists: Ints, liked: Bools, values: Floats, looked: Ints) -> None:
        for row, (user, day, seen) in enumerate(zip(users, days, looked, strict=True)):
            items = lists[row, :seen].astype(np.int32)
            self.past.add(user, Visit(float(day), items, liked[row, :seen], values[row, :seen]))

    def _away(self, users: Ints, better: Floats) -> Floats:
        returning = self._model.returning
        assert returning is not None, "a log without times has no law of returning: let users come daily"
        return times_away(returning, better, self._seed, users, self._count[users])


def _add(totals: Totals, users: Ints, liked: Bools, values: Floats, looked: Ints) -> None:
    totals.visits[users] += 1
    totals.shown[users] += looked
    totals.likes[users] += liked.sum(axis=1)
    totals.values[users] += np.nansum(values, axis=1)
