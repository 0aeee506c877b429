"""Excluded items are left out inside the search: the rest is ranked as if they did not exist."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrec.decoding import TreeBeamSearch, Trie
from genrec.decoding.exclusion import dead_nodes
from tests.decoding.worlds import FAMILIES, NEAR, World, random_codes, random_prompts, ranked


@st.composite
def cases(draw: st.DrawFn) -> tuple[World, list[list[int]], list[np.ndarray], int]:
    sizes = tuple(draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)))
    items = draw(st.integers(1, min(int(np.prod(sizes)), 50)))
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    world = World.random(draw(st.sampled_from(FAMILIES)), sizes, items, seed)
    prompts = random_prompts(draw(st.lists(st.integers(1, 8), min_size=1, max_size=3)), world.vocabulary, rng)
    # With repeats, in no order, sometimes nothing, sometimes every item.
    exclude = [rng.integers(0, items, size=draw(st.integers(0, 2 * items))) for _ in prompts]
    return world, prompts, exclude, draw(st.integers(1, items + 3))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_same_as_a_catalogue_without_the_excluded_items(
    case: tuple[World, list[list[int]], list[np.ndarray], int],
) -> None:
    world, prompts, exclude, beams = case
    found = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)(prompts, beams=beams, exclude=exclude)
    for row, prompt in enumerate(prompts):
        kept = np.setdiff1d(np.arange(len(world.codes)), exclude[row])
        if not len(kept):
            assert ranked(found, row) == []
            continue
        rest = World(world.model, world.codes[kept], world.vocabulary)
        if rest.smallest_gap(prompt, beams) <= NEAR:
            continue
        wanted = ranked(TreeBeamSearch(rest.model, rest.trie, rest.vocabulary.offsets)([prompt], beams=beams), 0)
        assert [item for item, _ in ranked(found, row)] == [int(kept[item]) for item, _ in wanted]
        np.testing.assert_allclose([s for _, s in ranked(found, row)], [s for _, s in wanted], rtol=0, atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_a_wide_beam_finds_all_that_is_left(seed: int) -> None:
    # Few are left and the beam is wide: most hypotheses are "nowhere" and must not hide or revive anything.
    world = World.random("llama", (6, 6, 3), 50, seed)
    rng = np.random.default_rng(seed)
    exclude = [rng.choice(50, size=size, replace=False) for size in (35, 49, 0)]
    prompts = random_prompts([4, 4, 4], world.vocabulary, rng)
    found = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)(prompts, beams=50, exclude=exclude)
    for row, gone in enumerate(exclude):
        assert {item for item, _ in ranked(found, row)} == set(range(50)) - set(gone.tolist())


def test_no_beam_is_wasted_on_a_dead_branch() -> None:
    world = World.random("qwen3", (5, 5), 20, seed=4)
    prompts = random_prompts([6], world.vocabulary, np.random.default_rng(4))
    search = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)
    [best] = search(prompts, beams=1).items[0]
    branch = np.flatnonzero(world.codes[:, 0] == world.codes[best, 0])
    [other] = search(prompts, beams=1, exclude=[branch]).items[0]
    assert other >= 0
    assert other not in branch


def test_dead_nodes_are_those_with_no_leaf_left(rng: np.random.Generator) -> None:
    codes = random_codes((4, 3, 3), 30, rng)
    trie = Trie.build(codes, (4, 3, 3))
    exclude = [rng.integers(0, 30, size=20), np.empty(0, dtype=np.int64), np.arange(30)]
    for level, dead in enumerate(dead_nodes(trie, exclude)):
        prefixes = np.unique(codes[:, : level + 1], axis=0)
        wanted = {
            (row, node)
            for row, items in enumerate(exclude)
            for node, prefix in enumerate(prefixes)
            if not len(set(np.flatnonzero((codes[:, : level + 1] == prefix).all(axis=1))) - set(items.tolist()))
        }
        assert set(zip(dead.rows.tolist(), dead.nodes.tolist(), strict=True)) == wanted
        np.testing.assert_array_equal(trie.levels[level].children_of[dead.parents] + dead.ranks, dead.nodes)


def test_an_unknown_item_is_refused() -> None:
    trie = Trie.build(np.array([[0], [1]], dtype=np.int32), (2,))
    for item in (2, -1):
        with pytest.raises(ValueError, match="outside 0 … 1"):
            dead_nodes(trie, [[item]])
