"""Ratings or seconds watched, drawn from what the log holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec_eval.simulation.arrays import Bools, Floats, Ints

_PARTS = 10


@dataclass(frozen=True)
class Values:
    """The log's values by answer and by tenth of the probability, to be drawn from.

    Every value drawn has occurred. Its mean depends on the answer and on how likely it was, in ten steps.

    Args:
        edges: float64 [9], between the tenths of the training rows' probabilities.
        pool: float64 [rows], the values, tenth by tenth, first of what was not liked, then of likes.
        offsets: int64 [21]; tenth t of answer y begins at ``offsets[10 y + t]`` of the pool.
    """

    edges: Floats
    pool: Floats
    offsets: Ints

    @classmethod
    def fit(cls, probabilities: Floats, liked: Bools, values: Floats) -> Values | None:
        """Sort values into the pool; None if there are none. NaN is left out.

        Where no row of an answer fell into a tenth, all values of that answer stand in for it.
        """
        kept = ~np.isnan(values)
        if not kept.any():
            return None
        edges = np.quantile(probabilities[kept], np.arange(1, _PARTS) / _PARTS)
        tenth = np.searchsorted(edges, probabilities[kept], side="right")
        parts = []
        for answer in (False, True):
            of = liked[kept] == answer
            every = values[kept][of]
            for at in range(_PARTS):
                found = values[kept][of & (tenth == at)]
                parts.append(found if len(found) else every if len(every) else np.zeros(1))
        offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])])
        return cls(edges, np.concatenate(parts), offsets.astype(np.int64))

    def draw(self, probabilities: Floats, liked: Bools, luck: Floats) -> Floats:
        """Return a value for each answer, float64 [answers].

        Args:
            probabilities: float64 [answers], of a like.
            liked: bool [answers].
            luck: float64 [answers], from 0 up to 1.
        """
        part = np.searchsorted(self.edges, probabilities, side="right") + _PARTS * liked
        low, high = self.offsets[part], self.offsets[part + 1]
        return self.pool[low + np.floor(luck * (high - low)).astype(np.int64)]
