"""What every recommender returns: ranked items with scores."""

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
