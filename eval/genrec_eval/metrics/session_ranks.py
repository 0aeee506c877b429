"""Where the items of a session stand in the list that was made for it, from which its accuracy metrics follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class SessionRanks(NamedTuple):
    """The ranks of all items of all sessions, one session after the other.

    Args:
        ranks: int64 [items of all sessions]: 1 for the first place of the list, 0 where the item is missing.
        sizes: int64 [sessions], the number of items of each, at least 1.
    """

    ranks: Ints
    sizes: Ints

    def per_session(self) -> list[Ints]:
        """Return the ranks of each session's items."""
        return np.split(self.ranks, np.cumsum(self.sizes)[:-1]) if len(self.sizes) else []

    def sums(self, gains: npt.ArrayLike) -> Floats:
        """Return the sum of ``gains`` [items of all sessions] over each session, float64 [sessions]."""
        ends = np.cumsum(self.sizes)
        return np.add.reduceat(np.asarray(gains, dtype=np.float64), ends - self.sizes)


def session_ranks(items: npt.ArrayLike, sessions: Sequence[npt.ArrayLike]) -> SessionRanks:
    """Return the rank of every item of every session in the list of its row.

    An item that stands in the list twice counts at its first place.

    Args:
        items: int64 [sessions, k], recommended ``item_index``, best first; -1 where there is nothing.
        sessions: the distinct items of each session, at least one, each ≥ 0.

    Raises:
        ValueError: if the shapes do not fit, or a session is empty, holds an item twice or a negative one.
    """
    places, wanted = np.asarray(items), [np.asarray(session, dtype=np.int64) for session in sessions]
    if places.ndim != 2 or len(wanted) != len(places):
        raise ValueError(f"items must be [sessions, k]; got {places.shape} for {len(wanted)} sessions")
    if any(len(session) == 0 or len(np.unique(session)) < len(session) or session.min() < 0 for session in wanted):
        raise ValueError("a session is empty, or holds an item twice or a negative one")
    sizes = np.array([len(session) for session in wanted], dtype=np.int64)
    flat = np.concatenate([*wanted, np.zeros(0, np.int64)])
    hits = places[np.repeat(np.arange(len(places)), sizes)] == flat[:, None]
    if places.shape[1] == 0:
        return SessionRanks(np.zeros(len(flat), np.int64), sizes)
    return SessionRanks(np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0).astype(np.int64), sizes)


def found_within(found: SessionRanks, k: int) -> npt.NDArray[np.bool_]:
    """Say for each item of all sessions whether its rank lies in 1…k.

    Raises:
        ValueError: if k < 1 or there are no sessions.
    """
    if k < 1:
        raise ValueError(f"k is {k}, but must be at least 1")
    if len(found.sizes) == 0:
        raise ValueError("the mean over no sessions is undefined")
    return (found.ranks >= 1) & (found.ranks <= k)
