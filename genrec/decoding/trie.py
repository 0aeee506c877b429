"""The catalogue's trie: a prefix tree over the semantic IDs of all items, as flat arrays.

The items are sorted by their codes, so that the items below any node are one contiguous range of leaves and
the children of any node are one contiguous range of nodes. That is the CSR layout: no pointers, no dictionaries,
a few dozen bytes an item, and every question about many nodes is one vectorised expression.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genrec.errors import DataError

Int32 = npt.NDArray[np.int32]

_KEY_BITS = 63
_NAMED = 5


@dataclass(frozen=True)
class TrieLevel:
    """The nodes of one level: the distinct prefixes of ``level + 1`` codes, in lexicographic order.

    Args:
        codes: int32 [nodes], the last code of each prefix.
        children_of: int32 [parents + 1]; the children of parent p are the nodes
            ``children_of[p]:children_of[p + 1]`` of this level. Level 0 has one parent, the root.
        leaves: int32 [nodes + 1]; the leaves below node n are ``leaves[n]:leaves[n + 1]``.
        most_children: the largest number of children that a parent has.
    """

    codes: Int32
    children_of: Int32
    leaves: Int32
    most_children: int

    def __len__(self) -> int:
        return len(self.codes)


@dataclass(frozen=True)
class Trie:
    """The prefix tree over the semantic IDs of a catalogue.

    Args:
        levels: the nodes of each level, first to last. The nodes of the last level are the leaves.
        items: int32 [items], the ``item_index`` of each leaf.
        leaf_of: int32 [items], the leaf of each ``item_index``: the inverse of ``items``.
        codebook_sizes: the number of codes of each level.
    """

    levels: tuple[TrieLevel, ...]
    items: Int32
    leaf_of: Int32
    codebook_sizes: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.items)

    @classmethod
    def build(cls, codes: npt.NDArray[np.integer], codebook_sizes: Sequence[int]) -> Trie:
        """Build the trie of a catalogue in O(items · log items) vectorised work.

        Args:
            codes: int [items, levels], the semantic ID of each ``item_index``.
            codebook_sizes: the number of codes of each level.

        Raises:
            DataError: if there are no items, a code lies outside its codebook, or items share an ID.
        """
        codes = np.asarray(codes)
        sizes = tuple(int(size) for size in codebook_sizes)
        _check(codes, sizes)
        order = _lexicographic_order(codes, sizes)
        starts = _prefix_starts(codes, order)
        _check_unique(starts[-1], order)
        levels, parents = [], np.zeros(1, dtype=np.int32)
        for level, first_leaf in enumerate(starts):
            levels.append(_level(codes[order[first_leaf], level], first_leaf, parents, len(order)))
            parents = first_leaf
        leaf_of = np.empty_like(order)
        leaf_of[order] = np.arange(len(order), dtype=np.int32)
        return cls(tuple(levels), order, leaf_of, sizes)

    @property
    def nbytes(self) -> int:
        """The bytes that all arrays of the trie hold together."""
        arrays = [self.items, self.leaf_of]
        for level in self.levels:
            arrays += [level.codes, level.children_of, level.leaves]
        return sum(array.nbytes for array in arrays)


def _check(codes: npt.NDArray[np.integer], sizes: tuple[int, ...]) -> None:
    if codes.ndim != 2 or codes.shape[1] != len(sizes) or not len(sizes):
        raise DataError(f"A trie over {len(sizes)} levels needs codes [items, {len(sizes)}], not {codes.shape}.")
    if not len(codes):
        raise DataError("A trie needs at least one item.")
    if len(codes) > np.iinfo(np.int32).max:
        raise DataError(f"A trie holds at most {np.iinfo(np.int32).max} items, not {len(codes)}.")
    low, high = codes.min(axis=0), codes.max(axis=0)
    problems = [
        f"The codes of level {level} span {low[level]} to {high[level]}, but its codebook has {size} codes."
        for level, size in enumerate(sizes)
        if low[level] < 0 or high[level] >= size
    ]
    if problems:
        raise DataError(problems)


def _lexicographic_order(codes: npt.NDArray[np.integer], sizes: tuple[int, ...]) -> Int32:
    """Return the items in the order of their codes, int32 [items].

    Neighbouring levels are packed into one 63-bit key while they fit, which is usually one key for all: one
    sort of integers in place of a comparison of rows.
    """
    keys, key, room = [], np.zeros(len(codes), dtype=np.int64), _KEY_BITS
    for level, size in enumerate(sizes):
        bits = max(1, (size - 1).bit_length())
        if bits > room:
            keys.append(key)
            key, room = np.zeros(len(codes), dtype=np.int64), _KEY_BITS
        key <<= bits
        key |= codes[:, level]
        room -= bits
    order = np.argsort(key, kind="stable") if not keys else np.lexsort([key, *reversed(keys)])
    return order.astype(np.int32)


def _prefix_starts(codes: npt.NDArray[np.integer], order: Int32) -> list[Int32]:
    """Return for each level the leaf at which each distinct prefix begins, int32 [nodes]."""
    starts, begins = [], np.zeros(len(order), dtype=bool)
    begins[0] = True
    for level in range(codes.shape[1]):
        column = codes[:, level][order]
        begins[1:] |= column[1:] != column[:-1]
        starts.append(np.flatnonzero(begins).astype(np.int32))
    return starts


def _level(codes: npt.NDArray[np.integer], first_leaf: Int32, parents: Int32, items: int) -> TrieLevel:
    children_of = np.append(np.searchsorted(first_leaf, parents), len(first_leaf)).astype(np.int32)
    leaves = np.append(first_leaf, np.int32(items))
    most = int(np.diff(children_of).max())
    return TrieLevel(np.ascontiguousarray(codes, dtype=np.int32), children_of, leaves, most)


def _check_unique(first_leaf: Int32, order: Int32) -> None:
    """Raise if items share an ID; ``first_leaf`` is where each distinct ID begins."""
    if len(first_leaf) == len(order):
        return
    runs = np.diff(np.append(first_leaf, len(order)))
    shared = np.flatnonzero(runs > 1)
    groups = []
    for run in shared[:_NAMED]:
        members = np.sort(order[first_leaf[run] : first_leaf[run] + runs[run]])
        more = ", …" if len(members) > _NAMED else ""
        groups.append(f"{', '.join(map(str, members[:_NAMED]))}{more}")
    tail = " and others" if len(shared) > _NAMED else ""
    raise DataError(
        f"{int(runs[shared].sum())} items share a semantic ID with another item (item_index): "
        f"{'; '.join(groups)}{tail}.",
        "Resolve the collisions first: genrec tokenize appends a level that tells such items apart.",
    )
