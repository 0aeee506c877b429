"""What every baseline has in common: fitted on the training part alone, ranked over every item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from genrec.data import Dataset
from genrec.decoding import Ranking
from genrec_eval.baselines.top_k import top_k

Items = npt.NDArray[np.int32]
Arrays = dict[str, npt.NDArray[np.generic]]

_SCORES_AT_ONCE = 1 << 25  # float32 scores held in memory at once: 128 MiB


class Baseline(ABC):
    """A recommender to compare with. Call :meth:`fit`, then :meth:`recommend`.

    Every item of the dataset is ranked. Equal scores (an item nothing is known about scores 0 for
    most methods) are settled by popularity in the training part, then by ``item_index``.
    """

    name: ClassVar[str]

    def fit(self, dataset: Dataset, seed: int = 0) -> Self:
        """Learn from the interactions of the split ``train`` and nothing else; return ``self``.

        Trained sequential models also look at the split ``valid``, to decide when to stop; never at ``test``.
        """
        train = list(dataset.sequences.part("train"))
        self._prepare(dataset, train, seed)
        self._fit(train)
        return self

    def arrays(self) -> Arrays:
        """Return what was learned, for :meth:`restore`; nothing where fitting again is as quick as reading."""
        return self._arrays()

    def restore(self, dataset: Dataset, arrays: Mapping[str, npt.NDArray[np.generic]], seed: int = 0) -> Self:
        """Become what :meth:`fit` on this dataset made when ``arrays`` were kept; return ``self``."""
        self._prepare(dataset, list(dataset.sequences.part("train")), seed)
        self._restore(arrays)
        return self

    def _prepare(self, dataset: Dataset, train: list[Items], seed: int) -> None:
        self._items = len(dataset.item_ids)
        counts = np.bincount(np.concatenate([*train, np.zeros(0, np.int32)]), minlength=self._items)
        self._counts = counts.astype(np.float32)
        self._by_popularity = np.argsort(-counts, kind="stable")
        self._seed = seed

    def recommend(
        self,
        histories: Sequence[Items],
        k: int = 10,
        exclude: Sequence[npt.NDArray[np.integer]] | None = None,
        users: npt.NDArray[np.integer] | None = None,
    ) -> Ranking:
        """Return the k best items for each history.

        Args:
            histories: item indices, oldest first; may be empty.
            k: items wanted for each, at least 1.
            exclude: items that must not be recommended, for each history; None excludes nothing.
            users: whose histories they are, ``user_index``, for methods that know users; None: strangers.

        Raises:
            ValueError: if ``exclude`` or ``users`` and ``histories`` differ in length, or k < 1.
        """
        if k < 1 or any(given is not None and len(given) != len(histories) for given in (exclude, users)):
            raise ValueError("k must be at least 1, and exclude and users as long as histories")
        step = max(1, _SCORES_AT_ONCE // max(1, self._items))
        parts = []
        for at in range(0, len(histories), step):
            rows = slice(at, at + step)
            scores = self._score_of(histories[rows], None if users is None else users[rows])
            parts.append(self._rank(scores, k, None if exclude is None else exclude[rows]))
        empty = Ranking(np.zeros((0, k), np.int64), np.zeros((0, k), np.float32))
        return Ranking(*(np.concatenate(columns) for columns in zip(empty, *parts, strict=True)))

    def _score_of(
        self, histories: Sequence[Items], users: npt.NDArray[np.integer] | None
    ) -> npt.NDArray[np.float32]:
        return self._score(histories) if users is None else self._score_users(histories, users)

    def _rank(
        self, scores: npt.NDArray[np.float32], k: int, exclude: Sequence[npt.NDArray[np.integer]] | None
    ) -> Ranking:
        scores = np.array(scores, dtype=np.float32)
        if exclude is not None:
            rows = np.repeat(np.arange(len(exclude)), [len(items) for items in exclude])
            scores[rows, np.concatenate([*exclude, np.zeros(0, np.int64)]).astype(np.int64)] = -np.inf
        places, best = top_k(scores[:, self._by_popularity], k)
        items = np.where(places < 0, -1, self._by_popularity[places])
        return Ranking(items, best)

    @abstractmethod
    def _fit(self, train: list[Items]) -> None:
        """Learn from ``train``: each user's training items, oldest first."""

    @abstractmethod
    def _score(self, histories: Sequence[Items]) -> npt.NDArray[np.float32]:
        """Return float32 [histories, items]; higher is better."""

    def _score_users(self, histories: Sequence[Items], _users: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
        """Return the same where the users are known; most methods read the histories alone."""
        return self._score(histories)

    def _arrays(self) -> Arrays:
        return {}

    def _restore(self, _arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        raise NotImplementedError(f"{self.name} keeps nothing; fit it again")


def recency_matrix(histories: Iterable[Items], items: int, last: int | None, decay: float) -> sparse.csr_array:
    """Return float32 [histories, items]: the weight ``decay ** age`` of each item, age 0 for the latest.

    Args:
        histories: item indices, oldest first.
        items: the number of items there are.
        last: only so many of the latest items count; None for all.
        decay: 1 weighs the whole history alike. An item that occurs again adds up.
    """
    recent = [history[-last:] if last else history for history in histories]
    sizes = np.array([len(history) for history in recent], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    columns = np.concatenate([*recent, np.zeros(0, np.int32)])
    age = np.repeat(offsets[1:], sizes) - 1 - np.arange(len(columns))
    weights = np.power(decay, age).astype(np.float32)
    matrix = sparse.csr_array((weights, columns, offsets), shape=(len(recent), items))
    matrix.sum_duplicates()
    return matrix
