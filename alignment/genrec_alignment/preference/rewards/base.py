"""What a reward is given, and what it gives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from genrec.semantic_ids import Catalogue

Ints = npt.NDArray[np.integer]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RewardContext:
    """A batch of requests as rewards see it: what was before, and what came next.

    Args:
        catalogue: whose ``item_index`` values the items are.
        histories: for each request int [events], ``item_index``, oldest first.
        targets: for each request int [any], ``item_index`` of what the person really chose next; may be empty.
        history_values: for each request float [events], what the log has as the events' value, such as seconds
            watched; None where it has none. NaN for an event without.
        target_values: for each request float [targets], likewise.
        disliked: for each request bool [targets], whether the person said so; None where the log does not know.
        seed: of what a reward draws; to be another one for every batch.
    """

    catalogue: Catalogue
    histories: Sequence[Ints]
    targets: Sequence[Ints]
    history_values: Sequence[npt.NDArray[np.floating]] | None = None
    target_values: Sequence[npt.NDArray[np.floating]] | None = None
    disliked: Sequence[Bools] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        parts = (self.targets, self.history_values, self.target_values, self.disliked)
        requests = len(self.histories)
        if any(part is not None and len(part) != requests for part in parts):
            raise ValueError(f"every part of a context must have one entry for each of {requests} requests")

    @cached_property
    def padded_targets(self) -> npt.NDArray[np.int64]:
        """The targets as int64 [requests, most targets], at least one wide; -1 where a request has fewer."""
        padded = np.full((len(self.targets), max([1, *map(len, self.targets)])), -1, dtype=np.int64)
        for row, targets in enumerate(self.targets):
            padded[row, : len(targets)] = targets
        return padded

    def hits(self, items: Ints) -> Bools:
        """Say which items are among their request's targets, bool of the shape of ``items`` [requests, ...]."""
        flat = np.asarray(items).reshape(len(items), -1)
        hits = (flat[:, :, None] == self.padded_targets[:, None]).any(axis=2) & (flat >= 0)
        return np.asarray(hits.reshape(np.shape(items)))


class Reward(ABC):
    """A rule that gives every candidate a number.

    A candidate is an item, or a session of several; what is no candidate gets 0.
    """

    name: ClassVar[str]

    @abstractmethod
    def __call__(self, context: RewardContext, items: Ints) -> Floats:
        """Return float32 [requests, candidates].

        Args:
            context: of the requests.
            items: int [requests, candidates, items], ``item_index``, a request's candidates best first by the
                policy's score; -1 where a session has no more items, and all -1 where there is no candidate.
        """


def share_of_items(values: npt.NDArray, items: Ints) -> Floats:
    """Return the mean of values [requests, candidates, items] over each candidate's items, float32; 0 of none."""
    real = np.asarray(items) >= 0
    return (np.where(real, values, 0).sum(axis=-1) / np.maximum(real.sum(axis=-1), 1)).astype(np.float32)
