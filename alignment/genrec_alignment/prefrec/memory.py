"""The state of a user: what was shown and what was liked, fading with the days."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from genrec_alignment.prefrec.steps import Float32, Float64, Int64, Steps


class Memory:
    """Sums of item vectors over a user's past, each halved by every so many days. The form of the state is ours.

    A state is float32 [streams · dims + 1]: for each half-life the fading sum of the vectors of what was shown, and
    that of what was shown times the feedback (so ``streams`` is twice the half-lives), through arsinh, which tames
    long histories; and log(1 + days since the last step).

    Args:
        vectors: float32 [items, dims].
        users: how many.
        half_lives: in days.
    """

    def __init__(self, vectors: Float32, users: int, half_lives: Sequence[float]) -> None:
        self.vectors = np.asarray(vectors, dtype=np.float32)
        self.half_lives = np.asarray(half_lives, dtype=np.float64)
        self.streams = 2 * len(half_lives)
        self._sums = np.zeros((users, self.streams, self.vectors.shape[1]), dtype=np.float32)
        self._days = np.full(users, np.nan)

    @property
    def size(self) -> int:
        """How many numbers a state has."""
        return self.streams * self.vectors.shape[1] + 1

    def read(self, users: Int64, days: Float64) -> Float32:
        """Return the states of users on a day each, float32 [n, size], before anything is shown on it."""
        passed = np.nan_to_num(days - self._days[users])
        sums = np.arcsinh(self._sums[users] * self._fading(passed)).reshape(len(users), -1)
        return np.concatenate([sums, np.log1p(passed)[:, None]], axis=1).astype(np.float32)

    def write(self, users: Int64, items: Int64, days: Float64, feedback: Float32) -> None:
        """Remember one item shown to each of some users, none of them twice."""
        passed = np.nan_to_num(days - self._days[users])
        shown = self.vectors[items][:, None]
        streams = np.concatenate([shown, shown * feedback[:, None, None]], axis=1)
        self._sums[users] = self._sums[users] * self._fading(passed)
        self._sums[users] += np.repeat(streams, len(self.half_lives), axis=1)
        self._days[users] = days

    def _fading(self, passed: Float64) -> Float32:
        """Return what is left after some days, float32 [n, streams, 1]."""
        left = 0.5 ** (passed[:, None] / self.half_lives)
        return np.concatenate([left, left], axis=1)[:, :, None].astype(np.float32)


def states_of(steps: Steps, vectors: Float32, half_lives: Sequence[float]) -> Float32:
    """Return the state before every step of a log, float32 [steps, size]."""
    _, first, lengths = np.unique(steps.users, return_index=True, return_counts=True)
    memory = Memory(vectors, int(steps.users[-1]) + 1, half_lives)
    states = np.empty((len(steps), memory.size), dtype=np.float32)
    for place in range(int(lengths.max())):
        rows = first[lengths > place] + place
        users, days = steps.users[rows], steps.days[rows]
        states[rows] = memory.read(users, days)
        memory.write(users, steps.items[rows], days, steps.feedback[rows])
    return states
