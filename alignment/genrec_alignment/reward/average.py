"""The item average: the share of a log's rows that count, item by item, which knows nothing of the user.

A reward model is for ordering what *one* user might be shown. If it does that no better than this, it has learned
what is good for everybody, and a policy that follows it becomes a list of favourites.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genrec_alignment.reward.labels import Labels
from genrec_alignment.reward.sessions import Pieces

_PRIOR = 5.0  # rows by which an item's share is drawn towards that of all


@dataclass(frozen=True)
class ItemAverage:
    """Predicts a session by the mean share of its items.

    Args:
        shares: float [items, objectives].
    """

    shares: npt.NDArray[np.float64]

    @classmethod
    def fit(cls, items: npt.NDArray[np.integer], labels: Labels, count: int) -> ItemAverage:
        """Return (Σ labels + 5 · mean label) / (rows + 5) of every item.

        Args:
            items: int [rows], ``item_index``.
            labels: float [rows, objectives].
            count: of all items.
        """
        rows = np.bincount(items, minlength=count)[:, None] + _PRIOR
        sums = np.stack([np.bincount(items, column, minlength=count) for column in labels.T], axis=1)
        return cls((sums + _PRIOR * labels.mean(0)) / rows)

    def predict(self, pieces: Pieces) -> npt.NDArray[np.float64]:
        """Return float [pieces, objectives]."""
        real = pieces.items >= 0
        return (self.shares[pieces.items] * real[..., None]).sum(1) / real.sum(1)[:, None]
