"""Decayed item-to-item transitions: what tends to follow what."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from genrec_eval.baselines.base import Baseline, Items, recency_matrix


class Transitions(Baseline):
    """Counts which items follow which in a user's training sequence, near ones more than far ones.

    ``T(i, j) = Σ decay^(d - 1)`` over all places where j stands d ≤ ``window`` after i (and ``backward``
    times the same where it stands before: logs of ratings hold much that has no order). A candidate
    scores ``Σ_a recency^a T(h_a, j) / (n(h_a)^source_power n(j)^target_power)`` over the ``last`` items
    of the history, h_0 the latest, n the counts in training.

    Args:
        window: the longest distance that counts.
        decay: weight of a distance relative to the one before it.
        backward: weight of pairs read against their order.
        last: how many of the latest items speak.
        recency: weight of an item of the history relative to the one after it.
        source_power: 1 makes rows means instead of sums, so that popular items speak no louder.
        target_power: above 0 holds popular candidates back.
    """

    name = "transitions"

    def __init__(
        self,
        window: int = 20,
        decay: float = 0.9,
        backward: float = 0.5,
        last: int = 20,
        recency: float = 0.7,
        source_power: float = 1.0,
        target_power: float = 0.15,
    ) -> None:
        self.window, self.decay, self.backward = window, decay, backward
        self.last, self.recency = last, recency
        self.source_power, self.target_power = source_power, target_power

    def _fit(self, train: list[Items]) -> None:
        shape = (self._items, self._items)
        items = np.concatenate([*train, np.zeros(0, np.int32)])
        users = np.repeat(np.arange(len(train)), [len(sequence) for sequence in train])
        forward = sparse.csr_array(shape, dtype=np.float32)
        for distance in range(1, min(self.window, len(items) - 1) + 1):
            same = users[:-distance] == users[distance:]
            pairs = items[:-distance][same], items[distance:][same]
            weights = np.full(len(pairs[0]), self.decay ** (distance - 1), dtype=np.float32)
            forward = forward + sparse.csr_array((weights, pairs), shape=shape)
        both = forward + self.backward * forward.T if self.backward else forward
        counts = np.maximum(self._counts, 1.0)
        scale = sparse.diags_array(counts**-self.source_power), sparse.diags_array(counts**-self.target_power)
        self._table = (scale[0] @ both @ scale[1]).tocsr().astype(np.float32)

    def _score(self, histories: Sequence[Items]) -> npt.NDArray[np.float32]:
        weights = recency_matrix(histories, self._items, self.last, self.recency)
        return (weights @ self._table).toarray()
