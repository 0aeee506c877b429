"""What lists show of the catalogue: how evenly, how popular, how new.

All of it follows from how often each item was shown, int64 [items], which is all that has to be kept: 8 bytes an
item and cut-off, however many users there are.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def shown_counts(items: npt.ArrayLike, k: int, catalogue_size: int) -> Ints:
    """Return how often an item stands among the first k, int64 [catalogue_size]; what is no item is left out."""
    places = np.asarray(items)[:, :k]
    return np.bincount(places[(places >= 0) & (places < catalogue_size)], minlength=catalogue_size).astype(np.int64)


def gini(shown: npt.ArrayLike) -> float:
    """Return the Gini index of exposure, 0 if every item is shown alike, towards 1 if one item takes all.

    ``G = Σ_i (2 i − n − 1) x_i / (n Σ x)`` over the counts x in ascending order, i from 1; items never shown are
    counts of 0. 0 where nothing was shown.

    Args:
        shown: int64 [items], as of :func:`shown_counts`.
    """
    counts = np.sort(np.asarray(shown, dtype=np.float64))
    total, items = counts.sum(), len(counts)
    if not total:
        return 0.0
    return float(((2 * np.arange(1, items + 1) - items - 1) * counts).sum() / (items * total))


def entropy(shown: npt.ArrayLike) -> float:
    """Return the Shannon entropy of exposure in bits, ``−Σ p log2 p``: log2(items) if every item is shown alike.

    Args:
        shown: int64 [items].
    """
    share = _share(shown)
    share = share[share > 0]
    return float(-(share * np.log2(share)).sum()) if len(share) else 0.0


def average_popularity(shown: npt.ArrayLike, popularity: npt.ArrayLike) -> float:
    """Return the mean interactions in training of an item shown; 0 where nothing was shown.

    Args:
        shown: int64 [items].
        popularity: interactions in training, [items].
    """
    return float((_share(shown) * np.asarray(popularity, dtype=np.float64)).sum())


def novelty(shown: npt.ArrayLike, popularity: npt.ArrayLike) -> float:
    """Return the mean self-information of an item shown, in bits: ``−log2((n_i + 1) / (N + items))``.

    n_i are the item's interactions in training, N all of them (Zhou et al., 2010, with one added to every count, so
    that an item nobody had has a finite figure). 0 where nothing was shown.

    Args:
        shown: int64 [items].
        popularity: interactions in training, [items].
    """
    counts = np.asarray(popularity, dtype=np.float64) + 1
    return float(-(_share(shown) * np.log2(counts / counts.sum())).sum())


def _share(shown: npt.ArrayLike) -> npt.NDArray[np.float64]:
    counts = np.asarray(shown, dtype=np.float64)
    return counts / max(1.0, counts.sum())
