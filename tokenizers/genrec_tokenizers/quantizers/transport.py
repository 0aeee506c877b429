"""The cheapest assignment of items to clusters of prescribed size, exactly.

It is a transportation problem: n items, K clusters with ⌊n/K⌋ or ⌈n/K⌉ places, and a cost for each pair. General
solvers see n·K arcs. This one uses that there are few clusters:

1. *Prices.* Every cluster has a price, every item takes the cluster with the least cost plus price, and clusters
   with too many items become dearer, those with too few cheaper. A dozen passes over the costs leave few items in
   excess. Whatever the prices are, the assignment is the cheapest one for the sizes that it has.
2. *Exchanges.* Moving an item from cluster a to b costs w(a, b) = min over the items i of a of c_ib − c_ia, and
   with the prices, w(a, b) + p_b − p_a ≥ 0. This is a graph of K nodes only. As long as there are clusters in
   excess, items are moved along shortest paths from them to clusters with a free place, and prices go down by the
   distances: successive shortest paths, which keep the assignment the cheapest for its sizes (Ahuja, Magnanti and
   Orlin, Network Flows, 1993, section 9.7). Paths with different starts share no cluster, so all are taken at once.

Sizes that differ by one: every cluster has ⌈n/K⌉ places, and K·⌈n/K⌉ − n *fillers* take a place each in different
clusters. A filler moves at no cost to a cluster without one.

Costs and prices are integers, so that sums are exact and no path turns in circles because of rounding.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

COST_LIMIT = 2**30  # costs plus prices stay within int32
_ROUNDS = 60
_FIRST_STEP = 0.2  # of the spread of an item's costs
_LONGER, _SHORTER = 1.15, 0.5
_GAIN = 0.95  # a round that leaves more than this of the excess is the last: exchanges finish sooner
_BLOCK_CELLS = 2**16  # fits the cache
_FAR = 2**60
_FILLER = -1


def cheapest_labels(
    costs: npt.NDArray[np.int32], prices: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
    """Return the cheapest assignment to clusters whose sizes differ by at most one.

    Args:
        costs: int32 [items, clusters], each from 0 to :data:`COST_LIMIT`; at least one item a cluster.
        prices: int64 [clusters], to start from; those of a similar problem save time, zeros are always right.

    Returns:
        The cluster of each item, int32 [items], and the prices at which it is the cheapest, int64 [clusters].
    """
    prices, labels = _settle(costs, prices)
    exchange = _Exchange(costs, labels, prices)
    while exchange.step():
        pass
    return exchange.labels, exchange.prices


def _settle(
    costs: npt.NDArray[np.int32], prices: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """Return prices that leave few items in excess, and the assignment that they lead to."""
    items, clusters = costs.shape
    capacity, enough = -(-items // clusters), items // 2000
    # A cluster's step grows while its size stays on one side of the mean, and shrinks when it crosses over.
    steps = np.full(clusters, _FIRST_STEP * float(costs[:: -(-items // 1000)].std(axis=1).mean()))
    surplus = np.zeros(clusters)
    prices = _within_limits(prices - int(np.median(prices)))
    best = (items + 1, prices, np.zeros(items, np.int32))
    for _ in range(_ROUNDS):
        labels = _cheapest(costs, prices)
        counts = np.bincount(labels, minlength=clusters)
        excess = int(np.maximum(counts + _fillers(prices, items) - capacity, 0).sum())
        gained = excess < _GAIN * best[0]
        if excess < best[0]:
            best = (excess, prices, labels)
        if excess <= enough or not gained:
            break
        before, surplus = surplus, counts * clusters / items - 1
        steps *= np.where(surplus * before < 0, _SHORTER, _LONGER)
        moves = np.rint(steps * np.clip(surplus, -1, 2)).astype(np.int64)
        prices = _within_limits(prices + moves)
    return best[1], best[2]


def _within_limits(prices: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return prices that can be added to costs in int32."""
    return np.clip(prices, -COST_LIMIT, COST_LIMIT - 1)


def _fillers(prices: npt.NDArray[np.int64], items: int) -> npt.NDArray[np.bool_]:
    """Return which clusters have a filler, bool [clusters]: the cheapest ones."""
    mask = np.zeros(len(prices), dtype=bool)
    mask[np.argsort(prices, kind="stable")[: -items % len(prices)]] = True
    return mask


def _cheapest(costs: npt.NDArray[np.int32], prices: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Return the cluster with the least cost plus price for each item, int32 [items]."""
    labels = np.empty(len(costs), dtype=np.int32)
    rows = max(1, _BLOCK_CELLS // costs.shape[1])
    for start in range(0, len(costs), rows):
        part = slice(start, start + rows)
        labels[part] = (costs[part] + prices.astype(np.int32)).argmin(axis=1)
    return labels


class _Exchange:
    """An assignment that is the cheapest for its sizes, on its way to the sizes wanted.

    Args:
        costs: int32 [items, clusters].
        labels: int32 [items], the cheapest clusters at ``prices``.
        prices: int64 [clusters].

    Attributes:
        labels: the same, changed by every step.
        prices: the same; the labels are the cheapest clusters at these prices at any time.
    """

    def __init__(
        self, costs: npt.NDArray[np.int32], labels: npt.NDArray[np.int32], prices: npt.NDArray[np.int64]
    ) -> None:
        items, clusters = costs.shape
        self._costs = costs
        self.labels, self.prices = labels.copy(), prices.copy()
        self._capacity = -(-items // clusters)
        self._fillers = _fillers(prices, items)
        self._counts = np.bincount(labels, minlength=clusters) + self._fillers
        order = np.argsort(labels, kind="stable")
        self._members = np.split(order, np.cumsum(np.bincount(labels, minlength=clusters))[:-1])
        self._weights = np.empty((clusters, clusters), dtype=np.int64)  # of a move, [from, to]
        for cluster in range(clusters):
            self._refresh(cluster)

    def step(self) -> bool:
        """Move items along shortest paths, one path from each cluster in excess at most; False if all is done."""
        if (self._counts <= self._capacity).all():
            return False
        free = self._fillers[:, None] & ~self._fillers & (self._weights > 0)
        distances, parents = self._search(np.where(free, 0, self._weights) + self.prices - self.prices[:, None])
        ends = np.flatnonzero((self._counts < self._capacity) & (distances < _FAR))
        self.prices -= np.minimum(distances, distances[ends].max())
        starts: set[int] = set()
        touched: set[int] = set()
        for end in ends[np.argsort(distances[ends], kind="stable")]:
            path = _path(parents, int(end))
            if path[-1] not in starts:
                starts.add(path[-1])
                touched.update(path)
                self._move(path, free)
        for cluster in touched:
            self._refresh(cluster)
        return True

    def _search(self, weights: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the distance of each cluster from the nearest one in excess, and the cluster before it (or −1).

        Bellman and Ford's search, all changed clusters at a time: few rounds, each of them vectorised.
        """
        distances = np.where(self._counts > self._capacity, 0, _FAR)
        parents = np.full(len(distances), -1)
        changed = np.flatnonzero(distances == 0)
        while len(changed):
            through = weights[changed] + distances[changed, None]
            found = through.min(axis=0)
            better = np.flatnonzero(found < distances)
            distances[better] = found[better]
            parents[better] = changed[through[:, better].argmin(axis=0)]
            changed = better
        return distances, parents

    def _move(self, path: list[int], free: npt.NDArray[np.bool_]) -> None:
        """Move one item or filler along each arc of a path, given from its end to its start."""
        movers = [_FILLER if free[arc] else self._mover(*arc) for arc in _arcs(path)]
        for (source, to), mover in zip(_arcs(path), movers, strict=True):
            if mover == _FILLER:
                self._fillers[[source, to]] = False, True
            else:
                self.labels[mover] = to
                self._members[source] = self._members[source][self._members[source] != mover]
                self._members[to] = np.append(self._members[to], mover)
        self._counts[path[0]] += 1
        self._counts[path[-1]] -= 1

    def _refresh(self, cluster: int) -> None:
        """Work out what it costs to move an item from ``cluster`` to each other one."""
        members = self._members[cluster]
        if not len(members):
            self._weights[cluster] = _FAR
            return
        costs = self._costs[members]
        self._weights[cluster] = (costs - costs[:, cluster : cluster + 1]).min(axis=0)

    def _mover(self, source: int, to: int) -> int:
        """Return the item of cluster ``source`` that is the cheapest to move to ``to``."""
        members = self._members[source]
        return int(members[(self._costs[members, to] - self._costs[members, source]).argmin()])


def _path(parents: npt.NDArray[np.int64], end: int) -> list[int]:
    """Return the clusters from ``end`` back to the start of its shortest path."""
    path = [end]
    while parents[path[-1]] >= 0:
        path.append(int(parents[path[-1]]))
    return path


def _arcs(path: list[int]) -> list[tuple[int, int]]:
    """Return the arcs of a path given from its end to its start, each as (from, to)."""
    return list(zip(path[1:], path[:-1], strict=True))
