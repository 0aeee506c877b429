"""EASE: a linear model of items from items, in closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import linalg

from genrec.errors import DataError
from genrec_eval.baselines.base import Baseline, Items, recency_matrix

MOST_ITEMS = 40_000  # the matrix of so many takes 6 GiB in float32, and the inversion as much again


class Ease(Baseline):
    """Embarrassingly shallow autoencoder (Steck, 2019, arXiv:1905.03375).

    ``P = (XᵀX + λ I)⁻¹``, ``B = −P / diag(P)`` column by column with a zero diagonal; a candidate scores the sum
    of its column over the history. X is 0/1 over users and items of the training part.

    Args:
        regularization: λ.
        decay: weight of each item of the history relative to the one after it, when scoring; 1 as in the paper.
    """

    name = "ease"

    def __init__(self, regularization: float = 200.0, decay: float = 1.0) -> None:
        self.regularization, self.decay = regularization, decay

    def _fit(self, train: list[Items]) -> None:
        if self._items > MOST_ITEMS:
            raise DataError(
                f"EASE inverts a matrix of items × items; {self._items} items are more than {MOST_ITEMS}.",
                "Leave ease out of evaluate.baselines.",
            )
        users = recency_matrix(train, self._items, None, 1.0)
        users.data[:] = 1.0
        gram = (users.T @ users).toarray().astype(np.float32, order="F")
        gram[np.diag_indices_from(gram)] += self.regularization
        precision = _inverse(gram)
        self._weights = precision / -np.diag(precision)
        np.fill_diagonal(self._weights, 0.0)

    def _score(self, histories: Sequence[Items]) -> npt.NDArray[np.float32]:
        return recency_matrix(histories, self._items, None, self.decay) @ self._weights


def _inverse(matrix: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the inverse of a symmetric positive definite matrix, which is overwritten, by its Cholesky factor."""
    factor, _ = linalg.lapack.spotrf(matrix, lower=1, overwrite_a=1)
    inverse, _ = linalg.lapack.spotri(factor, lower=1, overwrite_c=1)
    lower = np.tril(inverse)
    lower += np.tril(inverse, -1).T
    return lower
