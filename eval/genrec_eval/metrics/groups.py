"""Figures by groups of users and items: buckets, intersections of both, exposure.

Cells and their spread are the measures of ITFR (arXiv:2402.02816): being fair to groups of users and to groups of
items does not make it fair to their intersections.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def buckets(values: npt.ArrayLike, edges: Sequence[float]) -> npt.NDArray[np.int64]:
    """Return the bucket of each value: 0 below the first edge, then half-open ranges, the last one open.

    With the interactions of a target in training and edges (1, 10): never seen, fewer than ten, ten or more.
    """
    return np.searchsorted(np.asarray(edges, dtype=np.float64), np.asarray(values), side="right").astype(np.int64)


def group_means(gains: npt.ArrayLike, groups: npt.ArrayLike, count: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the mean of each group, NaN where it is empty, and its size; groups are numbered 0 to count − 1."""
    sizes = np.bincount(np.asarray(groups), minlength=count)
    sums = np.bincount(np.asarray(groups), weights=np.asarray(gains, dtype=np.float64), minlength=count)
    return np.divide(sums, sizes, out=np.full(count, np.nan), where=sizes > 0), sizes


class Cells(NamedTuple):
    """A figure of every intersection of user groups and item groups.

    Args:
        means: float64 [user groups, item groups], of the examples of each cell; NaN where there are none.
        sizes: int64, the same shape: examples.
    """

    means: Floats
    sizes: npt.NDArray[np.int64]

    @property
    def cv(self) -> float:
        """Standard deviation over mean of the cells; 0: all alike, and where the mean is 0."""
        return _cv(self.means[~np.isnan(self.means)])

    @property
    def worst_quarter(self) -> float:
        """The mean of the worst quarter of the cells, at least one of them (MIN-25 %)."""
        known = np.sort(self.means[~np.isnan(self.means)])
        return float(known[: max(1, len(known) // 4)].mean()) if len(known) else 0.0

    @property
    def user_cv(self) -> float:
        """The mean over item groups of the CV across user groups."""
        return _mean_cv(self.means.T)

    @property
    def item_cv(self) -> float:
        """The mean over user groups of the CV across item groups."""
        return _mean_cv(self.means)


def intersections(
    gains: npt.ArrayLike, users: npt.ArrayLike, items: npt.ArrayLike, shape: tuple[int, int]
) -> Cells:
    """Return a figure's mean in every cell of user group × item group of the target.

    Args:
        gains: float [examples], such as hits, of which the means are the recall of a cell.
        users: int [examples], the group of each example's user.
        items: int [examples], the group of each example's target.
        shape: how many groups of users and of items there are.
    """
    cell = np.ravel_multi_index((np.asarray(users), np.asarray(items)), shape)
    means, sizes = group_means(gains, cell, shape[0] * shape[1])
    return Cells(means.reshape(shape), sizes.reshape(shape))


def exposure_parity(items: npt.ArrayLike, groups: npt.ArrayLike, merit: npt.ArrayLike, k: int) -> Floats:
    """Return each item group's share of exposure over its share of merit, float64 [groups]; 1 is parity.

    Exposure of a place is ``1 / log2(rank + 1)`` (Singh and Joachims, 2018). Groups without merit are NaN.

    Args:
        items: int64 [lists, k or more], ``item_index``; places outside of the catalogue do not count.
        groups: int [items of the catalogue], the group of each item, from 0.
        merit: float [items of the catalogue]: interactions in training, or 1 for each item.
        k: the cut-off.
    """
    of, places = np.asarray(groups), np.asarray(items)[:, :k]
    count = int(of.max()) + 1
    real = (places >= 0) & (places < len(of))
    weights = np.broadcast_to(1 / np.log2(np.arange(places.shape[1]) + 2.0), places.shape)
    exposure = np.bincount(of[places[real]], weights=weights[real], minlength=count)
    deserved = np.bincount(of, weights=np.asarray(merit, dtype=np.float64), minlength=count)
    shares = exposure / max(exposure.sum(), 1e-12), deserved / max(deserved.sum(), 1e-12)
    return np.divide(*shares, out=np.full(count, np.nan), where=deserved > 0)


def _cv(values: Floats) -> float:
    return float(values.std() / values.mean()) if len(values) and values.mean() > 0 else 0.0


def _mean_cv(rows: Floats) -> float:
    known = [row[~np.isnan(row)] for row in rows]
    figures = [_cv(row) for row in known if len(row)]
    return float(np.mean(figures)) if figures else 0.0
