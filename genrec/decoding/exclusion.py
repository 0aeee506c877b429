"""Items that a request must not be given, as nodes of the trie that its search must not enter.

A node is dead for a request when every leaf below it is excluded. Searching only live nodes is the same as
searching the trie of the remaining items, so no beam is spent on what would be filtered out afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genrec.decoding.trie import Trie

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DeadNodes:
    """The dead nodes of one level for a batch of requests, flat.

    Args:
        rows: int64 [dead], the request.
        nodes: int64 [dead], the node.
        parents: int64 [dead], the node's parent at the level above (0, the root, at level 0).
        ranks: int64 [dead], the position of the node among its parent's children.
    """

    rows: Int64
    nodes: Int64
    parents: Int64
    ranks: Int64


def dead_nodes(trie: Trie, exclude: Sequence[npt.ArrayLike]) -> list[DeadNodes]:
    """Return the dead nodes of every level.

    Costs O(excluded items · levels · log nodes) and never looks at the rest of the catalogue.

    Args:
        trie: the catalogue's trie.
        exclude: for each request the ``item_index`` values it must not be given; repeats do no harm.

    Raises:
        ValueError: if an ``item_index`` is not in the catalogue.
    """
    rows, leaves = excluded_leaves(trie, exclude)
    return [_dead_of_level(trie, level, rows, leaves) for level in range(len(trie.levels))]


def excluded_leaves(trie: Trie, exclude: Sequence[npt.ArrayLike]) -> tuple[Int64, Int64]:
    """Return the distinct (request, leaf) pairs, sorted, each int64 [pairs].

    Raises:
        ValueError: if an ``item_index`` is not in the catalogue.
    """
    lists = [np.asarray(items, dtype=np.int64).reshape(-1) for items in exclude]
    items = np.concatenate(lists) if lists else np.empty(0, dtype=np.int64)
    if len(items) and (items.min() < 0 or items.max() >= len(trie)):
        raise ValueError(f"exclude holds an item_index outside 0 … {len(trie) - 1}")
    rows = np.repeat(np.arange(len(lists)), [len(one) for one in lists])
    pairs = np.unique(rows * np.int64(len(trie)) + trie.leaf_of[items]).astype(np.int64)
    row, leaf = np.divmod(pairs, len(trie))
    return row, leaf


def _dead_of_level(trie: Trie, level: int, rows: Int64, leaves: Int64) -> DeadNodes:
    table = trie.levels[level]
    nodes = _last_not_after(table.leaves, leaves)
    pairs, excluded = np.unique(rows * len(table) + nodes, return_counts=True)
    rows, nodes = pairs // len(table), pairs % len(table)
    dead = excluded == table.leaves[nodes + 1] - table.leaves[nodes]
    rows, nodes = rows[dead], nodes[dead]
    parents = _last_not_after(table.children_of, nodes)
    return DeadNodes(rows, nodes, parents, nodes - table.children_of[parents])


def _last_not_after(starts: npt.NDArray[np.int32], values: Int64) -> Int64:
    """Return the position of the last start that is not after each value.

    The values take the type of the starts, which numpy would otherwise copy as a whole to widen them.
    """
    return np.searchsorted(starts, values.astype(starts.dtype), side="right") - 1
