"""The rank of each target in its list, from which every accuracy metric follows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def target_ranks(items: npt.ArrayLike, targets: npt.ArrayLike) -> Ints:
    """Return the rank of each target in its list, int64 [examples]: 1 for the first place, 0 where it is missing.

    Args:
        items: int64 [examples, k], recommended ``item_index``, best first; -1 where there is nothing.
        targets: int64 [examples], the ``item_index`` to be found, each ≥ 0.

    Raises:
        ValueError: if the shapes do not fit or a target is negative.
    """
    places, wanted = np.asarray(items), np.asarray(targets)
    if places.ndim != 2 or wanted.shape != places.shape[:1]:
        raise ValueError(f"items must be [examples, k] and targets [examples]; got {places.shape}, {wanted.shape}")
    if (wanted < 0).any():
        raise ValueError("a target is negative, so it is no item")
    if places.shape[1] == 0:
        return np.zeros(len(wanted), dtype=np.int64)
    hits = places == wanted[:, None]
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, 0).astype(np.int64)


def hits_within(ranks: npt.ArrayLike, k: int) -> npt.NDArray[np.bool_]:
    """Say for each rank whether it lies in 1…k.

    Raises:
        ValueError: if k < 1 or there are no ranks.
    """
    if k < 1:
        raise ValueError(f"k is {k}, but must be at least 1")
    array = np.asarray(ranks)
    if array.size == 0:
        raise ValueError("the mean over no examples is undefined")
    return (array >= 1) & (array <= k)
