"""The next item as a target: all items of a window at once, or one row for every item of the log."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from genrec_alignment.pretraining.tasks import Task, Tasks


class ItemWindows(Tasks):
    """Stretches of histories in which every item is learned in one pass; for models that read causally.

    A window holds one item more than a history, so that its last item is learned after a history of full length.
    Every epoch visits a user once for each ``history_length`` items, each time with a window that starts anywhere.
    The first item of a user is learned from nothing, as the cold-start answer; the first item of a window that
    starts later is only read, because it has a history, which is merely cut off.
    """

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Events that the model reads: a window but for its last item."""
        counts = np.array([len(rows) for rows in self.log.users], dtype=np.int64)
        return np.minimum(counts - 1, self.history_length)[self._owners]

    @cached_property
    def _owners(self) -> npt.NDArray[np.intp]:
        counts = np.array([len(rows) for rows in self.log.users], dtype=np.int64)
        return np.repeat(np.arange(len(counts)), np.maximum(1, -(-(counts - 1) // self.history_length)))

    def task(self, row: int) -> Task:
        """Return a window: all but its last item are read, and all are learned."""
        rows = self.log.users[self._owners[row]]
        room = len(rows) - (self.history_length + 1)
        rng = self._rng(row) if room > 0 or self.order_noise else None
        start = int(rng.integers(room + 1)) if rng is not None and room > 0 else 0
        window = self._noisy(rows[start : start + self.history_length + 1], rng)
        targets = self.log.items[window].astype(np.int64)[:, None]
        if start:
            targets[0] = -1
        return Task(window[:-1], targets, np.arange(len(window), dtype=np.int64))


class NextItems(Tasks):
    """One row for every item of the log, with the items before it as its history; for bidirectional encoders."""

    @cached_property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Events before each item, as far as the model reads back."""
        return np.minimum(self._places, self.history_length)

    @cached_property
    def _owners(self) -> npt.NDArray[np.intp]:
        return np.repeat(np.arange(len(self.log.users)), [len(rows) for rows in self.log.users])

    @cached_property
    def _places(self) -> npt.NDArray[np.int64]:
        return np.concatenate([np.zeros(0, np.int64), *(np.arange(len(rows)) for rows in self.log.users)])

    def task(self, row: int) -> Task:
        """Return one item and the history before it."""
        rows, place = self.log.users[self._owners[row]], int(self._places[row])
        history = rows[max(0, place - self.history_length) : place]
        rng = self._rng(row) if self.order_noise else None
        return Task(self._noisy(history, rng), self.log.items[rows[place]].astype(np.int64).reshape(1, 1))
