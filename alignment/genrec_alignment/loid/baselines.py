"""What ratings and next items must be better than: means, biases, popularity."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from genrec_alignment.loid.examples import Interactions
from genrec_alignment.loid.training import KS, errors
from genrec_eval.metrics import accuracy

Metrics = dict[str, dict[str, float]]
_SHRINKAGE = 10.0  # ratings of value 0 that every user and item is given beside its own


def baseline_metrics(
    interactions: Interactions, rows: npt.NDArray[np.int64], items: int
) -> dict[str, dict[str, float]]:
    """Return the metrics of simple predictions for ``rows``, by name.

    Args:
        interactions: of the target domain; only the training part is learned.
        rows: what is predicted.
        items: the number of items there are.
    """
    if interactions.target == "rating":
        return _rating(interactions, rows, items)
    train = interactions.items[interactions.rows("train")]
    popular = np.argsort(-np.bincount(train, minlength=items), kind="stable")
    lists = [_without(popular, interactions.items[interactions.readable(int(row))]) for row in rows]
    return {"popularity": accuracy(np.stack(lists), interactions.items[rows], KS)}


def _rating(interactions: Interactions, rows: npt.NDArray[np.int64], items: int) -> dict[str, dict[str, float]]:
    """Return the mean's errors, and those of mean + item's bias + user's bias, each shrunk towards 0."""
    train, values = interactions.rows("train"), interactions.values
    mean = interactions.mean
    item_bias = _means(interactions.items[train], values[train] - mean, items)
    left = values[train] - mean - item_bias[interactions.items[train]]
    user_bias = _means(interactions.users[train], left, len(interactions.offsets) - 1)
    biases = mean + item_bias[interactions.items[rows]] + user_bias[interactions.users[rows]]
    wanted = values[rows]
    return {"mean": errors(np.full(len(rows), mean), wanted), "biases": errors(biases, wanted)}


def _means(who: npt.NDArray[np.int64], values: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    sums = np.bincount(who, weights=values, minlength=count)
    return sums / (np.bincount(who, minlength=count) + _SHRINKAGE)


def _without(ranking: npt.NDArray[np.int64], seen: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    most = max(KS)
    kept = ranking[: most + len(seen)]
    kept = kept[~np.isin(kept, seen)][:most]
    return np.pad(kept, (0, most - len(kept)), constant_values=-1)
