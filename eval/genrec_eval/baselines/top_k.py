"""The k best of each row, with ties settled the same way everywhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec.decoding import Ranking


def top_k(scores: npt.NDArray[np.float32], k: int) -> Ranking:
    """Return the k highest scores of each row, best first; equal scores in the order of their columns.

    Args:
        scores: float32 [rows, columns]; -inf marks columns that must not be returned.
        k: how many; rows with fewer finite scores end in -1.
    """
    rows, columns = scores.shape
    wanted = min(k, columns)
    threshold = np.partition(scores, columns - wanted, axis=1)[:, [columns - wanted]]
    above, level = scores > threshold, scores == threshold
    missing = wanted - above.sum(axis=1, keepdims=True)
    chosen = above | (level & (np.cumsum(level, axis=1) <= missing))
    places = np.nonzero(chosen)[1].reshape(rows, wanted)
    values = np.take_along_axis(scores, places, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    places, values = np.take_along_axis(places, order, axis=1), np.take_along_axis(values, order, axis=1)
    places = np.where(np.isneginf(values), -1, places)
    padding = ((0, 0), (0, k - wanted))
    return Ranking(
        np.pad(places, padding, constant_values=-1).astype(np.int64),
        np.pad(values, padding, constant_values=-np.inf).astype(np.float32),
    )
