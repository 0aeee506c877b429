"""The trie holds exactly the catalogue, whatever its shape."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genrec.decoding import Trie
from genrec.errors import DataError
from tests.decoding.worlds import random_codes


@st.composite
def catalogues(draw: st.DrawFn) -> tuple[np.ndarray, tuple[int, ...]]:
    sizes = tuple(draw(st.lists(st.integers(1, 9), min_size=1, max_size=5)))
    items = draw(st.integers(1, min(int(np.prod(sizes)), 200)))
    return random_codes(sizes, items, np.random.default_rng(draw(st.integers(0, 2**16)))), sizes


def paths(trie: Trie) -> dict[int, tuple[int, ...]]:
    """Walk the trie node by node from the root; return the codes that lead to each item."""
    found, open_nodes = {}, [(0, 0, ())]
    while open_nodes:
        level, parent, prefix = open_nodes.pop()
        if level == len(trie.levels):
            found[int(trie.items[parent])] = prefix
            continue
        table = trie.levels[level]
        for node in range(table.children_of[parent], table.children_of[parent + 1]):
            open_nodes.append((level + 1, node, (*prefix, int(table.codes[node]))))
    return found


@given(catalogues())
def test_walking_the_trie_spells_the_catalogue(catalogue: tuple[np.ndarray, tuple[int, ...]]) -> None:
    codes, sizes = catalogue
    assert paths(Trie.build(codes, sizes)) == dict(enumerate(map(tuple, codes.tolist())))


@given(catalogues())
def test_ranges_of_nodes_and_leaves_are_true(catalogue: tuple[np.ndarray, tuple[int, ...]]) -> None:
    codes, sizes = catalogue
    trie = Trie.build(codes, sizes)
    ordered = codes[trie.items]
    np.testing.assert_array_equal(trie.items[trie.leaf_of], np.arange(len(codes)))
    for level, table in enumerate(trie.levels):
        prefixes = np.unique(codes[:, : level + 1], axis=0)
        assert len(table) == len(prefixes)
        assert table.most_children == np.diff(table.children_of).max()
        for node, prefix in enumerate(prefixes):
            below = ordered[table.leaves[node] : table.leaves[node + 1], : level + 1]
            assert (below == prefix).all()
        assert table.leaves[-1] == len(codes)


@settings(max_examples=20)
@given(st.integers(0, 2**16))
def test_codes_too_wide_for_one_key_are_sorted_too(seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = (2**20, 2**30, 2**25, 3)
    codes = np.unique(rng.integers(0, [4, 2**30, 3, 3], size=(50, 4)), axis=0)
    codes = rng.permutation(codes).astype(np.int32)
    trie = Trie.build(codes, sizes)
    np.testing.assert_array_equal(codes[trie.items], np.unique(codes, axis=0))


def test_shared_ids_are_named() -> None:
    codes = np.array([[0, 1], [2, 2], [0, 1], [1, 0], [2, 2], [0, 1]], dtype=np.int32)
    with pytest.raises(DataError, match=r"5 items share .*0, 2, 5; 1, 4") as caught:
        Trie.build(codes, (3, 3))
    assert "genrec tokenize" in str(caught.value)


def test_many_shared_ids_are_cut_short() -> None:
    codes = np.repeat(np.arange(20, dtype=np.int32), 10).reshape(-1, 1)
    with pytest.raises(DataError) as caught:
        Trie.build(codes, (20,))
    assert len(str(caught.value)) < 400
    assert "and others" in str(caught.value)


@pytest.mark.parametrize(
    ("codes", "sizes", "message"),
    [
        (np.zeros((0, 2), dtype=np.int32), (3, 3), "at least one item"),
        (np.zeros((4, 3), dtype=np.int32), (3, 3), r"needs codes \[items, 2\]"),
        (np.zeros(4, dtype=np.int32), (3,), r"needs codes \[items, 1\]"),
        (np.array([[0, 3]], dtype=np.int32), (3, 3), "level 1 span 3 to 3, but its codebook has 3 codes"),
        (np.array([[-1, 0]], dtype=np.int32), (3, 3), "level 0 span -1 to -1"),
    ],
)
def test_unusable_codes_are_refused(codes: np.ndarray, sizes: tuple[int, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Trie.build(codes, sizes)


def test_a_large_catalogue_stays_small() -> None:
    codes = random_codes((256, 256, 16), 100_000, np.random.default_rng(0))
    trie = Trie.build(codes, (256, 256, 16))
    assert trie.nbytes / len(trie) < 40
    assert len(trie) == 100_000
    assert all(level.codes.dtype == np.int32 for level in trie.levels)
