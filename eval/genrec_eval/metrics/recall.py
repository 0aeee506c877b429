"""Recall at K."""

from __future__ import annotations

import numpy.typing as npt

from genrec_eval.metrics.ranks import hits_within


def recall(ranks: npt.ArrayLike, k: int) -> float:
    """Return the share of examples whose target stands among the first k: ``mean(1[1 ≤ rank ≤ k])``.

    With one target an example this is the hit rate as well. A list shorter than k is scored as it is.

    Args:
        ranks: int64 [examples], as of :func:`genrec_eval.metrics.target_ranks` (0: the target is missing).
        k: the cut-off.

    Raises:
        ValueError: if k < 1 or there are no examples.
    """
    return float(hits_within(ranks, k).mean())
