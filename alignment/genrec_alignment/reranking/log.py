"""What the re-ranker learns from: who was shown what, in which session, with what answer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from genrec.errors import DataError
from genrec.reranking.marks import EARLIER, LIKED, MARKS, SKIPPED, VIEWED, Float32, Int64, Past


@dataclass(frozen=True)
class SessionLog:
    """Items that were shown, user by user, oldest first.

    Args:
        users: int64 [shown], rising.
        sessions: int64 [shown]; the rows of a session are neighbours.
        items: int64 [shown], rows of ``vectors``.
        outcomes: float32 [shown, 3], 0 or 1: the user went on in the session, viewed the item, liked it.
        features: float32 [shown, features], what the server said of the item when it was shown.
        vectors: float32 [items, dims].
        feature_names: one for each column of ``features``.
    """

    users: Int64
    sessions: Int64
    items: Int64
    outcomes: Float32
    features: Float32
    vectors: Float32
    feature_names: tuple[str, ...]

    def __post_init__(self) -> None:
        rows, problems = len(self.users), []
        if not rows:
            problems.append("The log is empty.")
        for name, size in (("sessions", (rows,)), ("items", (rows,)), ("outcomes", (rows, 3))):
            if getattr(self, name).shape != size:
                problems.append(f"{name} is {getattr(self, name).shape}, not {size}.")
        if self.features.shape != (rows, len(self.feature_names)):
            problems.append(f"features is {self.features.shape}, not {(rows, len(self.feature_names))}.")
        if (np.diff(self.users) < 0).any():
            problems.append("Rows are not sorted by user.")
        if problems:
            raise DataError(problems, "See genrec_alignment.reranking.log.SessionLog.")

    def __len__(self) -> int:
        return len(self.users)

    @property
    def user_starts(self) -> Int64:
        """The first row of each row's user, int64 [shown]."""
        return np.searchsorted(self.users, self.users)

    @property
    def session_starts(self) -> Int64:
        """The first row of each row's session, int64 [shown]."""
        new = np.flatnonzero((np.diff(self.sessions) != 0) | (np.diff(self.users) != 0)) + 1
        return np.repeat(np.concatenate([[0], new]), np.diff(np.concatenate([[0], new, [len(self)]])))

    @property
    def marks(self) -> Float32:
        """The marks of every answer, float32 [shown, 5], as of this session."""
        marks = np.zeros((len(self), len(MARKS)), np.float32)
        marks[:, VIEWED], marks[:, LIKED] = self.outcomes[:, 1], self.outcomes[:, 2]
        marks[:, SKIPPED] = 1 - self.outcomes[:, 1]
        return marks

    def only(self, users: Int64) -> SessionLog:
        """Return the rows of some users."""
        kept = np.isin(self.users, users)
        return replace(
            self,
            users=self.users[kept],
            sessions=self.sessions[kept],
            items=self.items[kept],
            outcomes=self.outcomes[kept],
            features=self.features[kept],
        )

    def before(self, row: int) -> Past:
        """Return what a row's user was shown before its session, all answered."""
        rows = np.arange(self.user_starts[row], self.session_starts[row])
        marks = self.marks[rows]
        marks[:, EARLIER] = 1
        return Past(self.vectors[self.items[rows]], marks)
