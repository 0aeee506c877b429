"""The list of items that a person chose, as one answer: every item of a history is learned in one row."""

from __future__ import annotations

import numpy as np

from genrec.models.language.prompts import CONTINUATION
from genrec_alignment.tasks.source import TaskSource
from genrec_alignment.tasks.task import Task, TaskRow


class ContinueHistory(Task):
    """Windows of histories, asked for by the instruction of the serving prompt.

    A unit is a visit to a user: one for each ``history_length`` + 1 items, each with a window that starts anywhere.
    The first item of a window that starts later is only read: it has a history, which is merely cut off.
    """

    name = "continue_history"
    needs = "users with events in the training part"

    def __init__(self, source: TaskSource) -> None:
        super().__init__(source)
        visits = -(-np.diff(source.offsets) // (source.history_length + 1))
        self._ends = np.cumsum(visits)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:
        """Return a window of the history of a unit's user."""
        events = self.source.events(int(np.searchsorted(self._ends, unit, side="right")))
        history = self.source.items[events]
        start = int(rng.integers(max(0, len(history) - self.source.history_length - 1) + 1))
        window = history[start : start + self.source.history_length + 1]
        read = 1 if start else 0
        sids = self.source.sids
        return TaskRow(self.name, CONTINUATION, sids(window[read:]), given=sids(window[:read]))
