"""Does a list hold genres in the proportions of its user's history?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_MIXED_IN = 0.01


def genre_calibration(
    items: npt.ArrayLike, histories: Sequence[npt.NDArray[np.integer]], genres: npt.NDArray[np.bool_], k: int
) -> npt.NDArray[np.float64]:
    """Return ``KL(p ‖ q̃)`` of each list, float64 [lists]: 0 if genres stand as in the history, more the less so.

    p and q are the shares of genres in the history and in the first k, where an item's genres share it alike, and
    ``q̃ = .99 q + .01 p`` (Steck, 2018, without his weights of recency and rank). NaN where the history or the list
    has no genre.

    Args:
        items: int64 [lists, k or more], ``item_index``; places outside of the catalogue do not count.
        histories: the items of each list's user; may be empty.
        genres: bool [items of the catalogue, genres].
        k: the cut-off.
    """
    each = genres / np.maximum(genres.sum(1, keepdims=True), 1)
    places = np.asarray(items)[:, :k]
    real = (places >= 0) & (places < len(genres))
    shown = _shares((each[np.where(real, places, 0)] * real[:, :, None]).sum(1))
    had = _shares(np.array([each[history].sum(0) for history in histories]).reshape(len(places), genres.shape[1]))
    mixed = (1 - _MIXED_IN) * shown + _MIXED_IN * had
    ratio = np.divide(had, mixed, out=np.ones_like(had), where=had > 0)
    return (had * np.log(ratio)).sum(1)


def _shares(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    totals = counts.sum(1, keepdims=True)
    return np.divide(counts, totals, out=np.full_like(counts, np.nan), where=totals > 0)
