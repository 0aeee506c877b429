"""Items of a list that its user has had before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def count_seen_before(
    items: npt.ArrayLike, histories: Sequence[npt.NDArray[np.integer]], k: int
) -> tuple[int, int]:
    """Return how many places hold an item of the user's history, and how many are filled.

    Their ratio, ``seen@K``, is 0 where items of the history are excluded. Places with -1 are not filled.

    Args:
        items: int64 [lists, k or more], ``item_index``.
        histories: the items of each list's user; may be empty.
        k: the cut-off.

    Raises:
        ValueError: if there are not as many histories as lists.
    """
    places = np.asarray(items)[:, :k]
    seen = [np.isin(row, history) for row, history in zip(places, histories, strict=True)]
    filled = places >= 0
    return int((np.array(seen, dtype=np.bool_).reshape(places.shape) & filled).sum()), int(filled.sum())
