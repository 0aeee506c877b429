"""What a generator is validated on while it trains: the items or sessions it recommends for validation examples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from genrec.data import Dataset, Examples, SessionExamples
from genrec.decoding.recommender import Recommender
from genrec.errors import DataError
from genrec.models import Events
from genrec_eval.metrics import accuracy, session_ndcg, session_ranks, session_recall

PLACES = 10


@dataclass(frozen=True)
class Validation(ABC):
    """Validation examples: a history and the items that came next.

    Args:
        histories: what the model reads of each.
        targets: each example's items, as ``item_index``: one, or those of a session.
    """

    histories: list[Events]
    targets: Sequence[npt.NDArray[np.integer]]

    @property
    @abstractmethod
    def metric(self) -> str:
        """The metric that tells the best checkpoint."""

    @property
    @abstractmethod
    def places(self) -> int:
        """How many items are recommended for each example."""

    def __len__(self) -> int:
        return len(self.histories)

    def __getitem__(self, rows: slice) -> Self:
        return replace(self, histories=self.histories[rows], targets=self.targets[rows])

    @abstractmethod
    def recommend(self, recommender: Recommender, beams: int, exclude_seen: bool) -> npt.NDArray[np.int64]:
        """Return the items recommended for each example, best or first first, int64 [examples, places]."""

    @abstractmethod
    def metrics(self, items: npt.NDArray[np.int64]) -> dict[str, float]:
        """Return recall and NDCG of what :meth:`recommend` gave."""

    def _seen(self, exclude_seen: bool) -> list[npt.NDArray[np.integer]] | None:
        return [history.items for history in self.histories] if exclude_seen else None


@dataclass(frozen=True)
class ItemValidation(Validation):
    """One target item an example, found among the ten best."""

    @property
    def metric(self) -> str:
        """NDCG@10."""
        return f"ndcg@{PLACES}"

    @property
    def places(self) -> int:
        """Ten."""
        return PLACES

    def recommend(self, recommender: Recommender, beams: int, exclude_seen: bool) -> npt.NDArray[np.int64]:
        """Return the ten best items for each example."""
        return recommender.recommend(self.histories, PLACES, beams, self._seen(exclude_seen)).items

    def metrics(self, items: npt.NDArray[np.int64]) -> dict[str, float]:
        """Return Recall@10 and NDCG@10."""
        return accuracy(items, np.concatenate(self.targets), [PLACES])


@dataclass(frozen=True)
class SessionValidation(Validation):
    """A session an example, whose items the best session of the search should hold.

    Args:
        length: items of a generated session.
    """

    length: int = 1

    @property
    def metric(self) -> str:
        """NDCG of the session's items."""
        return f"session_ndcg@{self.length}"

    @property
    def places(self) -> int:
        """The items of a session."""
        return self.length

    def recommend(self, recommender: Recommender, beams: int, exclude_seen: bool) -> npt.NDArray[np.int64]:
        """Return the best session for each example."""
        found = recommender.sessions(self.histories, self.length, 1, beams, self._seen(exclude_seen))
        return found.items[:, 0]

    def metrics(self, items: npt.NDArray[np.int64]) -> dict[str, float]:
        """Return recall and NDCG of the true session's items among those generated."""
        found = session_ranks(items, list(self.targets))
        recall, ndcg = session_recall(found, self.length), session_ndcg(found, self.length)
        return {f"session_recall@{self.length}": float(recall.mean()), self.metric: float(ndcg.mean())}


def validation_of(
    dataset: Dataset,
    most: int,
    seed: int,
    session_length: int | None = None,
    features: npt.NDArray[np.integer] | None = None,
) -> Validation:
    """Return the validation examples of a dataset, a fixed random part of them where there are many.

    Args:
        dataset: with a validation part.
        most: examples at most.
        seed: of the choice.
        session_length: items of the sessions to be generated; None to validate on single items.
        features: int [interactions, features] of the dataset; None where the model reads none.

    Raises:
        DataError: if there is no validation part.
    """
    examples = dataset.examples("valid") if session_length is None else dataset.session_examples("valid")
    if not len(examples):
        raise DataError(f"{dataset.path} has no validation part.", "Choose a data.split that makes one.")
    if len(examples) > most:
        examples = examples[np.sort(np.random.default_rng(seed).choice(len(examples), most, replace=False))]
    histories = _events(examples, features)
    if isinstance(examples, SessionExamples):
        return SessionValidation(histories, examples.targets, session_length or 1)
    return ItemValidation(histories, examples.targets[:, None])  # type: ignore[arg-type]  # rows of one item


def _events(examples: Examples | SessionExamples, features: npt.NDArray[np.integer] | None) -> list[Events]:
    if features is None:
        return [Events(history) for history in examples.histories]
    assert examples.starts is not None
    assert examples.stops is not None
    bounds = zip(examples.histories, examples.starts, examples.stops, strict=True)
    return [Events(history, features[start:stop]) for history, start, stop in bounds]
