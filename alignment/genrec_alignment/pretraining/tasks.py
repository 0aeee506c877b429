"""What models that read histories as events learn: for each row of an epoch a history and the items after it.

A row becomes a task only when its batch is made, so that every epoch can cut it anew; what it becomes depends on
seed, epoch and row alone, and a resumed run sees what the uninterrupted one would have seen.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import Dataset as TorchDataset

from genrec.data import Dataset
from genrec.models.histories import Events, batch_histories
from genrec.semantic_ids import Catalogue
from genrec_alignment.pretraining.windows import IGNORED

NOTHING = -1  # a row without any task, which fills up the last step of several processes


@dataclass(frozen=True)
class TrainingLog:
    """The training part of a dataset: whose events stand in which rows.

    Args:
        items: int32 [interactions], ``item_index`` of every interaction of the dataset.
        users: int64 rows of each user's training interactions, oldest first; users without any are left out.
        features: int [interactions, features], or None.
        condenser: shortens long histories before the model reads them, or None.
    """

    items: npt.NDArray[np.int32]
    users: list[npt.NDArray[np.int64]]
    features: npt.NDArray[np.integer] | None = None
    condenser: Callable[[Events], Events] | None = None

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        features: npt.NDArray[np.integer] | None = None,
        condenser: Callable[[Events], Events] | None = None,
    ) -> TrainingLog:
        """Return the training part of ``dataset``; ``features`` are those of all its interactions."""
        log = dataset.sequences
        bounds = zip(log.offsets[:-1], log.offsets[1:], strict=True)
        users = [start + np.flatnonzero(log.splits[start:stop] == 0) for start, stop in bounds]
        return cls(log.items, [rows for rows in users if len(rows)], features, condenser)

    def events(self, rows: npt.NDArray[np.integer]) -> Events:
        """Return the events in ``rows``, as the model reads them."""
        events = Events(self.items[rows], None if self.features is None else self.features[rows])
        return events if self.condenser is None else self.condenser(events)


class Task(NamedTuple):
    """One row of a batch.

    Args:
        history: rows of the log that the model reads, oldest first.
        targets: int64 [tasks, items], ``item_index``; -1 where there is no item.
        visible: int64 [tasks], how many events of the history each task may see; None: one task that sees all.
    """

    history: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64]
    visible: npt.NDArray[np.int64] | None = None


class Tasks(TorchDataset[int], ABC):
    """The rows of an epoch; called with some of them, it makes their batch.

    Args:
        log: the training part.
        catalogue: gives the items' codes.
        item_rows: int [items], each item's row in the model's item table; see :class:`genrec.models.HistoryBatch`.
        history_length: events in a history, at most.
        seed: the seed of the windows' starts and of the noise.
        order_noise: as in :class:`genrec_alignment.pretraining.windows.Windows`, within what the model reads.
    """

    def __init__(
        self,
        log: TrainingLog,
        catalogue: Catalogue,
        item_rows: npt.NDArray[np.integer],
        history_length: int,
        seed: int,
        order_noise: float = 0.0,
    ) -> None:
        self.log = log
        self.codes = catalogue.codes
        self.item_rows = item_rows
        self.history_length = history_length
        self.seed = seed
        self.order_noise = order_noise
        self.epoch = 0
        # Whose the histories of a batch are; only a teacher asks for it.
        self.users_of: Callable[[list[npt.NDArray[np.int64]]], torch.Tensor] | None = None

    @cached_property
    @abstractmethod
    def lengths(self) -> npt.NDArray[np.int64]:
        """Events that the model reads in each row."""

    @abstractmethod
    def task(self, row: int) -> Task:
        """Return what there is to learn in a row, in this epoch."""

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, row: int) -> int:
        """Return the row itself: batches are made whole, which is faster than item by item."""
        return row

    def __call__(self, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """Return the batch of some rows, as a HistoryModel's ``forward`` takes it.

        The codes of targets are int64 [batch, tasks, items, levels], -100 where there is no item; ``visible`` is
        there only where tasks of one row differ in what they see.
        """
        tasks = [self.task(row) if row != NOTHING else _no_task() for row in rows]
        features = 0 if self.log.features is None else self.log.features.shape[1]
        histories = [self.log.events(task.history) for task in tasks]
        batch = batch_histories(histories, self.codes, self.item_rows, features)
        inputs = {
            "history_codes": batch.codes,
            "history_rows": batch.rows,
            "history_features": batch.features,
            "history_mask": batch.mask,
            **self._targets(tasks),
        }
        if any(task.visible is not None for task in tasks):
            inputs["visible"] = torch.from_numpy(_visible(tasks))
        if self.users_of is not None:
            inputs["users"] = self.users_of([task.history for task in tasks])
        return inputs

    def _targets(self, tasks: Sequence[Task]) -> dict[str, torch.Tensor]:
        most = tuple(max(task.targets.shape[axis] for task in tasks) for axis in (0, 1))
        items = np.full((len(tasks), *most), -1, dtype=np.int64)
        for at, task in enumerate(tasks):
            count, length = task.targets.shape
            items[at, :count, :length] = task.targets
        codes = np.where(items[..., None] < 0, IGNORED, self.codes[items].astype(np.int64))
        rows = np.where(items < 0, IGNORED, self.item_rows[items].astype(np.int64))
        return {"target_codes": torch.from_numpy(codes), "target_rows": torch.from_numpy(rows)}

    def _rng(self, row: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.epoch, row])

    def _noisy(self, rows: npt.NDArray[np.int64], rng: np.random.Generator | None) -> npt.NDArray[np.int64]:
        if not self.order_noise or rng is None:
            return rows
        places = np.arange(len(rows)) + rng.uniform(0, self.order_noise, len(rows))
        return rows[np.argsort(places, kind="stable")]


def _no_task() -> Task:
    return Task(np.zeros(0, np.int64), np.full((1, 1), -1, np.int64))


def _visible(tasks: Sequence[Task]) -> npt.NDArray[np.int64]:
    visible = np.zeros((len(tasks), max(len(task.targets) for task in tasks)), dtype=np.int64)
    for at, task in enumerate(tasks):
        if task.visible is not None:
            visible[at, : len(task.visible)] = task.visible
    return visible
