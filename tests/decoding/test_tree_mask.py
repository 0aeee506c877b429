"""Beams see their prompt, their ancestors and themselves; what nobody sees is dropped."""

from __future__ import annotations

import torch
from transformers.cache_utils import DynamicCache

from genrec.decoding.tree_mask import follow, forget, with_itself, without_later
from tests.decoding.session_worlds import session_world


def test_a_beam_sees_what_its_parent_saw_and_itself() -> None:
    seen = torch.tensor([[[1, 1, 0], [1, 0, 1]]]).bool()
    origin = torch.tensor([[1, 1, 0]])
    after = with_itself(follow(seen, origin))
    assert after[0].int().tolist() == [[1, 0, 1, 1, 0, 0], [1, 0, 1, 0, 1, 0], [1, 1, 0, 0, 0, 1]]
    assert without_later(seen)[0].int().tolist() == [[1, 1, 0, 0, 0], [1, 0, 1, 0, 0]]


def test_what_is_dropped_is_what_no_beam_sees() -> None:
    seen = torch.tensor([[[1, 0, 0, 1, 0], [1, 0, 0, 0, 1]], [[0, 1, 0, 0, 0], [0, 1, 0, 0, 0]]]).bool()
    keys = torch.arange(10.0).view(2, 1, 5, 1)
    cache = DynamicCache()
    cache.update(keys, keys + 100, 0)
    left = forget(seen, cache)
    # The second prompt has fewer keys that matter: two that nobody sees stay with it.
    assert cache.layers[0].keys[:, 0, :, 0].tolist() == [[0, 3, 4], [6, 5, 7]]
    assert cache.layers[0].values[:, 0, :, 0].tolist() == [[100, 103, 104], [106, 105, 107]]
    assert left.int().tolist() == [[[1, 1, 0], [1, 0, 1]], [[1, 0, 0], [1, 0, 0]]]


def test_a_cache_that_is_needed_is_left_alone() -> None:
    seen = torch.ones(1, 2, 6, dtype=torch.bool)
    seen[:, :, 0] = False
    cache = DynamicCache()
    cache.update(torch.zeros(1, 1, 6, 2), torch.zeros(1, 1, 6, 2), 0)
    assert forget(seen, cache) is seen
    assert cache.get_seq_length() == 6


def test_a_long_session_does_not_look_past_the_beams_that_ended() -> None:
    world = session_world("onerec", (8, 8), 60, seed=0, lengths=[5, 3])
    decoding = world.search.stepper.start(world.prompts, 4)
    widest = 20
    for item in range(3):
        decoding.extend(torch.zeros(2, widest, dtype=torch.int64), torch.zeros(2, widest, dtype=torch.int64), 0)
        decoding.extend(torch.zeros(2, widest, dtype=torch.int64), torch.zeros(2, widest, dtype=torch.int64), 1)
        # All go on from one beam: its BOS and codes are left of each item, and this item's last code and BOS.
        assert decoding._cache.get_seq_length() == 1 + 1 + 3 * item + 2 * widest
