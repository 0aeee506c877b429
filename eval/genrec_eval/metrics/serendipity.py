"""Hits that a list of the most popular items would not have had."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_eval.metrics.ranks import hits_within


def serendipity(ranks: npt.ArrayLike, targets: npt.ArrayLike, popularity: npt.ArrayLike, k: int) -> float:
    """Return the share of examples whose target is among the first k and not among the k most popular items.

    Relevant and unexpected at once, with popularity as the primitive model whose lists are expected (after Ge et
    al., 2010). Equal popularity is settled by ``item_index``. Items of the history are not taken out of the k most
    popular, so the figure is a little higher than with a list of one's own for every user.

    Args:
        ranks: int64 [examples], as of :func:`genrec_eval.metrics.target_ranks`.
        targets: int64 [examples], ``item_index``.
        popularity: interactions in training, [items].
        k: the cut-off.

    Raises:
        ValueError: if k < 1 or there are no examples.
    """
    expected = np.argsort(-np.asarray(popularity), kind="stable")[:k]
    return float((hits_within(ranks, k) & ~np.isin(targets, expected)).mean())
