"""Items that a list holds more than once."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def count_repeats(items: npt.ArrayLike, k: int) -> tuple[int, int]:
    """Return how many places hold an item that stands before them in the same list, and how many are filled.

    Their ratio, ``repeats@K``, must be 0 for a search that forbids repetitions. Places with -1 are not filled.

    Args:
        items: int64 [lists, k or more], ``item_index``.
        k: the cut-off.
    """
    places = np.sort(np.asarray(items)[:, :k], axis=1)
    filled = places >= 0
    again = filled[:, 1:] & (places[:, 1:] == places[:, :-1])
    return int(again.sum()), int(filled.sum())
