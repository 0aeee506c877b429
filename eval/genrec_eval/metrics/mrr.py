"""Mean reciprocal rank at K."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_eval.metrics.ranks import hits_within


def mrr(ranks: npt.ArrayLike, k: int) -> float:
    """Return ``mean(1[1 ≤ rank ≤ k] / rank)``: a target beyond the first k counts as 0.

    Args:
        ranks: int64 [examples], as of :func:`genrec_eval.metrics.target_ranks` (0: the target is missing).
        k: the cut-off.

    Raises:
        ValueError: if k < 1 or there are no examples.
    """
    hit = hits_within(ranks, k)
    return float(np.where(hit, 1.0 / np.where(hit, ranks, 1), 0.0).mean())
