"""What every recommender returns: ranked items with scores, or ranked sessions of items."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Ranking(NamedTuple):
    """Ranked items of a batch of requests, best first.

    Args:
        items: int64 [requests, k], ``item_index``; -1 where a request has fewer than k items.
        scores: float32 [requests, k]; -inf where ``items`` is -1.
    """

    items: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]


class Sessions(NamedTuple):
    """Ranked sessions of a batch of requests, best first; a session is items in the order they are shown.

    Args:
        items: int64 [requests, k, length], ``item_index``; -1 after the end of a session that is shorter because
            the catalogue has no more, and all -1 where a request has fewer than k sessions.
        scores: float32 [requests, k], the sum of the session's item scores; -inf where there is none.
        item_scores: float32 [requests, k, length], the log-probability of each item after the history and the
            items before it; -inf where ``items`` is -1.
    """

    items: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float32]
    item_scores: npt.NDArray[np.float32]

    @classmethod
    def none(cls, requests: int, k: int, length: int) -> Sessions:
        """Return places for sessions that hold none yet."""
        items = np.full((requests, k, length), -1, dtype=np.int64)
        item_scores = np.full(items.shape, -np.inf, dtype=np.float32)
        return cls(items, np.full((requests, k), -np.inf, dtype=np.float32), item_scores)

    def distinct(self) -> Sessions:
        """Return the sessions without those that are a better one's items in another order.

        What remains moves up; the shapes stay.
        """
        found = Sessions.none(*self.items.shape)
        for row, sets in enumerate(np.sort(self.items, axis=2)):
            real = np.flatnonzero(self.scores[row] > -np.inf)
            first = real[np.sort(np.unique(sets[real], axis=0, return_index=True)[1])]
            kept = row, slice(len(first))
            found.items[kept], found.scores[kept] = self.items[row, first], self.scores[row, first]
            found.item_scores[kept] = self.item_scores[row, first]
        return found

    def best(self, k: int) -> Sessions:
        """Return the first k sessions of each request."""
        return Sessions(self.items[:, :k], self.scores[:, :k], self.item_scores[:, :k])
