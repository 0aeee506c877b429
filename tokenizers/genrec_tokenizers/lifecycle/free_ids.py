"""Free semantic IDs for new items: the nearest codes that are nobody's, with frozen codebooks."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from genrec.errors import DataError
from genrec.semantic_ids import Snapshot
from genrec_tokenizers.quantizers.base import Quantizer

Codes = tuple[int, ...]


def assign_ids(
    item_ids: Sequence[str],
    embeddings: npt.NDArray[np.float32],
    quantizer: Quantizer,
    snapshot: Snapshot,
    *,
    reuse: bool = False,
) -> npt.NDArray[np.int32]:
    """Return an ID for each new item; no one else's changes.

    An item that was here before gets its old ID back. Any other gets its nearest codes and, where the catalogue
    has an appended level, the smallest free number below them. Where nothing is free there, the codes next in
    cost come: :func:`by_cost`. IDs that were somebody's are not given to others unless ``reuse``. Items are
    served in the given order.

    Args:
        item_ids: items that the catalogue does not have.
        embeddings: float32 [items, dim].
        quantizer: what made the catalogue's codes.
        snapshot: the catalogue and its retired IDs.
        reuse: whether retired IDs may be given to other items.

    Returns:
        int32 [items, levels of the catalogue].

    Raises:
        DataError: if the catalogue has no room for so many.
    """
    catalogue, retired = snapshot.catalogue, snapshot.retired
    returning = {place: retired.index_of[item] for place, item in enumerate(item_ids) if item in retired.index_of}
    old = {place: tuple(retired.codes[row].tolist()) for place, row in returning.items()}
    taken = _as_tuples(catalogue.codes) | set(old.values()) | (set() if reuse else _as_tuples(retired.codes))
    free = FreeIDs(taken, catalogue.codebook_sizes, quantizer.levels)
    free.require(len(item_ids) - len(old))
    nearest = quantizer.encode(embeddings).tolist()
    chosen = np.empty((len(item_ids), len(catalogue.codebook_sizes)), dtype=np.int32)
    for place, codes in enumerate(nearest):
        chosen[place] = (
            old.get(place) or free.claim(tuple(codes)) or _next_in_cost(quantizer, embeddings[place], free)
        )
    return chosen


class FreeIDs:
    """Keeps account of which IDs are free.

    Args:
        taken: the IDs that are not; claimed ones are added.
        sizes: the codebook sizes of the catalogue, with the appended level where it has one.
        levels: the levels of the quantizer.
    """

    def __init__(self, taken: set[Codes], sizes: Sequence[int], levels: int) -> None:
        self._taken = taken
        self._sizes = tuple(sizes)
        self._levels = levels
        self._next: dict[Codes, int] = {}  # below these codes, all smaller numbers are taken

    def require(self, wanted: int) -> None:
        """Refuse to serve more items than there are free IDs.

        Raises:
            DataError: saying how many there are.
        """
        free = math.prod(self._sizes) - len(self._taken)
        if wanted > free:
            raise DataError(
                f"The catalogue has room for {free:,} more items, not for {wanted:,}: all other IDs of "
                f"{' × '.join(map(str, self._sizes))} codes are taken or retired.",
                "Use retired IDs as well (--reuse), or make larger IDs (genrec tokenize) and train again.",
            )

    def claim(self, codes: Codes) -> Codes | None:
        """Take a free ID that begins with the quantizer's codes and return it; None if there is none."""
        if len(self._sizes) == self._levels:
            if codes in self._taken:
                return None
            self._taken.add(codes)
            return codes
        number = self._next.get(codes, 0)
        while number < self._sizes[-1] and (*codes, number) in self._taken:
            number += 1
        self._next[codes] = number
        if number == self._sizes[-1]:
            return None
        self._taken.add((*codes, number))
        return (*codes, number)


def _next_in_cost(quantizer: Quantizer, embedding: npt.NDArray[np.float32], free: FreeIDs) -> Codes:
    """Return the free ID of the least cost; there must be one."""
    return next(found for codes in by_cost(quantizer, embedding) if (found := free.claim(codes)))


class _Step(NamedTuple):
    """A prefix in the queue, with what is needed to queue the sibling that is next in cost."""

    cost: float
    prefix: Codes
    above: float
    costs: npt.NDArray[np.float32]
    order: npt.NDArray[np.int64]
    place: int


def by_cost(quantizer: Quantizer, embedding: npt.NDArray[np.float32]) -> Iterator[Codes]:
    """Yield all codes of an item, cheapest first; the cost is the sum of the levels' costs.

    A best-first search: prefixes wait in a queue by their cost so far, which never falls when a code is added.
    Each prefix brings in its cheapest continuation and its next sibling only, so the queue stays short.

    Args:
        quantizer: its :meth:`~Quantizer.costs` are asked for once for each prefix that is gone into.
        embedding: float32 [dim].
    """
    queue = [_first_child(quantizer, embedding, (), 0.0)]
    while queue:
        step = heapq.heappop(queue)
        if step.place + 1 < len(step.order):
            heapq.heappush(queue, _step(step.prefix[:-1], step.above, step.costs, step.order, step.place + 1))
        if len(step.prefix) == quantizer.levels:
            yield step.prefix
        else:
            heapq.heappush(queue, _first_child(quantizer, embedding, step.prefix, step.cost))


def _first_child(quantizer: Quantizer, embedding: npt.NDArray[np.float32], prefix: Codes, above: float) -> _Step:
    known = np.array(prefix, dtype=np.int64).reshape(1, len(prefix))
    costs = quantizer.costs(embedding[None], known)[0]
    # Rounding may leave a cost just below zero, which would break the order of the search.
    costs = np.maximum(costs, 0)
    return _step(prefix, above, costs, np.argsort(costs, kind="stable"), 0)


def _step(
    prefix: Codes, above: float, costs: npt.NDArray[np.float32], order: npt.NDArray[np.int64], place: int
) -> _Step:
    code = int(order[place])
    return _Step(above + float(costs[code]), (*prefix, code), above, costs, order, place)


def _as_tuples(codes: npt.NDArray[np.integer]) -> set[Codes]:
    return set(map(tuple, codes.tolist()))
