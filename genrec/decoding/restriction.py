"""Requests that may be given only some items: those whose IDs begin with prefixes chosen beforehand.

Think-Ahead serving (OneRec-Think) searches for the best item among the prefixes that were prepared for a user. The
search of such a request enters a node only if an allowed item lies below it, so that it is the search of the
catalogue of the allowed items, and no beam is spent outside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genrec.decoding.trie import Trie, TrieLevel

Int64 = npt.NDArray[np.int64]
Prefixes = npt.NDArray[np.integer]


def allowed_leaves(trie: Trie, within: Sequence[Prefixes | None]) -> tuple[Int64, Int64]:
    """Return the distinct (request, leaf) pairs that restricted requests may be given, sorted, each int64 [pairs].

    Args:
        trie: the catalogue's trie.
        within: for each request the codes that an item's ID may begin with, int [prefixes, 1 to levels]; None for a
            request that may be given everything, which has no pairs. A prefix that no item has allows nothing.

    Raises:
        ValueError: if an array is not of that shape.
    """
    rows, leaves = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for row, prefixes in enumerate(within):
        if prefixes is None:
            continue
        found = np.unique(_below(trie, prefixes))
        rows.append(np.full(len(found), row))
        leaves.append(found)
    return np.concatenate(rows), np.concatenate(leaves)


def live_nodes(trie: Trie, rows: Int64, leaves: Int64) -> list[tuple[Int64, Int64]]:
    """Return for every level the distinct (request, node) pairs that have a leaf below, sorted, each int64 [pairs].

    Args:
        trie: the catalogue's trie.
        rows: int64 [pairs], the request of each leaf.
        leaves: int64 [pairs].
    """
    found = []
    for level in trie.levels:
        nodes = np.searchsorted(level.leaves, leaves.astype(level.leaves.dtype), side="right") - 1
        row, node = np.divmod(np.unique(rows * np.int64(len(level)) + nodes), len(level))
        found.append((row, node))
    return found


def _below(trie: Trie, prefixes: Prefixes) -> Int64:
    """Return the leaves below prefixes."""
    prefixes = np.asarray(prefixes)
    if prefixes.ndim != 2 or not 1 <= prefixes.shape[1] <= len(trie.levels):
        raise ValueError(
            f"prefixes must be codes [prefixes, 1 to {len(trie.levels)}], one array a request, not {prefixes.shape}"
        )
    nodes = np.zeros(len(prefixes), dtype=np.int64)
    for depth, level in enumerate(trie.levels[: prefixes.shape[1]]):
        nodes, known = children_with(level, nodes, prefixes[:, depth])
        nodes, prefixes = nodes[known], prefixes[known]
    counts = level.leaves[nodes + 1] - level.leaves[nodes]
    starts = np.repeat(level.leaves[nodes] - (counts.cumsum() - counts), counts)
    return starts.astype(np.int64) + np.arange(counts.sum())


def children_with(level: TrieLevel, parents: Int64, codes: Prefixes) -> tuple[Int64, npt.NDArray[np.bool_]]:
    """Return the child of each parent that has the code, and whether there is one; shapes as ``parents``.

    A binary search within each parent's children, so that the work does not grow with the catalogue.
    """
    low, end = level.children_of[parents].astype(np.int64), level.children_of[parents + 1].astype(np.int64)
    high = end
    while (searching := low < high).any():
        middle = (low + high) // 2
        later = searching & (level.codes[np.minimum(middle, len(level) - 1)] < codes)
        low, high = np.where(later, middle + 1, low), np.where(searching & ~later, middle, high)
    return low, (low < end) & (level.codes[np.minimum(low, len(level) - 1)] == codes)
