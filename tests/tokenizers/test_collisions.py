"""Collisions: the appended level makes IDs unique and changes nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genrec.errors import DataError
from genrec.semantic_ids.catalogue import unique_rows
from genrec_tokenizers.collisions import append_level, groups_of


@st.composite
def catalogues(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Codes [items, levels] with many collisions, and popularity [items]."""
    levels = draw(st.integers(1, 3))
    rows = draw(st.lists(st.lists(st.integers(0, 2), min_size=levels, max_size=levels), min_size=1, max_size=40))
    popularity = draw(st.lists(st.integers(0, 3), min_size=len(rows), max_size=len(rows)))
    return np.array(rows, dtype=np.int32), np.array(popularity)


@given(catalogues())
def test_ids_are_unique_keep_their_prefix_and_number_each_group_without_gaps(
    catalogue: tuple[np.ndarray, np.ndarray],
) -> None:
    codes, popularity = catalogue
    unique = append_level(codes, popularity)
    assert unique_rows(unique)
    assert unique.dtype == np.int32
    assert np.array_equal(unique[:, : codes.shape[1]], codes)
    groups = groups_of(codes)
    if groups.largest == 1:
        assert unique is codes
        return
    assert unique[:, -1].max() + 1 == groups.largest
    for group in range(len(groups.sizes)):
        members = np.flatnonzero(groups.of_item == group)
        by_number = members[np.argsort(unique[members, -1])]
        assert unique[by_number, -1].tolist() == list(range(len(members)))
        keys = [(-popularity[item], item) for item in by_number]
        assert keys == sorted(keys)


def test_the_popular_item_gets_zero_and_ties_go_by_position() -> None:
    codes = np.array([[1, 1], [0, 2], [1, 1], [1, 1], [1, 1]], dtype=np.int32)
    unique = append_level(codes, np.array([2, 0, 9, 2, 3]))
    assert unique[:, -1].tolist() == [2, 0, 0, 3, 1]


def test_nothing_is_appended_where_nothing_collides() -> None:
    codes = np.array([[0, 1], [1, 0]], dtype=np.int32)
    assert append_level(codes, np.array([1, 1])).shape == (2, 2)


def test_a_group_beyond_the_limit_is_named_with_the_remedy() -> None:
    codes = np.zeros((5, 2), dtype=np.int32)
    with pytest.raises(DataError, match=r"5 items have the same codes.*4 allowed: 'A', 'B'[\s\S]*codebook_size"):
        append_level(codes, np.ones(5), max_group=4, titles=list("ABCDE"))
    assert append_level(codes, np.ones(5), max_group=5).shape == (5, 3)


def test_groups_count_the_items_that_share_codes() -> None:
    groups = groups_of(np.array([[1], [0], [1], [1], [2]]))
    assert groups.sizes.tolist() == [1, 3, 1]
    assert groups.of_item.tolist() == [1, 0, 1, 1, 2]
    assert (groups.colliding, groups.largest) == (3, 3)
