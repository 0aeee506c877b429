"""Diversity within a list, by the items' semantic IDs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def diversity(items: npt.ArrayLike, codes: npt.NDArray[np.integer], k: int) -> npt.NDArray[np.float64]:
    """Return the mean distance of each list's pairs, float64 [lists]; NaN for a list without a pair.

    The distance of two items is ``1 - (first levels in common) / levels``: 1 where the first codes differ already,
    0 for an item and itself. Semantic IDs are what every generator's catalogue has, and near items share their
    first codes; the figure depends on the codebooks, so it compares lists over one catalogue only. A level that was
    appended to tell equal codes apart counts as a level.

    Args:
        items: int64 [lists, k or more], ``item_index``; places outside of the catalogue do not count.
        codes: int [items of the catalogue, levels].
        k: the cut-off.

    Raises:
        ValueError: if k < 1.
    """
    if k < 1:
        raise ValueError(f"k is {k}, but must be at least 1")
    places = np.asarray(items)[:, :k]
    real = (places >= 0) & (places < len(codes))
    own = codes[np.where(real, places, 0)]
    same = own[:, :, None] == own[:, None]
    distance = 1 - np.cumprod(same, axis=3).mean(axis=3)
    left, right = np.triu_indices(places.shape[1], 1)
    pairs = real[:, left] & real[:, right]
    totals, counts = np.where(pairs, distance[:, left, right], 0).sum(axis=1), pairs.sum(axis=1)
    return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
