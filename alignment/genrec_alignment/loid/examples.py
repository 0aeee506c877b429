"""Interactions to be predicted, and what of their users may be read for each: never the interaction itself.

rating   All other interactions of the user's *training part*, as rating prediction takes them: time does not count.
item     What the user did before the interaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from genrec.data import Dataset
from genrec.data.dataset import SPLITS
from genrec.errors import DataError
from genrec_alignment.loid.config import TargetName

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Batch:
    """Some interactions as tensors.

    Args:
        users: int64 [batch], ``user_index``.
        items: int64 [batch, candidates]; the interaction's own item first.
        values: float32 [batch]; NaN where there is none.
        history: int64 [batch, events], ``item_index``; -1 on padding.
        weights: float32 [batch, events]: each event's value less the training part's mean, in its deviations; 0
            where it has none, and on padding.
    """

    users: Tensor
    items: Tensor
    values: Tensor
    history: Tensor
    weights: Tensor


class Interactions:
    """The interactions of a dataset, to be cut into batches.

    Args:
        dataset: of the target domain.
        target: ``rating`` or ``item``.
        history_length: events of a history, at most: the latest ones.

    Raises:
        DataError: if ratings are asked for and the log has none.
    """

    def __init__(self, dataset: Dataset, target: TargetName, history_length: int) -> None:
        log = dataset.sequences
        if target == "rating" and log.values is None:
            raise DataError(f"{dataset.path}: its log has no values.", "Set loid.target=item.")
        self.target, self.history_length = target, history_length
        self.items, self.offsets, self.splits = log.items.astype(np.int64), log.offsets, log.splits
        self.values = np.full(len(log.items), np.nan) if log.values is None else log.values
        self.users = np.repeat(np.arange(len(log)), np.diff(log.offsets))
        known = self.values[(self.splits == 0) & ~np.isnan(self.values)]
        self.mean, self.deviation = (float(known.mean()), float(known.std()) or 1.0) if len(known) else (0.0, 1.0)

    def rows(self, split: str) -> Ints:
        """Return the rows of a split that can be predicted: all, or those that have a value."""
        chosen = self.splits == SPLITS.index(split)
        return np.flatnonzero(chosen & ~np.isnan(self.values) if self.target == "rating" else chosen)

    def readable(self, row: int) -> Ints:
        """Return the rows that may be read for predicting ``row``, oldest first."""
        start, stop = self.offsets[self.users[row]], self.offsets[self.users[row] + 1]
        if self.target == "item":
            return np.arange(start, row)
        rows = start + np.flatnonzero(self.splits[start:stop] == 0)
        return rows[rows != row]

    def batch(self, rows: Ints, items: Ints | None = None) -> Batch:
        """Return rows as tensors; ``items``, int64 [rows, candidates], takes the place of their own items."""
        histories = [self.readable(int(row))[-self.history_length :] for row in rows]
        width = max(1, max(len(history) for history in histories))
        history = np.full((len(rows), width), -1, dtype=np.int64)
        weights = np.zeros((len(rows), width), dtype=np.float32)
        for at, read in enumerate(histories):
            history[at, : len(read)] = self.items[read]
            weights[at, : len(read)] = np.nan_to_num((self.values[read] - self.mean) / self.deviation)
        candidates = self.items[rows][:, None] if items is None else items
        values = self.values[rows].astype(np.float32)
        return Batch(*map(torch.from_numpy, (self.users[rows], candidates, values, history, weights)))

    def training_batches(
        self, size: int, negatives: int, catalogue_size: int, rng: np.random.Generator
    ) -> Iterator[Batch]:
        """Yield the training part once, in random order; for the next item each with items drawn evenly."""
        rows = rng.permutation(self.rows("train"))
        for start in range(0, len(rows), size):
            some = rows[start : start + size]
            own = self.items[some][:, None]
            drawn = rng.integers(catalogue_size, size=(len(some), negatives if self.target == "item" else 0))
            yield self.batch(some, np.concatenate([own, drawn], axis=1))
