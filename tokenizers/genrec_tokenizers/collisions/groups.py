"""Which items share their codes, and which codes of the last level they may move to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SHOWN = 3


@dataclass(frozen=True)
class Groups:
    """Which items share their codes.

    Args:
        of_item: int64 [items], the number of the item's group; groups are numbered in the order of their codes.
        sizes: int64 [groups].
    """

    of_item: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]

    @property
    def colliding(self) -> int:
        """The number of items that share their codes with another item."""
        return int(self.sizes[self.sizes > 1].sum())

    @property
    def largest(self) -> int:
        """The number of items of the largest group."""
        return int(self.sizes.max(initial=0))

    @property
    def alone(self) -> npt.NDArray[np.bool_]:
        """Whether no other item has the item's codes, bool [items]."""
        return self.sizes[self.of_item] == 1


def groups_of(codes: npt.NDArray[np.integer]) -> Groups:
    """Group items by equal rows of codes [items, levels]; without levels all items are one group."""
    if not codes.shape[1]:
        return Groups(np.zeros(len(codes), np.int64), np.array([len(codes)], np.int64))
    _, of_item, sizes = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    return Groups(of_item.reshape(-1).astype(np.int64), sizes.astype(np.int64))


@dataclass(frozen=True)
class Contest:
    """The items under one prefix that must share out codes, and the codes of the last level that they may have.

    Args:
        items: int64 [movers], rows of the catalogue.
        free: int64 [any], codes of the last level that no settled item holds.
    """

    items: npt.NDArray[np.int64]
    free: npt.NDArray[np.int64]


def contests(
    codes: npt.NDArray[np.int32], settled: npt.NDArray[np.bool_], size: int, most_items: int
) -> Iterator[list[Contest]]:
    """Return the contests for the last level, in lists of about ``most_items`` items, the smallest contests first.

    Args:
        codes: int32 [items, levels].
        settled: bool [items], whether an item keeps its codes; the others are in a contest.
        size: codes of the last level.
        most_items: a list ends before it holds more, unless a single contest does.
    """
    prefix = groups_of(codes[:, :-1]).of_item
    movers = _by_prefix(prefix, ~settled)
    holders = _by_prefix(prefix, settled)
    batch: list[Contest] = []
    items = 0
    for number in sorted(movers, key=lambda number: len(movers[number])):
        held = codes[holders[number], -1] if number in holders else []
        contest = Contest(movers[number], np.setdiff1d(np.arange(size), held, assume_unique=True))
        if batch and items + len(contest.items) > most_items:
            yield batch
            batch, items = [], 0
        batch.append(contest)
        items += len(contest.items)
    if batch:
        yield batch


def _by_prefix(prefix: npt.NDArray[np.int64], wanted: npt.NDArray[np.bool_]) -> dict[int, npt.NDArray[np.int64]]:
    """Return the wanted items of each prefix, in the order of the catalogue."""
    items = np.flatnonzero(wanted)
    items = items[np.argsort(prefix[items], kind="stable")]
    if not len(items):
        return {}
    bounds = np.flatnonzero(np.diff(prefix[items])) + 1
    return {int(prefix[part[0]]): part for part in np.split(items, bounds)}


def names_of(items: Sequence[int] | npt.NDArray[np.int64], titles: Sequence[str] | None) -> str:
    """Return some items' titles, or their rows where there are no titles, for an error."""
    shown = [repr(titles[item]) if titles else f"row {item}" for item in items[:SHOWN]]
    return ", ".join(shown) + (", …" if len(items) > SHOWN else "")
