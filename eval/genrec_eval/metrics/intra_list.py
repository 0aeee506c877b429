"""Diversity within a list, by vectors or by categories."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def embedding_diversity(items: npt.ArrayLike, vectors: npt.NDArray[np.floating], k: int) -> Floats:
    """Return the mean of 1 − cosine over each list's pairs, float64 [lists]; NaN for a list without a pair.

    Args:
        items: int64 [lists, k or more], ``item_index``; places outside of the catalogue do not count.
        vectors: float [items of the catalogue, dim]; a vector of zeros has cosine 0 with every other.
        k: the cut-off.
    """
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return _pairwise(items, vectors / np.where(norms > 0, norms, 1), k)


def category_diversity(items: npt.ArrayLike, categories: npt.NDArray[np.bool_], k: int) -> Floats:
    """Return the mean of 1 − Jaccard of the categories over each list's pairs, float64 [lists]; NaN without a pair.

    Args:
        items: int64 [lists, k or more], ``item_index``.
        categories: bool [items of the catalogue, categories]; two items without any are not alike.
        k: the cut-off.
    """
    places, real = _places(items, k, len(categories))
    own = categories[places].astype(np.float64)
    both = own @ own.transpose(0, 2, 1)
    sizes = own.sum(2)
    either = sizes[:, :, None] + sizes[:, None] - both
    return _mean_over_pairs(1 - both / np.maximum(either, 1), real)


def _pairwise(items: npt.ArrayLike, unit: npt.NDArray[np.floating], k: int) -> Floats:
    places, real = _places(items, k, len(unit))
    own = unit[places]
    return _mean_over_pairs(1 - own @ own.transpose(0, 2, 1), real)


def _places(items: npt.ArrayLike, k: int, size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    if k < 1:
        raise ValueError(f"k is {k}, but must be at least 1")
    places = np.asarray(items)[:, :k]
    real = (places >= 0) & (places < size)
    return np.where(real, places, 0), real


def _mean_over_pairs(distances: npt.NDArray[np.floating], real: npt.NDArray[np.bool_]) -> Floats:
    left, right = np.triu_indices(real.shape[1], 1)
    pairs = real[:, left] & real[:, right]
    totals, counts = np.where(pairs, distances[:, left, right], 0).sum(1), pairs.sum(1)
    return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)
