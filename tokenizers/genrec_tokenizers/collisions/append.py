"""Colliding items are numbered by one more level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from genrec.errors import DataError
from genrec.semantic_ids.catalogue import unique_rows
from genrec_tokenizers.collisions.groups import SHOWN, Groups, groups_of, names_of


def append_level(
    codes: npt.NDArray[np.int32],
    popularity: npt.NDArray[np.integer],
    max_group: int = 256,
    titles: Sequence[str] | None = None,
) -> npt.NDArray[np.int32]:
    """Make IDs unique by a last level that numbers the items of equal codes 0, 1, 2, … (as TIGER does).

    The most frequent item of a group gets 0, so that a generator which knows only the group's prefix is right
    most often; ties go by position, which in a dataset is the order of ``item_id``. An item alone in its group
    gets 0. Where all rows differ already, nothing is appended.

    Args:
        codes: int32 [items, levels].
        popularity: [items], how often each item occurs in the training part.
        max_group: the largest group allowed.
        titles: what to call the items in an error.

    Returns:
        int32 [items, levels] or [items, levels + 1], without equal rows; the first levels are unchanged.

    Raises:
        DataError: if a group is larger than ``max_group``.
    """
    groups = groups_of(codes)
    if groups.largest > max_group:
        raise DataError(*_too_many(groups, max_group, titles))
    if groups.largest <= 1:
        return codes
    order = np.lexsort((np.arange(len(codes)), -np.asarray(popularity, dtype=np.int64), groups.of_item))
    starts = np.concatenate([[0], np.cumsum(groups.sizes)[:-1]])
    number = np.empty(len(codes), dtype=np.int32)
    number[order] = np.arange(len(codes)) - np.repeat(starts, groups.sizes)
    unique = np.column_stack([codes, number])
    assert unique_rows(unique)
    return unique


def _too_many(groups: Groups, max_group: int, titles: Sequence[str] | None) -> tuple[list[str], str]:
    problems = []
    for group in np.flatnonzero(groups.sizes > max_group)[:SHOWN]:
        members = np.flatnonzero(groups.of_item == group)
        names = f": {names_of(members, titles)}" if titles else ""
        problems.append(f"{len(members):,} items have the same codes, more than the {max_group:,} allowed{names}")
    remedy = (
        "Nothing tells them apart if their texts are equal and nobody used them in training: see to their texts. "
        "Otherwise use more codes (tokenize.quantizer.codebook_size) or levels (tokenize.quantizer.levels), or "
        "allow it: tokenize.collisions.max_group."
    )
    return problems, remedy
