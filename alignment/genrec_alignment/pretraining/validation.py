"""What a generator is validated on while it trains: the items it recommends for the validation examples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genrec.data import Dataset, Examples
from genrec.decoding.recommender import Recommender
from genrec.errors import DataError
from genrec.models import Events
from genrec_eval.metrics import accuracy

PLACES = 10


@dataclass(frozen=True)
class Validation:
    """Validation examples, one target item each.

    Args:
        histories: what the model reads of each.
        targets: int64 [examples], ``item_index``.
    """

    histories: list[Events]
    targets: npt.NDArray[np.int64]

    @classmethod
    def of(
        cls, dataset: Dataset, most: int, seed: int, features: npt.NDArray[np.integer] | None = None
    ) -> Validation:
        """Return the validation examples of a dataset, a fixed random part of them where there are many.

        Args:
            dataset: with a validation part.
            most: examples at most.
            seed: of the choice.
            features: int [interactions, features] of the dataset; None where the model reads none.

        Raises:
            DataError: if there is no validation part.
        """
        examples = dataset.examples("valid")
        if not len(examples):
            raise DataError(f"{dataset.path} has no validation part.", "Choose a data.split that makes one.")
        if len(examples) > most:
            examples = examples[np.sort(np.random.default_rng(seed).choice(len(examples), most, replace=False))]
        return cls(_events(examples, features), examples.targets)

    @property
    def metric(self) -> str:
        """The metric that tells the best checkpoint."""
        return f"ndcg@{PLACES}"

    def __len__(self) -> int:
        return len(self.histories)

    def __getitem__(self, rows: slice) -> Validation:
        return Validation(self.histories[rows], self.targets[rows])

    def recommend(self, recommender: Recommender, beams: int, exclude_seen: bool) -> npt.NDArray[np.int64]:
        """Return the best items for each example, int64 [examples, 10]."""
        histories = self.histories if recommender.generator.reads_events else [one.items for one in self.histories]
        seen = [one.items for one in self.histories] if exclude_seen else None
        return recommender.recommend(histories, PLACES, beams, seen).items

    def metrics(self, items: npt.NDArray[np.int64]) -> dict[str, float]:
        """Return recall and NDCG of what :meth:`recommend` gave."""
        return accuracy(items, self.targets, [PLACES])


def _events(examples: Examples, features: npt.NDArray[np.integer] | None) -> list[Events]:
    if features is None:
        return [Events(history) for history in examples.histories]
    assert examples.starts is not None
    assert examples.stops is not None
    bounds = zip(examples.histories, examples.starts, examples.stops, strict=True)
    return [Events(history, features[start:stop]) for history, start, stop in bounds]
