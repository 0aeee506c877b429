"""A planted contextual bandit, whose every expectation is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
KINDS, ACTIONS = 3, 4


class World(NamedTuple):
    """Contexts are of a few kinds; tables are [kinds, actions]."""

    means: Floats
    logging: Floats
    target: Floats

    @property
    def value(self) -> float:
        """What the target policy earns, kinds being equally frequent."""
        return float((self.target * self.means).sum(axis=1).mean())


class Draw(NamedTuple):
    """A log of the world: the kind of each context, what was shown, what it earned."""

    kinds: npt.NDArray[np.int64]
    actions: npt.NDArray[np.int64]
    rewards: Floats


def world(seed: int = 0) -> World:
    rng = np.random.default_rng(seed)
    means = rng.uniform(0.05, 0.9, (KINDS, ACTIONS))
    logging, target = (rng.dirichlet(np.full(ACTIONS, 2.0), KINDS) + 0.05 for _ in range(2))
    return World(means, logging / logging.sum(axis=1, keepdims=True), target / target.sum(axis=1, keepdims=True))


def draw(planted: World, rows: int, rng: np.random.Generator) -> Draw:
    """Return rows of the world under its logging policy."""
    kinds = rng.integers(0, KINDS, rows)
    edges = planted.logging[kinds].cumsum(axis=1)
    actions = np.minimum((edges < rng.random((rows, 1))).sum(axis=1), ACTIONS - 1)
    return Draw(kinds, actions, (rng.random(rows) < planted.means[kinds, actions]).astype(float))
