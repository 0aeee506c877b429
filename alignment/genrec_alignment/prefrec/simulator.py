"""A small world of users who tire: what they like at once and what brings them back are not the same.

It is a model made up for measuring, not fitted to any log:

- An item has a category, an appeal and a strain. *Bait* has more appeal and strains more; the rest is durable.
- A user has a taste for every category, which nobody sees, and a fatigue of it from 0 to 1.
- A user shown an item clicks with probability σ(taste + appeal − 2 · fatigue of the category).
- An item shown moves the fatigue of its category towards 1 by its strain, clicked or not.
- Fatigue halves every ``recovery`` days.
- After a session the user comes back the next day with probability σ(1 + ½ · mean taste of what was shown − 6 ·
  mean fatigue of what was shown, as it is at the session's end), and otherwise decides again a day later.

So who is shown the favourite category again and again clicks today and stays away tomorrow.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from genrec_alignment.prefrec.memory import Memory
from genrec_alignment.prefrec.steps import Bools, Float32, Float64, Int64, Steps

HALF_LIVES = (0.5, 4.0, 30.0)


class Policy(Protocol):
    """What chooses items: the one with the highest score is shown that the session does not have yet."""

    def __call__(self, states: Float32, rng: np.random.Generator) -> Float64 | Float32:
        """Return scores float [n, items] of states float32 [n, size]; a policy that draws adds Gumbel noise."""
        ...


@dataclass(frozen=True)
class FatigueWorld:
    """The items and the rules of the world; users are drawn anew with every :meth:`run`.

    Args:
        categories: how many.
        items_each: items of a category, every third of them bait.
        session_length: items of a session.
        days: how long the world runs.
        recovery: days in which a fatigue halves.
    """

    categories: int = 8
    items_each: int = 6
    session_length: int = 5
    days: int = 60
    recovery: float = 3.0
    category: Int64 = field(init=False, repr=False)
    bait: Bools = field(init=False, repr=False)

    def __post_init__(self) -> None:
        items = np.arange(self.categories * self.items_each)
        object.__setattr__(self, "category", items // self.items_each)
        object.__setattr__(self, "bait", items % self.items_each % 3 == 0)

    @property
    def vectors(self) -> Float32:
        """What a learner knows of each item: its category, and whether it is bait; float32 [items, dims]."""
        category = np.eye(self.categories, dtype=np.float32)[self.category]
        return np.concatenate([category, self.bait[:, None].astype(np.float32)], axis=1)

    def run(self, policy: Policy, users: int, seed: int) -> Steps:
        """Let new users live with a policy; the same seed gives the same users."""
        rng = np.random.default_rng((seed, 1))
        life = _Life(self, np.random.default_rng((seed, 0)).normal(size=(users, self.categories)))
        days = rng.integers(0, 3, size=users).astype(np.float64)
        while len(present := np.flatnonzero(days < self.days)):
            life.session(policy, present, days[present], rng)
            days[present] += rng.geometric(life.returning(present))
        return life.steps(float(self.days))


class Outcome(NamedTuple):
    """What users did under a policy, on average per user."""

    sessions: float
    clicks: float
    click_rate: float


def outcome(steps: Steps, users: int) -> Outcome:
    """Return how often users came, what they clicked, and the share of what was shown that was clicked."""
    clicks = float(steps.feedback.sum())
    return Outcome((int(steps.sessions[-1]) + 1) / users, clicks / users, clicks / len(steps))


class _Life:
    """The users of one run: hidden tastes and fatigues, the memory that a policy may read, and the log so far."""

    def __init__(self, world: FatigueWorld, tastes: Float64) -> None:
        self._world, self._tastes = world, tastes
        self._fatigue, self._since = np.zeros_like(tastes), np.zeros(len(tastes))
        self._memory = Memory(world.vectors, len(tastes), HALF_LIVES)
        self._shown = np.zeros((len(tastes), world.session_length), dtype=np.int64)
        self._count = np.zeros(len(tastes), dtype=np.int64)
        self._log: list[tuple[Int64, Int64, Int64, Float64, Float32]] = []

    def session(self, policy: Policy, users: Int64, days: Float64, rng: np.random.Generator) -> None:
        """Show every user one session, item by item."""
        world = self._world
        self._fatigue[users] *= 0.5 ** ((days - self._since[users]) / world.recovery)[:, None]
        self._since[users] = days
        had = np.zeros((len(users), len(world.category)), dtype=bool)
        for place in range(world.session_length):
            scores = np.where(had, -np.inf, policy(self._memory.read(users, days), rng))
            items = scores.argmax(axis=1)
            had[np.arange(len(users)), items] = True
            self._shown[users, place] = items
            clicks = self._answer(users, items, rng)
            self._memory.write(users, items, days, clicks)
            self._log.append((users, self._count[users], items, days, clicks))
        self._count[users] += 1

    def _answer(self, users: Int64, items: Int64, rng: np.random.Generator) -> Float32:
        """Return whether users click what they are shown, and tire them."""
        category, bait = self._world.category[items], self._world.bait[items]
        tired = self._fatigue[users, category]
        liking = self._tastes[users, category] + np.where(bait, 1.0, 0.0) - 2 * tired
        self._fatigue[users, category] += (1 - tired) * np.where(bait, 0.5, 0.2)
        return (rng.random(len(users)) < _sigmoid(liking)).astype(np.float32)

    def returning(self, users: Int64) -> Float64:
        """Return the probability that users come back on a day."""
        shown = self._world.category[self._shown[users]]
        taste = np.take_along_axis(self._tastes[users], shown, axis=1).mean(axis=1)
        tired = np.take_along_axis(self._fatigue[users], shown, axis=1).mean(axis=1)
        return _sigmoid(1 + 0.5 * taste - 6 * tired)

    def steps(self, until: float) -> Steps:
        """Return the log, sorted by user and time."""
        users, counts, items, days, clicks = (np.concatenate(part) for part in zip(*self._log, strict=True))
        order = np.argsort(users, kind="stable")
        users, counts = users[order], counts[order]
        new = np.append(True, (np.diff(users) != 0) | (np.diff(counts) != 0))
        return Steps(users, new.cumsum() - 1, items[order], days[order], clicks[order], until)


def _sigmoid(values: Float64) -> Float64:
    return 1 / (1 + np.exp(-values))
