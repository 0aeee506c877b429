"""Lists and targets that are not as they should be: said, or refused, or left alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from genrec.console import remark_once
from genrec.errors import DataError

OnOdd = Literal["raise", "warn", "ignore"]


def check_lists(
    name: str,
    items: npt.ArrayLike,
    targets: Sequence[npt.NDArray[np.integer]] | npt.NDArray[np.integer],
    catalogue_size: int,
    on_odd: OnOdd = "warn",
) -> list[str]:
    """Return what is odd about lists, in words, after saying or refusing it. The figures are the same in any case.

    Empty lists count as misses. An item that stands in a list twice counts at its first place. A target outside of
    the catalogue is a miss that no model can help. A ranking's ties were settled by whoever made it.

    Args:
        name: of the model, for the message.
        items: int64 [lists, k], ``item_index``, best first; -1 where there is nothing.
        targets: the item, or the items, of each example.
        catalogue_size: the number of items there are.
        on_odd: ``raise``, ``warn`` (once for each kind) or ``ignore``.

    Raises:
        DataError: naming everything, where ``on_odd`` is ``raise``.
    """
    if on_odd == "ignore":
        return []
    places = np.asarray(items)
    ordered = np.sort(places, axis=1)
    twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1)
    flat = np.concatenate([np.zeros(0, np.int64), *(np.atleast_1d(target) for target in targets)])
    counts = {
        "empty lists": int((places < 0).all(axis=1).sum()),
        "lists that hold an item twice": int(twice.sum()),
        "targets that are no item of the catalogue": int(((flat < 0) | (flat >= catalogue_size)).sum()),
    }
    found = [kind for kind, count in counts.items() if count]
    if found and on_odd == "raise":
        raise DataError([f"{name}: {counts[kind]} {kind}." for kind in found], "evaluate.odd_lists=warn goes on.")
    for kind in found:
        remark_once(f"{name}: there are {kind}.")
    return [f"{counts[kind]} {kind}" for kind in found]
