"""Systems whose rank is known: in a planted world, an item's appeal grows with its index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from genrec_eval.simulation.arrays import Ints
from genrec_eval.simulation.past import Past


@dataclass(frozen=True)
class Shelf:
    """Shows everybody the same items, from the first, in an order that does not depend on what they had.

    Args:
        items: what is shown, best first.
    """

    items: tuple[int, ...]

    def lists(self, users: Ints, _past: Past, length: int) -> Ints:
        """Return the first items of the shelf for each user."""
        shown = np.full((len(users), length), -1, dtype=np.int64)
        chosen = self.items[:length]
        shown[:, : len(chosen)] = chosen
        return shown


WORST, BEST = Shelf(tuple(range(20))), Shelf(tuple(range(59, 39, -1)))
ONE_KIND, MIXED = Shelf(tuple(range(3, 43, 4))), Shelf(tuple(range(20, 30)))
