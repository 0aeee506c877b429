"""Recall of a session's items at K."""

from __future__ import annotations

from genrec_eval.metrics.session_ranks import Floats, SessionRanks, found_within


def session_recall(found: SessionRanks, k: int) -> Floats:
    """Return the share of each session's items that stand among the first k, float64 [sessions].

    ``|session ∩ first k of the list| / |session|``. The denominator is the whole session: where it has more than
    k items, even the best list of k stays below 1.

    Args:
        found: as of :func:`genrec_eval.metrics.session_ranks`.
        k: the cut-off. A list shorter than k is scored as it is.

    Raises:
        ValueError: if k < 1 or there are no sessions.
    """
    return found.sums(found_within(found, k)) / found.sizes
