"""What is known of an item that was shown: the runtime's and the training's common ground."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Int64 = npt.NDArray[np.int64]

OUTCOMES = ("goes_on", "viewed", "liked")
VIEWED, SKIPPED, LIKED, PENDING, EARLIER = range(5)
MARKS = ("viewed", "skipped", "liked", "pending", "earlier session")


class Past(NamedTuple):
    """What was shown so far, oldest first.

    Args:
        vectors: float32 [shown, dims], of the items.
        marks: float32 [shown, 5], 0 or 1, in the order of ``MARKS``. An item whose answer is not known yet is
            *pending* and nothing else; one of an earlier session is *earlier* beside its answer.
    """

    vectors: Float32
    marks: Float32

    @classmethod
    def empty(cls, dims: int) -> Past:
        """Return the past of a user of whom nothing is known."""
        return cls(np.zeros((0, dims), np.float32), np.zeros((0, len(MARKS)), np.float32))

    def then(self, vector: Float32, mark: Float32) -> Past:
        """Return this past and one more item, of vector [dims] and marks [5]."""
        return Past(np.concatenate([self.vectors, vector[None]]), np.concatenate([self.marks, mark[None]]))


def mark(viewed: bool, liked: bool) -> Float32:
    """Return the marks of an answer, float32 [5]."""
    marks = np.zeros(len(MARKS), np.float32)
    marks[VIEWED if viewed else SKIPPED] = 1
    marks[LIKED] = liked
    return marks


def pending() -> Float32:
    """Return the marks of an item whose answer is not known yet, float32 [5]."""
    marks = np.zeros(len(MARKS), np.float32)
    marks[PENDING] = 1
    return marks
