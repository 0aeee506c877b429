"""Histories as a model of the OneRec family reads them: one row an event, not one token a code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Events:
    """One user's events, oldest first.

    Args:
        items: int [events], ``item_index``.
        features: int [events, features], the codes of what else is known of each event, in the order of the model's
            feature names; 0 is "unknown". None where nothing is known.
    """

    items: npt.NDArray[np.integer]
    features: npt.NDArray[np.integer] | None = None

    def __len__(self) -> int:
        return len(self.items)

    def latest(self, most: int) -> Events:
        """Return the latest ``most`` events."""
        start = max(0, len(self.items) - most)
        return Events(self.items[start:], None if self.features is None else self.features[start:])


@dataclass(frozen=True)
class HistoryBatch:
    """Right-padded histories as tensors.

    Args:
        codes: int64 [batch, events, levels], the codes of each event's item; 0 on padding.
        rows: int64 [batch, events], 1 + the row of the item in the model's item table; 0 for an item the model was
            not trained on, and on padding.
        features: int64 [batch, events, features]; 0 is "unknown", and on padding.
        mask: bool [batch, events], False on padding.
    """

    codes: torch.Tensor
    rows: torch.Tensor
    features: torch.Tensor
    mask: torch.Tensor

    def __len__(self) -> int:
        return len(self.mask)

    def to(self, device: torch.device) -> HistoryBatch:
        """Return the batch on ``device``."""
        return HistoryBatch(
            self.codes.to(device), self.rows.to(device), self.features.to(device), self.mask.to(device)
        )


def batch_histories(
    histories: Sequence[Events],
    codes: npt.NDArray[np.integer],
    rows: npt.NDArray[np.integer],
    features: int,
) -> HistoryBatch:
    """Return histories as one right-padded batch, at least one event wide.

    Args:
        histories: the events of each request; may be empty.
        codes: int [items, levels], the semantic ID of each ``item_index``.
        rows: int [items], as in :class:`HistoryBatch`, for each ``item_index``.
        features: how many features the model reads.
    """
    import torch

    lengths = np.array([len(events) for events in histories], dtype=np.int64)
    width = max(1, int(lengths.max(initial=0)))
    mask = np.arange(width) < lengths[:, None]
    items = np.concatenate([*(np.asarray(events.items, dtype=np.int64) for events in histories), np.zeros(0, int)])
    all_codes = np.zeros((*mask.shape, codes.shape[1]), dtype=np.int64)
    all_rows = np.zeros(mask.shape, dtype=np.int64)
    all_features = np.zeros((*mask.shape, features), dtype=np.int64)
    # Row by row, the True places of the mask are exactly the events one after another.
    all_codes[mask], all_rows[mask] = codes[items], rows[items]
    if features:
        all_features[mask] = np.concatenate([_features(events, features) for events in histories])
    return HistoryBatch(*(torch.from_numpy(array) for array in (all_codes, all_rows, all_features, mask)))


def _features(events: Events, features: int) -> npt.NDArray[np.integer]:
    if events.features is None:
        return np.zeros((len(events), features), dtype=np.int64)
    if events.features.shape != (len(events), features):
        raise ValueError(f"features are {events.features.shape}, but must be {(len(events), features)}")
    return events.features
