"""What a recommended item has in common with a history: an explanation for models that say nothing of themselves.

It is told from the semantic IDs, whose first codes stand for what items are about, and from the items' categories.
It describes the two; it is not the way the model came to its answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer]


class Resemblance(NamedTuple):
    """What an item and a history share.

    Args:
        items: ``item_index`` of the history whose IDs begin like the item's, the longest beginning first, of equals
            the latest.
        codes: how many codes each of them shares.
        terms: the item's categories that the history has too, the most frequent there first.
    """

    items: list[int]
    codes: list[int]
    terms: list[str]


def resemblance(
    codes: Ints, history: Ints, item: int, terms: Sequence[Sequence[str]] | None = None, most: int = 3
) -> Resemblance:
    """Return what an item has in common with a history.

    Args:
        codes: int [items, levels], the semantic IDs.
        history: ``item_index``, oldest first.
        item: ``item_index`` of what was recommended.
        terms: categories by ``item_index``; None where nothing is known.
        most: items, and terms, at most.
    """
    latest_first = np.asarray(history, dtype=np.int64)[::-1]
    different = latest_first[np.sort(np.unique(latest_first, return_index=True)[1])]
    shared = np.logical_and.accumulate(codes[different] == codes[item], axis=1).sum(axis=1)
    order = np.argsort(-shared, kind="stable")[:most]
    order = order[shared[order] > 0]
    return Resemblance(
        different[order].tolist(), shared[order].tolist(), _shared_terms(terms, different, item, most)
    )


def _shared_terms(terms: Sequence[Sequence[str]] | None, history: Ints, item: int, most: int) -> list[str]:
    if terms is None:
        return []
    frequent = Counter(term for one in history for term in terms[one])
    own = [term for term in terms[item] if term in frequent]
    return sorted(own, key=lambda term: -frequent[term])[:most]
