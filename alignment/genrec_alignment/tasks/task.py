"""What every alignment task is: units of the data, and one row to learn from each of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from genrec_alignment.tasks.source import TaskSource

T = TypeVar("T")


class TaskRow(NamedTuple):
    """One row as text; SID tokens are written out, such as ``<a_17><b_3><c_0>``.

    Args:
        task: the name of the task.
        prompt: the question, of which nothing is learned; None: there is none, and ``completion`` is plain text
            without roles.
        completion: what is learned.
        given: the beginning of the answer, SID tokens that are read and not learned.
    """

    task: str
    prompt: str | None
    completion: str
    given: str = ""


class Task(ABC):
    """Turns units of a dataset (items, users, events) into rows.

    A task whose dataset lacks a column has no units.

    Args:
        source: the data.
    """

    name: ClassVar[str]
    needs: ClassVar[str]  # what a dataset without units lacks

    def __init__(self, source: TaskSource) -> None:
        self.source = source

    @abstractmethod
    def __len__(self) -> int:
        """The number of units; a pass over all of them shows the task everything once."""

    @abstractmethod
    def row(self, unit: int, rng: np.random.Generator) -> TaskRow:
        """Return a row made of one unit; phrasing and cuts are drawn by ``rng``."""

    def rows(self, rng: np.random.Generator) -> Iterator[TaskRow]:
        """Yield one row for each unit, in order."""
        for unit in range(len(self)):
            yield self.row(unit, rng)


class ItemTask(Task):
    """A task on items, each of them a unit, also those that no one has interacted with yet."""

    def __init__(self, source: TaskSource) -> None:
        super().__init__(source)
        self._items = np.flatnonzero(self.usable())

    @abstractmethod
    def usable(self) -> npt.NDArray[np.bool_]:
        """Say for each item whether it has what the task needs, bool [items]."""

    def __len__(self) -> int:
        return len(self._items)

    def item(self, unit: int) -> int:
        """Return the ``item_index`` of a unit."""
        return int(self._items[unit])


class EventTask(Task):
    """A task on events of the training part that have one before them: a history, and what came next."""

    def __init__(self, source: TaskSource) -> None:
        super().__init__(source)
        events = source.later_events()
        self._events = events[self.usable(events)]

    def usable(self, events: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Say for each of ``events``, rows of ``source.items``, whether it has what the task needs."""
        return np.ones(len(events), dtype=bool)

    def __len__(self) -> int:
        return len(self._events)

    def example(self, unit: int) -> tuple[npt.NDArray[np.int32], int]:
        """Return the latest ``history_length`` items before an event, oldest first, and the event's item."""
        return self.source.example(int(self._events[unit]))


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    """Return one of ``options``, each as likely as any other."""
    return options[int(rng.integers(len(options)))]


def listed(words: Sequence[str]) -> str:
    """Return words as a phrase: ``a, b and c``."""
    return " and ".join([*([", ".join(words[:-1])] if len(words) > 1 else []), *words[-1:]])
