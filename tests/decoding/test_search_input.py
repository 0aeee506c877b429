"""What the search accepts, and how it refuses the rest."""

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, BloomConfig, MistralConfig, T5Config, T5ForConditionalGeneration

from genrec.decoding import TreeBeamSearch
from tests.decoding.worlds import POSITIONS, World, random_prompts


@pytest.fixture(scope="module")
def world() -> World:
    return World.random("gpt2", (5, 4, 3), 40, seed=8)


@pytest.fixture(scope="module")
def search(world: World) -> TreeBeamSearch:
    return TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)


def test_padded_tensors_are_the_same_as_lists(world: World, search: TreeBeamSearch) -> None:
    prompts = random_prompts([2, 5], world.vocabulary, np.random.default_rng(0))
    ids = torch.tensor([[0, 0, 0, *prompts[0]], prompts[1]])
    mask = torch.tensor([[0, 0, 0, 1, 1], [1, 1, 1, 1, 1]])
    lists, tensors = search(prompts, beams=5), search((ids, mask), beams=5)
    np.testing.assert_array_equal(lists.items, tensors.items)
    np.testing.assert_array_equal(lists.scores, tensors.scores)


def test_whatever_stands_on_the_padding_does_not_matter(search: TreeBeamSearch) -> None:
    mask = torch.tensor([[0, 0, 1, 1]])
    one, other = torch.tensor([[0, 0, 7, 8]]), torch.tensor([[9, -100, 7, 8]])
    np.testing.assert_array_equal(search((one, mask), beams=5).items, search((other, mask), beams=5).items)


def test_k_cuts_the_list_and_shapes_are_kept(world: World, search: TreeBeamSearch) -> None:
    prompts = random_prompts([3, 4], world.vocabulary, np.random.default_rng(0))
    full, cut = search(prompts, beams=9), search(prompts, beams=9, k=4)
    assert full.items.shape == (2, 9)
    assert (full.items.dtype, full.scores.dtype) == (np.int64, np.float32)
    np.testing.assert_array_equal(full.items[:, :4], cut.items)
    np.testing.assert_array_equal(full.scores[:, :4], cut.scores)


def test_no_prompts_give_an_empty_ranking(search: TreeBeamSearch) -> None:
    assert search([], beams=3).items.shape == (0, 3)


def test_the_longest_prompt_that_fits_is_searched(world: World, search: TreeBeamSearch) -> None:
    [fits] = random_prompts([POSITIONS - 2], world.vocabulary, np.random.default_rng(0))
    assert search([fits], beams=3).items.shape == (1, 3)
    with pytest.raises(ValueError, match="cut the history"):
        search([[*fits, fits[0]]], beams=3)


@pytest.mark.parametrize(
    ("prompts", "message"),
    [
        ([[5], []], r"prompts \[1\] are empty"),
        ([[5, 1000]], "token 1000 is outside"),
        ([[-1]], "token -1 is outside"),
        ((torch.tensor([[5, 0]]), torch.tensor([[1, 0]])), "pad them on the left"),
        ((torch.tensor([[5, 0]]), torch.tensor([[1]])), r"must be \[batch, length\]"),
    ],
)
def test_unusable_prompts_are_refused(search: TreeBeamSearch, prompts: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search(prompts, beams=3)


def test_unusable_arguments_are_refused(search: TreeBeamSearch) -> None:
    with pytest.raises(ValueError, match="k must be between 1 and"):
        search([[5]], beams=3, k=4)
    with pytest.raises(ValueError, match="k must be between 1 and"):
        search([[5]], beams=0)
    with pytest.raises(ValueError, match="2 entries for 1 prompts"):
        search([[5]], beams=3, exclude=[np.array([1]), np.array([2])])


def test_offsets_must_fit_the_trie_and_the_vocabulary(world: World) -> None:
    with pytest.raises(ValueError, match="3 levels need as many offsets"):
        TreeBeamSearch(world.model, world.trie, [3, 8])
    with pytest.raises(ValueError, match="reach up to 15, but the model's vocabulary has 15"):
        TreeBeamSearch(world.model, world.trie, [4, 9, 13])


def test_dropout_is_off_during_the_search_and_back_on_after(world: World, search: TreeBeamSearch) -> None:
    prompts = random_prompts([6], world.vocabulary, np.random.default_rng(0))
    wanted = search(prompts, beams=10)
    world.model.train()
    try:
        np.testing.assert_array_equal(search(prompts, beams=10).scores, wanted.scores)
        assert world.model.training
    finally:
        world.model.eval()


def _tiny(kind: type, **how: object) -> torch.nn.Module:
    small = {"vocab_size": 20, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return AutoModelForCausalLM.from_config(kind(**small, **how))


def test_models_that_cannot_be_searched_so_are_refused(world: World) -> None:
    encoder_decoder = T5ForConditionalGeneration(
        T5Config(vocab_size=20, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2)
    )
    sliding = _tiny(MistralConfig, sliding_window=4, num_key_value_heads=2, intermediate_size=16)
    for model, message in (
        (encoder_decoder, "it is an encoder-decoder"),
        (sliding, "DynamicSlidingWindowLayer"),
        (_tiny(BloomConfig), "derives positions by itself"),
    ):
        with pytest.raises(ValueError, match=message):
            TreeBeamSearch(model, world.trie, world.vocabulary.offsets)
