"""Several rankings of a request, one after each of its thoughts, made one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from genrec.decoding.ranking import Ranking


class Thoughtful(NamedTuple):
    """Ranked items with the thoughts they were found after.

    Args:
        ranking: items [requests, k] and scores, the log-probability of each after the history and its thought.
        thoughts: for each request its texts, in the order they were written.
        after: int64 [requests, k], which thought gave each item its score; -1 where there is no item.
    """

    ranking: Ranking
    thoughts: list[list[str]]
    after: npt.NDArray[np.int64]


def union(rankings: Ranking, thoughts: int, k: int) -> tuple[Ranking, npt.NDArray[np.int64]]:
    """Return the union of the beams of each request's thoughts: every item once, with its best score.

    The best score, and not a sum: the thoughts are samples, and an item that one of them leads to is wanted however
    few of the others mention it. Scores after different thoughts are compared as they are.

    Args:
        rankings: items [requests · thoughts, width], a request's thoughts next to each other.
        thoughts: of a request.
        k: items wanted of each.

    Returns:
        The ranking [requests, k], and for each item the thought of its score, int64 [requests, k], -1 for none.
    """
    requests, width = len(rankings.items) // thoughts, rankings.items.shape[1]
    items = rankings.items.reshape(requests, thoughts * width)
    scores = rankings.scores.reshape(requests, thoughts * width)
    order = np.argsort(-scores, axis=1, kind="stable")
    best = np.full((requests, k), -1, dtype=np.int64)
    found, after = np.full((requests, k), -np.inf, dtype=np.float32), np.full((requests, k), -1, dtype=np.int64)
    for row, places in enumerate(order):
        places = places[items[row, places] >= 0]
        first = np.sort(np.unique(items[row, places], return_index=True)[1])[:k]
        kept = places[first]
        best[row, : len(kept)], found[row, : len(kept)] = items[row, kept], scores[row, kept]
        after[row, : len(kept)] = kept // width
    return Ranking(best, found), after
