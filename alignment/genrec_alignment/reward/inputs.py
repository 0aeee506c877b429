"""From arrays of items to what a reward model reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from genrec.data import Dataset
from genrec.data.features import Features
from genrec.models.histories import Events, HistoryBatch, batch_histories
from genrec.semantic_ids import Catalogue
from genrec_alignment.reward.network import SessionBatch

History = Events | npt.NDArray[np.integer]


class RewardInputs:
    """Makes tensors of histories and sessions.

    Args:
        catalogue: the items.
        features: what is read of a history's events.
        history_length: events of a history, at most.
    """

    def __init__(self, catalogue: Catalogue, features: Features, history_length: int) -> None:
        self.catalogue, self.features, self.history_length = catalogue, features, history_length
        self._rows = 1 + np.arange(len(catalogue))  # 0 is padding
        self._codes = np.zeros((len(catalogue), 0), dtype=np.int64)  # an item is known by its vector, not by codes

    def histories(self, histories: Sequence[History]) -> HistoryBatch:
        """Return the latest events of each history as one right-padded batch."""
        events = [history if isinstance(history, Events) else Events(history) for history in histories]
        latest = [one.latest(self.history_length) for one in events]
        return batch_histories(latest, self._codes, self._rows, len(self.features.names))

    def sessions(self, items: npt.NDArray[np.integer]) -> SessionBatch:
        """Return sessions int [n, k, m] (``item_index``, -1 is padding) as tensors.

        Raises:
            ValueError: if an index is none of the catalogue's.
        """
        if items.ndim != 3 or (items.size and not -1 <= items.min() <= items.max() < len(self.catalogue)):
            raise ValueError(f"sessions must be [n, k, m] of -1 to {len(self.catalogue) - 1}")
        return SessionBatch(torch.from_numpy(items.astype(np.int64) + 1), torch.from_numpy(items >= 0))


class LoggedEvents:
    """The events of a dataset with their features, to be taken by slices.

    Args:
        dataset: where they are from.
        features: what is read of them.
        kept: the rows that may be read, ascending; None for all.
    """

    def __init__(self, dataset: Dataset, features: Features, kept: npt.NDArray[np.int64] | None = None) -> None:
        self.items, table = dataset.sequences.items, features.table(dataset)
        if kept is not None:
            self.items, table = self.items[kept], table[kept]
        self.table = table if features.names else None

    def slice(self, start: int, stop: int, most: int) -> Events:
        """Return the latest ``most`` events of the rows from ``start`` up to ``stop``."""
        start = max(start, stop - most)
        return Events(self.items[start:stop], None if self.table is None else self.table[start:stop])
