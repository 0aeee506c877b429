"""Catalogue coverage at K."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def coverage(items: npt.ArrayLike, k: int, catalogue_size: int) -> float:
    """Return the share of the catalogue that stands among the first k of at least one list.

    ``|⋃ first k of each list| / catalogue_size``; places that hold no item of the catalogue do not count.
    No lists at all cover nothing: 0.

    Args:
        items: int64 [examples, k or more], recommended ``item_index``, best first.
        k: the cut-off.
        catalogue_size: the number of items there are.

    Raises:
        ValueError: if k or the catalogue's size is less than 1.
    """
    if k < 1 or catalogue_size < 1:
        raise ValueError(f"k ({k}) and the catalogue's size ({catalogue_size}) must be at least 1")
    return int(seen_items(items, k, catalogue_size).sum()) / catalogue_size


def seen_items(items: npt.ArrayLike, k: int, catalogue_size: int) -> npt.NDArray[np.bool_]:
    """Return a mask [catalogue_size] of the items among the first k of at least one list."""
    places = np.asarray(items)[:, :k]
    seen = np.zeros(catalogue_size, dtype=np.bool_)
    seen[places[(places >= 0) & (places < catalogue_size)]] = True
    return seen
