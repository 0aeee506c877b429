"""Groups of users and of items, and what share of its targets a model finds in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from genrec.data import Dataset
from genrec.data.profiles import FILE as USERS_FILE
from genrec_eval.metrics import Cells, buckets, group_means, intersections, session_recall
from genrec_eval.report.compared import Compared, Entry
from genrec_eval.statistics.gains import as_found

Floats = npt.NDArray[np.float64]
ITEMS, ACTIVITY = "item popularity", "user activity"
_Z95 = 1.96
_LEAST = 30  # targets whose count is 0 that make a group of their own; fewer join the lowest
_MOST_GROUPS = 8  # of one column; the largest, the others together


@dataclass(frozen=True)
class Grouping:
    """Groups of targets, by their item or by their user.

    Args:
        name: what they are groups of.
        labels: of each group, with the range of what it is made by.
        of: int64 [targets], the group of each.
    """

    name: str
    labels: list[str]
    of: npt.NDArray[np.int64]

    @property
    def sizes(self) -> npt.NDArray[np.int64]:
        """Targets of each group."""
        return np.bincount(self.of, minlength=len(self.labels)).astype(np.int64)


class Share(NamedTuple):
    """The share of a group's targets that is found, with its 95 % interval (normal approximation)."""

    found: float
    low: float
    high: float


def groupings(compared: Compared) -> list[Grouping]:
    """Return items by popularity, users by activity, and users by every column that is known of them.

    Popularity and activity are interactions in training. The dataset is that of the first run which has it beside
    its evaluation; without one there are no groups.
    """
    folder = next((run.path / "dataset" for run in compared.runs if (run.path / "dataset").is_dir()), None)
    if folder is None:
        return []
    targets = compared.targets
    if isinstance(targets["item_id"].dtype, pl.List):
        targets = targets.explode("item_id")
    train = Dataset.load(folder).interactions.filter(pl.col("split").cast(pl.String) == "train")
    return [
        by_count(ITEMS, _count(train, targets, "item_id"), ("cold", "warm", "hot")),
        by_count(ACTIVITY, _count(train, targets, "user_id"), ("few", "some", "many")),
        *_profiles(folder, targets),
    ]


def by_count(name: str, counts: npt.NDArray[np.int64], words: Sequence[str]) -> Grouping:
    """Return groups of about equally many targets by a count; of those whose count is 0 a group if they are many.

    Args:
        name: of the grouping.
        counts: int64 [targets].
        words: for the groups from low to high; where ties leave fewer groups, the words in the middle go.
    """
    zero = counts == 0
    apart = int(zero.sum()) >= _LEAST or bool(zero.all())
    others = counts[~zero]
    wanted = np.linspace(0, 1, len(words) + 1)[1:-1]
    edges = np.unique(np.ceil(np.quantile(others, wanted))) if len(others) else np.zeros(0)
    inner = [edge for edge in edges if edge > others.min()]
    present, of = np.unique(buckets(counts, [1, *inner] if apart else inner), return_inverse=True)
    several = len(present) - apart
    chosen = ["none"] * apart + ([*words[: several - 1], words[-1]] if several > 1 else ["all"] * several)
    labels = [f"{word} ({_range(counts[of == group])})" for group, word in enumerate(chosen)]
    return Grouping(name, labels, of.astype(np.int64))


def _range(values: npt.NDArray[np.int64]) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"


def _count(train: pl.DataFrame, targets: pl.DataFrame, column: str) -> npt.NDArray[np.int64]:
    counts = train.group_by(column).len()
    joined = targets.select(column).join(counts, on=column, how="left", maintain_order="left")
    return joined["len"].fill_null(0).cast(pl.Int64).to_numpy()


def _profiles(folder: Path, targets: pl.DataFrame) -> list[Grouping]:
    """Return a grouping for every column of ``users.parquet`` that divides the users."""
    if not (folder / USERS_FILE).is_file():
        return []
    users = pl.read_parquet(folder / USERS_FILE)
    rows = targets.select("user_id").join(users, on="user_id", how="left", maintain_order="left")
    known = [name for name in users.columns if name != "user_id"]
    found = [_by_value(name, rows[name].cast(pl.String).fill_null("unknown")) for name in known]
    return [grouping for grouping in found if len(grouping.labels) > 1]


def _by_value(name: str, values: pl.Series) -> Grouping:
    numbers = values.cast(pl.Int64, strict=False)
    if numbers.null_count() == 0 and numbers.n_unique() > _MOST_GROUPS and numbers.min() > 0:  # type: ignore[operator]
        return by_count(name, numbers.to_numpy(), ("low", "middle", "high"))
    sizes = values.value_counts(sort=True, name="users").sort(["users", values.name], descending=[True, False])
    labels = sizes[values.name].to_list()
    if len(labels) > _MOST_GROUPS:
        labels = [*labels[: _MOST_GROUPS - 1], "others"]
    of = [labels.index(value) if value in labels else len(labels) - 1 for value in values]
    return Grouping(name, labels, np.array(of, dtype=np.int64))


def hits(entry: Entry, k: int) -> Floats:
    """Return whether each target stands among the first k, float64 [targets]."""
    found = as_found(entry.ranks)
    return session_recall(type(found)(found.ranks, np.ones(len(found.ranks), dtype=np.int64)), k)


def shares(entry: Entry, grouping: Grouping, k: int) -> list[Share]:
    """Return what a model finds of each group's targets among its first k."""
    means, sizes = group_means(hits(entry, k), grouping.of, len(grouping.labels))
    errors = _Z95 * np.sqrt(means * (1 - means) / sizes)
    return [
        Share(float(mean), max(0.0, float(mean - error)), min(1.0, float(mean + error)))
        for mean, error in zip(means, errors, strict=True)
    ]


def cells(entry: Entry, users: Grouping, items: Grouping, k: int) -> Cells:
    """Return what a model finds in every intersection of user groups and item groups among its first k."""
    return intersections(hits(entry, k), users.of, items.of, (len(users.labels), len(items.labels)))
