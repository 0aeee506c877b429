"""ItemKNN: items that the same users chose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import sparse

from genrec_eval.baselines.base import Baseline, Items, recency_matrix

_ROWS_AT_ONCE = 2048


class ItemKNN(Baseline):
    """Item-based nearest neighbours by the cosine of co-occurrence (Deshpande and Karypis, 2004).

    ``cos(i, j) = |U_i ∩ U_j| / (sqrt(|U_i| |U_j|) + shrinkage)`` over the sets U of users in training;
    each item keeps its ``neighbours`` most similar others; a candidate scores the sum of its similarity
    to the items of the history.

    Args:
        neighbours: similar items kept for each item.
        shrinkage: pulls the similarity of rare items to zero.
        last: only so many of the latest items of a history count; None for all.
        decay: weight of each item of the history relative to the one after it.
    """

    name = "item_knn"

    def __init__(
        self, neighbours: int = 100, shrinkage: float = 0.0, last: int | None = None, decay: float = 1.0
    ) -> None:
        self.neighbours, self.shrinkage, self.last, self.decay = neighbours, shrinkage, last, decay

    def _fit(self, train: list[Items]) -> None:
        users = recency_matrix(train, self._items, None, 1.0)
        users.data[:] = 1.0
        norms = np.sqrt(np.maximum(users.sum(axis=0), 1.0)).astype(np.float32)
        by_item = users.T.tocsr()
        blocks = []
        for start in range(0, self._items, _ROWS_AT_ONCE):
            block = (by_item[start : start + _ROWS_AT_ONCE] @ users).tocoo()
            rows, columns = block.coords[0] + start, block.coords[1]
            values = block.data / (norms[rows] * norms[columns] + self.shrinkage)
            values[rows == columns] = 0.0
            block = sparse.csr_array((values, (rows - start, columns)), shape=block.shape)
            blocks.append(keep_largest(block, self.neighbours))
        self._similarity = sparse.vstack(blocks, format="csr")

    def _score(self, histories: Sequence[Items]) -> npt.NDArray[np.float32]:
        weights = recency_matrix(histories, self._items, self.last, self.decay)
        return (weights @ self._similarity).toarray()


class RecentItemKNN(ItemKNN):
    """ItemKNN over the latest items of the history only, the latest counting most."""

    name = "item_knn_recent"

    def __init__(
        self, neighbours: int = 100, shrinkage: float = 0.0, last: int | None = 10, decay: float = 0.8
    ) -> None:
        super().__init__(neighbours, shrinkage, last, decay)


def keep_largest(matrix: sparse.csr_array, count: int) -> sparse.csr_array:
    """Return the matrix with only the ``count`` largest positive values of each row."""
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    order = np.lexsort((-matrix.data, rows))
    place = np.arange(len(order)) - matrix.indptr[rows[order]]
    kept = order[(place < count) & (matrix.data[order] > 0)]
    return sparse.csr_array((matrix.data[kept], (rows[kept], matrix.indices[kept])), shape=matrix.shape)
