"""What users did: in the log, and in the simulation since."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from genrec.data import Dataset
from genrec_eval.simulation.arrays import Bools, Floats, Ints
from genrec_eval.simulation.log import Log

Items = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Visit:
    """What one user was shown in one simulated visit, in order.

    Args:
        day: since the simulation began.
        items: int32 [items].
        liked: bool [items].
        values: float64 [items], NaN where the log has no values.
    """

    day: float
    items: Items
    liked: Bools
    values: Floats


@dataclass
class Past:
    """The histories that systems read: everything in the log, then everything shown since.

    Args:
        items: one int32 array a user, oldest first.
        visits: the simulated visits of every user.
    """

    items: list[Items]
    visits: list[list[Visit]] = field(default_factory=list)

    @classmethod
    def of(cls, dataset: Dataset) -> Past:
        """Begin where the log ends."""
        sequences = dataset.sequences
        items = [sequences.items[start:stop] for start, stop in pairwise(sequences.offsets)]
        return cls(items, [[] for _ in items])

    def add(self, user: int, visit: Visit) -> None:
        """Put a visit at the end of a user's history."""
        if len(visit.items):
            self.items[user] = np.concatenate([self.items[user], visit.items])
            self.visits[user].append(visit)

    def twin(self) -> Past:
        """Return the same past, to be added to apart from this one."""
        return Past(list(self.items), [list(visits) for visits in self.visits])

    def of_users(self, users: Ints) -> list[Items]:
        """Return the histories of some users."""
        return [self.items[user] for user in users]


@dataclass(frozen=True)
class Words:
    """What a simulated event is called in the log's terms, for generators that read more than items.

    Args:
        liked, other: the behavior of an event that was liked, and of one that was not; None where the log has none.
        ends: the log's last moment, in milliseconds since 1970; None where it has no times.
    """

    liked: str | None
    other: str | None
    ends: int | None

    @classmethod
    def of(cls, dataset: Dataset, log: Log) -> Words:
        """Find them: the most frequent behavior of likes, and of the rest."""
        ends = int(dataset.sequences.timestamps.max()) if log.timed else None
        behaviors = dataset.sequences.behaviors
        if behaviors is None:
            return cls(None, None, ends)
        return cls(_commonest(behaviors.to_numpy()[log.liked]), _commonest(behaviors.to_numpy()[~log.liked]), ends)


def _commonest(words: npt.NDArray[np.object_]) -> str | None:
    known, counts = np.unique([word for word in words if word is not None], return_counts=True)
    return str(known[counts.argmax()]) if len(known) else None
