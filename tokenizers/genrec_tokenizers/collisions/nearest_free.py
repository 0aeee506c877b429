"""Colliding items move to codes of the last level that are free, at the least total cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from genrec.errors import DataError
from genrec_tokenizers.collisions.groups import contests, groups_of, names_of
from genrec_tokenizers.quantizers.base import Quantizer

_CHUNK_CELLS = 4_000_000


def assign_free(
    quantizer: Quantizer,
    embeddings: npt.NDArray[np.float32],
    codes: npt.NDArray[np.int32],
    titles: Sequence[str] | None = None,
) -> npt.NDArray[np.int32]:
    """Make IDs unique by giving colliding items other codes in the last level.

    Under each prefix the colliding items share out the codes that no item alone has, their own included, so that
    the sum of :meth:`Quantizer.costs` is the least possible (the Hungarian method). So nobody keeps a contested
    code by right; it goes to whom the others' moves make it cheapest for. Items alone with their codes keep them.

    A prefix with more items than codes overflows: the items that the cheapest sharing leaves out go, one after
    the other, to the code of the last level but one that is nearest to them and has a free code below it, and
    there to the nearest free code. No item moves further than that.

    Args:
        quantizer: what made the codes.
        embeddings: float32 [items, dim], what it was given.
        codes: int32 [items, levels].
        titles: what to call the items in an error.

    Returns:
        int32 [items, levels], without equal rows.

    Raises:
        DataError: if all IDs that share an item's codes but the last two are taken.
    """
    size = quantizer.codebook_sizes[-1]
    unique, left_out = codes.copy(), []
    for batch in contests(codes, groups_of(codes).alone, size, max(1, _CHUNK_CELLS // size)):
        movers = np.concatenate([contest.items for contest in batch])
        costs = quantizer.costs(embeddings[movers], codes[movers, :-1])
        start = 0
        for contest in batch:
            own = costs[start : start + len(contest.items), contest.free]
            start += len(contest.items)
            rows, columns = linear_sum_assignment(own)
            unique[contest.items[rows], -1] = contest.free[columns]
            left_out.append(np.delete(contest.items, rows))
    overflow = np.sort(np.concatenate([*left_out, np.zeros(0, np.int64)]))
    if len(overflow):
        _move_on(quantizer, embeddings, unique, overflow, titles)
    return unique


def _move_on(
    quantizer: Quantizer,
    embeddings: npt.NDArray[np.float32],
    codes: npt.NDArray[np.int32],
    overflow: npt.NDArray[np.int64],
    titles: Sequence[str] | None,
) -> None:
    """Place items whose prefix is full under another one, in ``codes``."""
    size = quantizer.codebook_sizes[-1]
    if quantizer.levels < 2:
        raise DataError(*_full((), overflow, size, titles))
    taken = _taken(codes, overflow)
    for item in overflow:
        vector, parent = embeddings[item : item + 1], tuple(codes[item, :-2].tolist())
        before = quantizer.costs(vector, codes[item : item + 1, :-2])[0]
        below = taken[parent]
        place = next((code for code in np.argsort(before, kind="stable") if len(below[int(code)]) < size), None)
        if place is None:
            raise DataError(*_full(parent, overflow, size * len(before), titles))
        codes[item, -2] = place
        costs = quantizer.costs(vector, codes[item : item + 1, :-1])[0]
        costs[list(below[int(place)])] = np.inf
        codes[item, -1] = np.argmin(costs)
        below[int(place)].add(int(codes[item, -1]))


def _taken(
    codes: npt.NDArray[np.int32], overflow: npt.NDArray[np.int64]
) -> dict[tuple[int, ...], dict[int, set[int]]]:
    """Return the last codes in use under the prefixes near overflowing items: parent → code → last codes."""
    parents = {tuple(row) for row in codes[overflow, :-2].tolist()}
    taken: dict[tuple[int, ...], dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    placed = np.delete(codes, overflow, axis=0).tolist()
    for *parent, before, last in placed:
        if tuple(parent) in parents:
            taken[tuple(parent)][before].add(last)
    return taken


def _full(
    parent: tuple[int, ...], overflow: npt.NDArray[np.int64], room: int, titles: Sequence[str] | None
) -> tuple[str, str]:
    where = f" that begin with {parent}" if parent else ""
    problem = (
        f"All {room:,} IDs{where} are taken, and items are left over; "
        f"{len(overflow):,} items found their prefix full: {names_of(overflow, titles)}."
    )
    return problem, (
        "Use more codes (tokenize.quantizer.codebook_size) or levels (tokenize.quantizer.levels), or number such "
        "items by a further level: tokenize.collisions.strategy=append."
    )
