"""What every baseline has in common: fitted on the training part alone, ranked over every item."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse

from genrec.data import Dataset
from genrec.decoding import Ranking
from genrec_eval.baselines.top_k import top_k

Items = npt.NDArray[np.int32]

_SCORES_AT_ONCE = 1 << 25  # float32 scores held in memory at once: 128 MiB


class Baseline(ABC):
    """A recommender to compare with. Call :meth:`fit`, then :meth:`recommend`.

    Every item of the dataset is ranked. Equal scores (an item nothing is known about scores 0 for
    most methods) are settled by popularity in the training part, then by ``item_index``.
    """

    name: ClassVar[str]

    def fit(self, dataset: Dataset, seed: int = 0) -> Self:
        """Learn from the interactions of the split ``train`` and nothing else; return ``self``.

        SASRec alone also looks at the split ``valid``, to decide when to stop; never at ``test``.
        """
        self._items = len(dataset.item_ids)
        train = list(dataset.sequences.part("train"))
        counts = np.bincount(np.concatenate([*train, np.zeros(0, np.int32)]), minlength=self._items)
        self._counts = counts.astype(np.float32)
        self._by_popularity = np.argsort(-counts, kind="stable")
        self._seed = seed
        self._fit(train)
        return self

    def recommend(
        self, histories: Sequence[Items], k: int = 10, exclude: Sequence[npt.NDArray[np.integer]] | None = None
    ) -> Ranking:
        """Return the k best items for each history.

        Args:
            histories: item indices, oldest first; may be empty.
            k: items wanted for each, at least 1.
            exclude: items that must not be recommended, for each history; None excludes nothing.

        Raises:
            ValueError: if ``exclude`` and ``histories`` differ in length, or k < 1.
        """
        if k < 1 or (exclude is not None and len(exclude) != len(histories)):
            raise ValueError("k must be at least 1, and exclude as long as histories")
        step = max(1, _SCORES_AT_ONCE // max(1, self._items))
        parts = [
            self._rank(histories[at : at + step], k, exclude[at : at + step] if exclude is not None else None)
            for at in range(0, len(histories), step)
        ]
        empty = Ranking(np.zeros((0, k), np.int64), np.zeros((0, k), np.float32))
        return Ranking(*(np.concatenate(columns) for columns in zip(empty, *parts, strict=True)))

    def _rank(
        self, histories: Sequence[Items], k: int, exclude: Sequence[npt.NDArray[np.integer]] | None
    ) -> Ranking:
        scores = np.array(self._score(histories), dtype=np.float32)
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
