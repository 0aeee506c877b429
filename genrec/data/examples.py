"""Prediction tasks: what a user did, and what came next, as one item or as a whole session."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Items = npt.NDArray[np.int32]
Rows = slice | npt.NDArray[np.integer]


class Tasks(Protocol):
    """What both kinds of prediction tasks have in common."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Rows, /) -> Self: ...


@dataclass(frozen=True)
class Examples:
    """Prediction tasks of one split: each target with everything its user did before it.

    ``examples[rows]`` is the part at ``rows``, a slice or an array of positions.

    Args:
        users: int64 [examples], ``user_index``.
        targets: int64 [examples], ``item_index``.
        histories: one int32 array an example, oldest first; may be empty.
        starts: int64 [examples], the row of :class:`~genrec.data.Sequences` that each history begins with;
            None where the histories are not of a dataset.
        stops: int64 [examples], the row after the last of each history.
    """

    users: Ints
    targets: Ints
    histories: list[Items]
    starts: Ints | None = None
    stops: Ints | None = None

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, rows: Rows) -> Self:
        ends = (None if column is None else column[rows] for column in (self.starts, self.stops))
        return type(self)(self.users[rows], self.targets[rows], _pick(self.histories, rows), *ends)


@dataclass(frozen=True)
class SessionExamples:
    """Prediction tasks of one split: each session with everything its user did before its first event.

    ``examples[rows]`` is the part at ``rows``, a slice or an array of positions.

    Args:
        users: int64 [examples], ``user_index``.
        targets: one int32 array an example: the distinct items of the session, in order; never empty.
        histories: one int32 array an example, oldest first; may be empty.
        starts: int64 [examples], the row of :class:`~genrec.data.Sequences` that each history begins with.
        stops: int64 [examples], the row after the last of each history: the session's first.
    """

    users: Ints
    targets: list[Items]
    histories: list[Items]
    starts: Ints
    stops: Ints

    def __len__(self) -> int:
        return len(self.users)

    def __getitem__(self, rows: Rows) -> Self:
        targets, histories = _pick(self.targets, rows), _pick(self.histories, rows)
        return type(self)(self.users[rows], targets, histories, self.starts[rows], self.stops[rows])


@dataclass(frozen=True)
class SessionRows:
    """Sessions as rows of the flat :class:`~genrec.data.Sequences`, in order of their numbers.

    A total over each session is ``np.add.reduceat(column[sessions.rows], sessions.offsets[:-1])``; the history
    of session s is the rows from ``sequences.offsets[users[s]]`` up to ``first[s]``.

    Args:
        users: int64 [sessions], ``user_index``.
        rows: int64 [rows], the rows of one session side by side, oldest first.
        offsets: int64 [sessions + 1]; session s has ``rows[offsets[s]:offsets[s + 1]]``, at least one.
    """

    users: Ints
    rows: Ints
    offsets: Ints

    def __len__(self) -> int:
        return len(self.users)

    @property
    def first(self) -> Ints:
        """The first row of every session, int64 [sessions]."""
        return self.rows[self.offsets[:-1]]

    def __getitem__(self, session: int) -> Ints:
        """Return the rows of one session."""
        return self.rows[self.offsets[session] : self.offsets[session + 1]]


def group_sessions(rows: Ints, numbers: Ints, user_offsets: Ints) -> SessionRows:
    """Gather rows by session.

    Args:
        rows: int64 [rows], ascending.
        numbers: int64 [rows], the session of each.
        user_offsets: int64 [users + 1], as of :class:`~genrec.data.Sequences`.
    """
    order = np.argsort(numbers, kind="stable")
    rows, numbers = rows[order], numbers[order]
    starts = np.flatnonzero(np.diff(numbers, prepend=-1))
    offsets = np.append(starts, len(rows)).astype(np.int64)
    users = np.searchsorted(user_offsets, rows[starts], side="right") - 1
    return SessionRows(users.astype(np.int64), rows, offsets)


def distinct(items: Items) -> Items:
    """Return the different items in order of their first appearance."""
    return items[np.sort(np.unique(items, return_index=True)[1])]


def _pick(arrays: list[Items], rows: Rows) -> list[Items]:
    return arrays[rows] if isinstance(rows, slice) else [arrays[row] for row in np.arange(len(arrays))[rows]]
