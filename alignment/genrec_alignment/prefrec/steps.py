"""What was shown to users, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Steps:
    """A log of steps, sorted by user and time; a step is one item shown in a session.

    Args:
        users: int64 [steps], from 0 on.
        sessions: int64 [steps], numbered from 0 over all users, in the order of the rows.
        items: int64 [steps], ``item_index``.
        days: float64 [steps], when.
        feedback: float32 [steps], what the user answered at once, such as a click (1) or none (0).
        until: the day on which the log ends, for everyone.

    Raises:
        ValueError: if the rows are not sorted so, or the sessions not numbered so.
    """

    users: Int64
    sessions: Int64
    items: Int64
    days: Float64
    feedback: Float32
    until: float

    def __post_init__(self) -> None:
        if not len(self.users):
            raise ValueError("a log must have a step")
        same_user, session = np.diff(self.users) == 0, np.diff(self.sessions)
        if (np.diff(self.users) < 0).any() or (same_user & (np.diff(self.days) < 0)).any():
            raise ValueError("steps must be sorted by user and time")
        if self.sessions[0] != 0 or not np.isin(session, (0, 1)).all() or (session[~same_user] != 1).any():
            raise ValueError("sessions must be numbered from 0 on, in the order of the rows")
        if self.days.max() > self.until:
            raise ValueError(f"a step on day {self.days.max()} is later than the log's end, {self.until}")

    def __len__(self) -> int:
        return len(self.users)

    @cached_property
    def session_rows(self) -> Int64:
        """Where each session begins, and behind them the number of steps, int64 [sessions + 1]."""
        return np.searchsorted(self.sessions, np.arange(self.sessions[-1] + 2)).astype(np.int64)

    @cached_property
    def session_users(self) -> Int64:
        """The user of each session, int64 [sessions]."""
        return self.users[self.session_rows[:-1]]

    @cached_property
    def returned(self) -> Bools:
        """Whether the user came back after the session, bool [sessions]; if not, the log may have ended before."""
        return np.append(self.session_users[1:] == self.session_users[:-1], False)

    @cached_property
    def away(self) -> Float64:
        """Days from a session's end to the user's next one, or to the log's end, float64 [sessions]."""
        ends = self.days[self.session_rows[1:] - 1]
        starts = np.append(self.days[self.session_rows[:-1]][1:], self.until)
        return np.where(self.returned, starts, self.until) - ends

    @cached_property
    def following(self) -> Int64:
        """The row of the user's next step, int64 [steps]; -1 where there is none."""
        rows = np.arange(1, len(self) + 1)
        rows[np.append(self.users[1:] != self.users[:-1], True)] = -1
        return rows
