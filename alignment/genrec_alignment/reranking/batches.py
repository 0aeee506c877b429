"""Windows of a log: what was shown before an item, and how much of it the user had answered by then."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from genrec.reranking.marks import EARLIER, PENDING, Int64
from genrec_alignment.reranking.log import SessionLog


class Window(NamedTuple):
    """Items, each after its own past.

    Args:
        vectors: float32 [n, dims], of the items.
        features: float32 [n, features].
        events: float32 [n, t, dims + 5], the past with its marks; the last event is the latest.
        there: bool [n, t], whether there is such an event.
        position: float32 [n], log(1 + events of this session before the item).
    """

    vectors: Tensor
    features: Tensor
    events: Tensor
    there: Tensor
    position: Tensor


class Windows:
    """Makes windows of a log.

    Args:
        log: the log.
        past: latest events that an item sees.
    """

    def __init__(self, log: SessionLog, past: int) -> None:
        self._log, self._past = log, past
        self._users, self._sessions, self._marks = log.user_starts, log.session_starts, log.marks

    def at(self, rows: Int64, pending: Int64) -> Window:
        """Return the windows of rows int64 [n], where the latest ``pending`` int64 [n] events are not answered.

        Only events of the row's own session can be pending.
        """
        log, ages = self._log, np.arange(self._past, 0, -1)
        at = rows[:, None] - ages
        there = at >= self._users[rows][:, None]
        at = np.where(there, at, 0)
        earlier = at < self._sessions[rows][:, None]
        marks = self._marks[at]
        waiting = (ages <= pending[:, None]) & ~earlier
        marks[waiting] = 0
        marks[waiting, PENDING] = 1
        marks[earlier, EARLIER] = 1
        events = np.concatenate([log.vectors[log.items[at]], marks], axis=2)
        position = np.log1p((rows - self._sessions[rows]).astype(np.float32))
        arrays = (log.vectors[log.items[rows]], log.features[rows], events, there, position)
        return Window(*(torch.from_numpy(array) for array in arrays))
