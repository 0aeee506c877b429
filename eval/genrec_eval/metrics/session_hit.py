"""Hit rate of sessions at K."""

from __future__ import annotations

from genrec_eval.metrics.session_ranks import Floats, SessionRanks, found_within


def session_hit(found: SessionRanks, k: int) -> Floats:
    """Return 1 for each session of which any item stands among the first k, else 0; float64 [sessions].

    Args:
        found: as of :func:`genrec_eval.metrics.session_ranks`.
        k: the cut-off. A list shorter than k is scored as it is.

    Raises:
        ValueError: if k < 1 or there are no sessions.
    """
    return (found.sums(found_within(found, k)) > 0).astype(float)
