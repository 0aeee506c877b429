"""Share of generated sequences that are no item."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

NOTHING = -1  # nothing was generated for this place
INVALID = -2  # a sequence was generated, but it is no item


def invalid_share(items: npt.ArrayLike, catalogue_size: int) -> float:
    """Return the share of generated sequences that are no item of the catalogue.

    A place that holds -1 was never generated: the search ran out of items (a small catalogue, many
    exclusions). It belongs neither above nor below the fraction line. Every other value outside
    ``0 … catalogue_size - 1`` is a sequence without an item; a decoder that is not constrained to the
    catalogue marks them with -2. Where nothing was generated at all, the share is 0.

    Args:
        items: int64 of any shape, ``item_index`` of what was generated.
        catalogue_size: the number of items there are.
    """
    invalid, generated = count_invalid(items, catalogue_size)
    return invalid / generated if generated else 0.0


def count_invalid(items: npt.ArrayLike, catalogue_size: int) -> tuple[int, int]:
    """Return how many sequences are no item, and how many were generated."""
    places = np.asarray(items)
    generated = places != NOTHING
    invalid = generated & ((places < 0) | (places >= catalogue_size))
    return int(invalid.sum()), int(generated.sum())
