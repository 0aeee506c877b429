"""How tasks are mixed: which unit of which task every row of an epoch is made of."""

from __future__ import annotations

import zlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from genrec.errors import DataError
from genrec_alignment.tasks.config import MixtureConfig
from genrec_alignment.tasks.registry import TASKS
from genrec_alignment.tasks.source import TaskSource
from genrec_alignment.tasks.task import Task, TaskRow


class Mixture:
    """The rows of every epoch, each of them made when it is asked for.

    A task has the share of the rows that its weight says, to within one row. Its units come in an order of their
    own that goes on from epoch to epoch, so that none comes twice before all have come once. What a row holds
    depends on the seed, the epoch and its place alone.

    Args:
        tasks: by name.
        weights: by the same names, all above 0.
        rows: rows of an epoch; None: so many that the (first) task of largest weight goes once over its units.
        seed: of the order, the phrasings and the windows.

    Raises:
        DataError: naming every task that the dataset lacks something for.
    """

    def __init__(
        self, tasks: Mapping[str, Task], weights: Mapping[str, float], rows: int | None, seed: int
    ) -> None:
        _check_units(tasks)
        self.tasks = tasks
        self.seed = seed
        shares = np.array([weights[name] for name in tasks]) / sum(weights[name] for name in tasks)
        heaviest = int(np.argmax(shares))
        total = rows or round(len(list(tasks.values())[heaviest]) / shares[heaviest])
        self.counts = dict(zip(tasks, _apportion(shares, total), strict=True))

    @classmethod
    def of(cls, config: MixtureConfig, source: TaskSource, seed: int) -> Mixture:
        """Return the mixture that the settings name."""
        weights = {name: weight for name, weight in config.weights.items() if weight > 0}
        return cls({name: TASKS[name](source) for name in weights}, weights, config.rows, seed)

    def __len__(self) -> int:
        return sum(self.counts.values())

    def plan(self, epoch: int) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int64]]:
        """Return the place of its task in ``tasks`` and the unit of every row, in the order of the rows."""
        kinds = np.repeat(np.arange(len(self.tasks), dtype=np.int16), list(self.counts.values()))
        units = np.concatenate([self._units(name, epoch) for name in self.tasks])
        order = np.random.default_rng([self.seed, epoch]).permutation(len(kinds))
        return kinds[order], units[order]

    def row(self, task: str, unit: int, epoch: int, place: int) -> TaskRow:
        """Return the row that stands at ``place`` of an epoch."""
        return self.tasks[task].row(unit, np.random.default_rng([self.seed, epoch, place]))

    def _units(self, name: str, epoch: int) -> npt.NDArray[np.int64]:
        """Return the units of a task in an epoch: the next ones of an endless row of permutations."""
        size, count = len(self.tasks[name]), self.counts[name]
        cycles, places = np.divmod(epoch * count + np.arange(count, dtype=np.int64), size)
        units = np.empty(count, dtype=np.int64)
        for cycle in np.unique(cycles):
            rng = np.random.default_rng([self.seed, zlib.crc32(name.encode()), int(cycle)])
            now = cycles == cycle
            units[now] = rng.permutation(size)[places[now]]
        return units


def _check_units(tasks: Mapping[str, Task]) -> None:
    lacking = [
        f"The task {name!r} needs {task.needs}: the dataset has none."
        for name, task in tasks.items()
        if not len(task)
    ]
    if lacking:
        raise DataError(
            lacking,
            "Leave the task out of the weights, or import the items with the column (docs/data.md); a column of an "
            "unusual name is named by 'categories' or 'description' beside the weights.",
        )


def _apportion(shares: npt.NDArray[np.float64], total: int) -> list[int]:
    """Return whole numbers of sum ``total`` closest to the shares: the largest remainders are rounded up."""
    exact = shares * total
    counts = np.floor(exact).astype(int)
    counts[np.argsort(-(exact - counts), kind="stable")[: total - counts.sum()]] += 1
    return counts.tolist()
