"""Requests: moments in users' histories at which a policy is asked, and who may be asked for what.

The users of the reward model's own training may be asked for preference rows. Those of the judge and those that
neither has seen are for validation alone, so that no policy is judged on users that it was aligned with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genrec.data import Dataset, SessionExamples
from genrec.data.dataset import SPLITS
from genrec.errors import DataError

Ints = npt.NDArray[np.int64]
_TRAIN = SPLITS.index("train")


@dataclass(frozen=True)
class Requests:
    """Moments in histories.

    Args:
        users: int64 [requests], ``user_index``.
        starts: int64 [requests], the row of :class:`~genrec.data.Sequences` that each history begins with.
        stops: int64 [requests], the row after its last; different for every request.
        targets: what came next, an array of ``item_index`` for each.
    """

    users: Ints
    starts: Ints
    stops: Ints
    targets: Sequence[npt.NDArray[np.integer]]

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, rows: slice | range | Ints) -> Requests:
        at = np.arange(len(self))[np.asarray(rows) if isinstance(rows, range) else rows]
        return Requests(self.users[at], self.starts[at], self.stops[at], [self.targets[row] for row in at])

    def logged(self, length: int) -> Ints:
        """Return the first ``length`` targets of each, int64 [requests, length]; -1 where there are fewer."""
        items = np.full((len(self), length), -1, dtype=np.int64)
        for row, targets in enumerate(self.targets):
            items[row, : len(targets)] = targets[:length]
        return items


def moments(dataset: Dataset, users: Ints, length: int) -> Requests:
    """Return every moment of the training part at which users may be asked.

    A moment is a training interaction with something before it, and nothing but training before it; its targets are
    the next ``length`` training items.

    Raises:
        DataError: if there is none.
    """
    log = dataset.sequences
    found = [_moments_of(dataset, int(user), length) for user in users]
    counts = [len(rows) for rows, _ in found]
    if not sum(counts):
        raise DataError(
            f"{dataset.path}: none of the {len(users)} users for preferences has two training interactions.",
            "Take a larger log.",
        )
    owners = np.repeat(users, counts).astype(np.int64)
    stops = np.concatenate([rows for rows, _ in found]).astype(np.int64)
    return Requests(owners, log.offsets[owners], stops, [items for _, targets in found for items in targets])


def _moments_of(dataset: Dataset, user: int, length: int) -> tuple[Ints, list[npt.NDArray[np.integer]]]:
    log = dataset.sequences
    start, stop = int(log.offsets[user]), int(log.offsets[user + 1])
    other = np.flatnonzero(log.splits[start:stop] != _TRAIN)
    end = start + int(other[0]) if len(other) else stop
    rows = np.arange(start + 1, max(start + 1, end))
    return rows, [log.items[row : min(row + length, end)] for row in rows]


def validation_requests(dataset: Dataset, users: Ints, length: int, most: int, seed: int) -> Requests:
    """Return the requests of the validation part of some users, a fixed random part of them where there are many.

    Args:
        dataset: with a validation part.
        users: their indices.
        length: items of a candidate; above 1 a request's targets are a whole session.
        most: requests at most.
        seed: of the choice.

    Raises:
        DataError: if there is no such part.
    """
    examples = dataset.examples("valid", users) if length == 1 else dataset.session_examples("valid", users)
    if not len(examples):
        raise DataError(
            f"{dataset.path}: the users for validation have no validation part.",
            "Choose a data.split that makes one.",
        )
    if len(examples) > most:
        examples = examples[np.sort(np.random.default_rng(seed).choice(len(examples), most, replace=False))]
    assert examples.starts is not None
    assert examples.stops is not None
    whole = isinstance(examples, SessionExamples)
    targets = examples.targets if whole else [np.array([item]) for item in examples.targets]
    return Requests(examples.users, examples.starts, examples.stops, list(targets))


def draw(requests: Requests, count: int, seed: int) -> Requests:
    """Return ``count`` of the requests at random, or all of them if there are not as many."""
    return requests[np.sort(np.random.default_rng(seed).permutation(len(requests))[:count])]
