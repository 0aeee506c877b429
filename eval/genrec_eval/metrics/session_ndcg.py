"""Normalised discounted cumulative gain of a session's items at K."""

from __future__ import annotations

import numpy as np

from genrec_eval.metrics.session_ranks import Floats, SessionRanks, found_within


def session_ndcg(found: SessionRanks, k: int) -> Floats:
    """Return DCG over the ideal DCG of each session, float64 [sessions].

    ``DCG = Σ 1 / log2(rank + 1)`` over the session's items among the first k (Järvelin and Kekäläinen, 2002,
    with gain 1 for every item, whatever its place in the session); the ideal list begins with
    ``min(k, |session|)`` of them. With one item a session this is :func:`genrec_eval.metrics.ndcg`.

    Args:
        found: as of :func:`genrec_eval.metrics.session_ranks`.
        k: the cut-off. A list shorter than k is scored as it is.

    Raises:
        ValueError: if k < 1 or there are no sessions.
    """
    hit = found_within(found, k)
    gains = np.where(hit, 1 / np.log2(np.where(hit, found.ranks, 1) + 1.0), 0)
    ideal = np.cumsum(1 / np.log2(np.arange(k) + 2.0))
    return found.sums(gains) / ideal[np.minimum(k, found.sizes) - 1]
