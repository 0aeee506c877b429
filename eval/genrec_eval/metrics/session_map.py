"""Mean average precision of sessions at K."""

from __future__ import annotations

import numpy as np

from genrec_eval.metrics.session_ranks import Floats, SessionRanks, found_within


def session_map(found: SessionRanks, k: int) -> Floats:
    """Return AP@K of each session, float64 [sessions]: the mean precision at the places of its items.

    ``AP@K = Σ (hits up to rank) / rank / min(K, |session|)`` over the items among the first K. With one item a
    session this is the reciprocal rank.

    Args:
        found: as of :func:`genrec_eval.metrics.session_ranks`.
        k: the cut-off.

    Raises:
        ValueError: if k < 1 or there are no sessions.
    """
    hit = found_within(found, k)
    session = np.repeat(np.arange(len(found.sizes)), found.sizes)
    order = np.lexsort((found.ranks, ~hit, session))  # a session's hits first, by rank
    starts = np.cumsum(found.sizes) - found.sizes
    place = np.arange(len(order)) - starts[session[order]] + 1
    precision = np.where(hit[order], place / np.maximum(found.ranks[order], 1), 0.0)
    return found.sums(precision) / np.minimum(k, found.sizes)
