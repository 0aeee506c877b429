"""The prefill computes the last position's output only, and nothing else changes."""

import threading

import numpy as np
import pytest
import torch

from genrec.decoding import TreeBeamSearch
from genrec.decoding.last_position import last_position_only, prepare
from tests.decoding.worlds import FAMILIES, World, random_prompts


@pytest.mark.parametrize("family", FAMILIES)
def test_the_last_position_is_right_and_others_are_spared(family: str) -> None:
    model = World.random(family, (4, 4), 8, seed=0).model
    assert prepare(model)
    tokens = torch.randint(3, 11, (2, 9))
    seen: list[int] = []
    last_block = (model.get_decoder().h if family == "gpt2" else model.get_decoder().layers)[-1].mlp
    last_block.register_forward_pre_hook(lambda _module, args: seen.append(args[0].shape[1]))
    with torch.no_grad():
        whole = model(tokens).logits[:, -1]
        with last_position_only():
            spared = model(tokens, logits_to_keep=1).logits[:, -1]
        again = model(tokens).logits[:, -1]
    assert seen == [9, 1, 9]
    torch.testing.assert_close(spared, whole, rtol=0, atol=1e-5)
    assert torch.equal(again, whole)


def test_searches_on_one_model_share_one_hook() -> None:
    world = World.random("llama", (4, 4), 8, seed=0)
    for _ in range(3):
        TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)
    assert len(world.model.model.layers[-1].mlp._forward_pre_hooks) == 1


def test_a_prefill_in_one_thread_leaves_the_others_alone() -> None:
    world = World.random("llama", (4, 4, 4), 40, seed=0)
    prompts = random_prompts([6, 2], world.vocabulary, np.random.default_rng(0))
    search = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)
    wanted = search(prompts, beams=10)
    found = []
    with last_position_only():  # this thread stays in the block while another searches
        other = threading.Thread(target=lambda: found.append(search(prompts, beams=10)))
        other.start()
        other.join()
    np.testing.assert_array_equal(found[0].items, wanted.items)
    np.testing.assert_allclose(found[0].scores, wanted.scores, rtol=0, atol=1e-5)
