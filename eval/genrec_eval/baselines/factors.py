"""Matrix factorisation by the library ``implicit``: iALS and BPR."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from threadpoolctl import threadpool_limits

from genrec.errors import MissingPackageError
from genrec_eval.baselines.base import Baseline, Items, recency_matrix


class _Factors(Baseline):
    """Vectors of users and items, whose products are the scores."""

    @abstractmethod
    def _library(self) -> Any:
        """Return the library's model, not yet fitted."""

    def _fit(self, train: list[Items]) -> None:
        with threadpool_limits(1, "blas"):  # the library has threads of its own, and complains of others
            self._model = self._library()
            self._model.fit(_matrix(train, self._items), show_progress=False)


class Ials(_Factors):
    """Implicit alternating least squares (Hu, Koren and Volinsky, 2008), as in the library ``implicit``.

    A user is not looked up: the vector of every history is solved for from the item vectors, so the interaction
    between training and test counts too.

    Args:
        factors: width of the vectors.
        regularization: of the squared norms.
        alpha: weight of an interaction against the 1 of everything that did not happen.
        iterations: passes over users and items.
    """

    name = "ials"

    def __init__(
        self, factors: int = 64, regularization: float = 0.01, alpha: float = 10.0, iterations: int = 15
    ) -> None:
        self.factors, self.regularization = factors, regularization
        self.alpha, self.iterations = alpha, iterations

    def _library(self) -> Any:
        from_library = _implicit("ials").als.AlternatingLeastSquares
        return from_library(
            factors=self.factors,
            regularization=self.regularization,
            alpha=self.alpha,
            iterations=self.iterations,
            random_state=self._seed,
            use_gpu=False,
        )

    def _score(self, histories: Sequence[Items]) -> npt.NDArray[np.float32]:
        rows = np.arange(len(histories))
        users = self._model.recalculate_user(rows, _matrix(histories, self._items))
        return users @ self._model.item_factors.T


class BprMf(_Factors):
    """Bayesian personalised ranking of matrix factors (Rendle et al., 2009), as in the library ``implicit``.

    It knows the users of the training part only, by their place in it; a user it does not know gets the most
    popular items. It learns nothing from what stands between training and test.

    Args:
        factors: width of the vectors.
        learning_rate: of its stochastic gradient descent.
        regularization: of the squared norms.
        iterations: passes over as many samples as there are interactions.
    """

    name = "bpr_mf"

    def __init__(
        self,
        factors: int = 64,
        learning_rate: float = 0.05,
        regularization: float = 0.01,
        iterations: int = 100,
    ) -> None:
        self.factors, self.learning_rate = factors, learning_rate
        self.regularization, self.iterations = regularization, iterations

    def _library(self) -> Any:
        return _implicit("bpr_mf").bpr.BayesianPersonalizedRanking(
            factors=self.factors,
            learning_rate=self.learning_rate,
            regularization=self.regularization,
            iterations=self.iterations,
            random_state=self._seed,
            num_threads=1,  # several write into each other's rows, so that no two fits are alike
            use_gpu=False,
        )

    def _fit(self, train: list[Items]) -> None:
        self._known = np.array([len(items) > 0 for items in train])
        super()._fit(train)

    def _score(self, histories: Sequence[Items]) -> npt.NDArray[np.float32]:
        return np.zeros((len(histories), self._items), np.float32)

    def _score_users(self, _histories: Sequence[Items], users: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        scores = self._model.user_factors[users] @ self._model.item_factors.T
        return np.where(self._known[users, None], scores, 0.0)


def _matrix(histories: Sequence[Items], items: int) -> sparse.csr_matrix:
    """Return 0/1 [histories, items] in the form the library takes."""
    matrix = recency_matrix(histories, items, None, 1.0)
    matrix.data[:] = 1.0
    return sparse.csr_matrix(matrix)


def _implicit(name: str) -> Any:
    try:
        import implicit.als
        import implicit.bpr
    except ImportError:
        raise MissingPackageError("implicit", f"The baseline {name}", "pip install 'genrec[baselines]'") from None
    return implicit
