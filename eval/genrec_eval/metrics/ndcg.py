"""Normalised discounted cumulative gain at K."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_eval.metrics.ranks import hits_within


def ndcg(ranks: npt.ArrayLike, k: int) -> float:
    """Return ``mean(1[1 ≤ rank ≤ k] / log2(rank + 1))``.

    With one target the ideal DCG is 1/log2(2) = 1, so nothing is left to normalise (Järvelin and
    Kekäläinen, 2002, with gain 1). Rank 1 gives 1, rank 2 gives .631, a missing target 0.

    Args:
        ranks: int64 [examples], as of :func:`genrec_eval.metrics.target_ranks` (0: the target is missing).
        k: the cut-off.

    Raises:
        ValueError: if k < 1 or there are no examples.
    """
    hit = hits_within(ranks, k)
    return float(np.where(hit, 1.0 / np.log2(np.where(hit, ranks, 1) + 1.0), 0.0).mean())
