"""A restricted search is the search of the catalogue of the allowed items."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrec.decoding import TreeBeamSearch, Trie
from genrec.decoding.restriction import allowed_leaves, live_nodes
from tests.decoding.worlds import NEAR, World, random_codes, random_prompts, ranked

Case = tuple[World, list[list[int]], list[np.ndarray | None], list[np.ndarray], int]


def allowed_items(codes: np.ndarray, prefixes: np.ndarray | None) -> np.ndarray:
    """The items whose codes begin with one of the prefixes, one comparison after the other."""
    if prefixes is None:
        return np.arange(len(codes))
    depth = prefixes.shape[1]
    return np.flatnonzero([any((row[:depth] == prefix).all() for prefix in prefixes) for row in codes])


@st.composite
def cases(draw: st.DrawFn) -> Case:
    sizes = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    items = draw(st.integers(1, min(int(np.prod(sizes)), 30)))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    world = World.random("llama", sizes, items, seed)
    prompts = random_prompts(draw(st.lists(st.integers(1, 8), min_size=1, max_size=2)), world.vocabulary, rng)
    within: list[np.ndarray | None] = []
    for _ in prompts:
        depth, count = draw(st.integers(0, len(sizes))), draw(st.integers(0, 12))
        # Some exist, some do not, some come twice; one prefix in all, or none, is legal.
        within.append(rng.integers(0, sizes[:depth], size=(count, depth)) if depth else None)
    exclude = [rng.integers(0, items, size=draw(st.integers(0, items))) for _ in prompts]
    return world, prompts, within, exclude, draw(st.integers(1, items + 3))


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_same_as_the_catalogue_of_the_allowed_items(case: Case) -> None:
    world, prompts, within, exclude, beams = case
    search = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)
    found = search(prompts, beams=beams, exclude=exclude, within=within)
    for row, prompt in enumerate(prompts):
        kept = np.setdiff1d(allowed_items(world.codes, within[row]), exclude[row])
        if not len(kept):
            assert ranked(found, row) == []
            continue
        rest = World(world.model, world.codes[kept], world.vocabulary)
        if rest.smallest_gap(prompt, beams) <= NEAR:
            continue
        wanted = ranked(TreeBeamSearch(rest.model, rest.trie, rest.vocabulary.offsets)([prompt], beams=beams), 0)
        assert [item for item, _ in ranked(found, row)] == [int(kept[item]) for item, _ in wanted]
        np.testing.assert_allclose([s for _, s in ranked(found, row)], [s for _, s in wanted], rtol=0, atol=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_restricted_sessions_take_allowed_items_only_and_each_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    world = World.random("llama", (4, 4, 3), 40, seed)
    prompts = random_prompts([4, 6], world.vocabulary, rng)
    within = [rng.integers(0, 4, size=(3, 2)), None]
    exclude = [np.arange(0, 40, 3), np.arange(5)]
    search = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)
    found = search.sessions(prompts, length=3, beams=12, k=2, exclude=exclude, within=within)
    for row, prompt in enumerate(prompts):
        kept = np.setdiff1d(allowed_items(world.codes, within[row]), exclude[row])
        rest = World(world.model, world.codes[kept], world.vocabulary)
        alone = TreeBeamSearch(rest.model, rest.trie, rest.vocabulary.offsets)
        wanted = alone.sessions([prompt], length=3, beams=12, k=2)
        mapped = np.where(wanted.items[0] >= 0, kept[wanted.items[0]], -1)
        np.testing.assert_array_equal(found.items[row], mapped)
        np.testing.assert_allclose(found.scores[row], wanted.scores[0], rtol=0, atol=1e-4)


def test_a_branch_whose_allowed_items_are_all_excluded_takes_no_beam() -> None:
    world = World.random("llama", (4, 4, 3), 40, 0)
    search = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)
    [prompt] = random_prompts([5], world.vocabulary, np.random.default_rng(0))
    pair = [np.flatnonzero(world.codes[:, 0] == code)[0] for code in (0, 1)]
    # One of the two lies on the better branch, where items that are not allowed are left.
    for gone, left in (pair, pair[::-1]):
        assert search([prompt], beams=1, exclude=[[gone]], within=[world.codes[pair]]).items.tolist() == [[left]]


def test_the_search_is_no_wider_than_the_prefixes() -> None:
    world = World.random("qwen3", (5, 4, 3), 50, seed=3)
    widths = []
    world.model.model.register_forward_pre_hook(
        lambda _module, _args, given: widths.append(given["input_ids"].shape[1]), with_kwargs=True
    )
    prefixes = np.unique(world.codes[:, :2], axis=0)[[0, 1, 7]]
    TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)(
        random_prompts([6], world.vocabulary, np.random.default_rng(0)), beams=20, within=[prefixes]
    )
    assert widths == [6, len(np.unique(prefixes[:, 0])), 3]


def test_leaves_and_nodes_of_prefixes(rng: np.random.Generator) -> None:
    codes = random_codes((4, 3, 3), 30, rng)
    trie = Trie.build(codes, (4, 3, 3))
    within = [codes[:4, :2], None, codes[:0, :1], np.array([[9, 0], [-1, 2]]), codes[5:6]]
    rows, leaves = allowed_leaves(trie, within)
    for row, prefixes in enumerate(within):
        wanted = set() if prefixes is None else set(allowed_items(codes, prefixes).tolist())
        assert set(trie.items[leaves[rows == row]].tolist()) == wanted
    for level, (row, node) in enumerate(live_nodes(trie, rows, leaves)):
        prefixes = np.unique(codes[:, : level + 1], axis=0)
        wanted = {tuple(codes[trie.items[leaf], : level + 1]) for leaf in leaves[rows == 0]}
        assert {tuple(prefixes[one]) for one in node[row == 0]} == wanted


def test_what_does_not_fit_is_refused() -> None:
    world = World.random("qwen3", (3, 3), 9, seed=0)
    search = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)
    with pytest.raises(ValueError, match="within has 1 entries for 2 prompts"):
        search([[3], [4]], within=[None])
    with pytest.raises(ValueError, match=r"codes \[prefixes, 1 to 2\]"):
        search([[3]], within=[np.zeros((1, 3), np.int64)])
    assert torch.is_grad_enabled()
