"""The tree search returns what transformers' own constrained beam search returns."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from transformers import AutoConfig, AutoModelForCausalLM

from genrec.decoding import TreeBeamSearch
from genrec.decoding.last_position import prepare
from genrec.semantic_ids.vocabulary import SIDVocabulary
from tests.decoding.worlds import FAMILIES, NEAR, World, random_codes, random_prompts, ranked

TOLERANCE = 1e-4


def assert_same(found: list[tuple[int, float]], wanted: list[tuple[int, float]]) -> None:
    assert [item for item, _ in found] == [item for item, _ in wanted]
    np.testing.assert_allclose([s for _, s in found], [s for _, s in wanted], rtol=0, atol=TOLERANCE)


@st.composite
def cases(draw: st.DrawFn) -> tuple[World, list[list[int]], int]:
    sizes = tuple(draw(st.lists(st.integers(1, 7), min_size=2, max_size=4)))
    items = draw(st.integers(1, min(int(np.prod(sizes)), 60)))
    seed = draw(st.integers(0, 2**16))
    world = World.random(draw(st.sampled_from(FAMILIES)), sizes, items, seed, tied=draw(st.booleans()))
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=4))
    prompts = random_prompts(lengths, world.vocabulary, np.random.default_rng(seed))
    return world, prompts, draw(st.sampled_from([1, 2, 3, 5, 10, 20, items, items + 7]))


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_same_lists_and_scores_as_generate(case: tuple[World, list[list[int]], int]) -> None:
    world, prompts, beams = case
    found = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)(prompts, beams=beams)
    wanted = world.generate(prompts, beams)
    for row, prompt in enumerate(prompts):
        decided = world.smallest_gap(prompt, beams) > NEAR
        event("decided" if decided else "near tie")
        if decided:
            assert_same(ranked(found, row), wanted[row])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("tied", [True, False])
def test_every_family_and_attention_agrees_with_generate(family: str, attention: str, tied: bool) -> None:
    world = World.random(family, (6, 5, 4), 50, seed=3, tied=tied)
    world.model.set_attn_implementation(attention)
    prompts = random_prompts([1, 12, 5, 5], world.vocabulary, np.random.default_rng(3))
    found = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)(prompts, beams=8)
    decided = [world.smallest_gap(prompt, 8) > NEAR for prompt in prompts]
    assert sum(decided) >= 3, "the seed gives near ties; choose another"
    for row, wanted in enumerate(world.generate(prompts, 8)):
        if decided[row]:
            assert_same(ranked(found, row), wanted)


SMALL = {"vocab_size": 20, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
FORMS = {
    "qwen2": {"num_key_value_heads": 2, "intermediate_size": 48},
    "mistral": {"num_key_value_heads": 2, "intermediate_size": 48, "sliding_window": None},
    "smollm3": {"num_key_value_heads": 2, "intermediate_size": 48, "no_rope_layer_interval": 2},
    "gemma": {"num_key_value_heads": 1, "intermediate_size": 48, "head_dim": 8},
    "gpt_neox": {"intermediate_size": 48},
    "phi": {"intermediate_size": 48},
    "phi3": {"intermediate_size": 48, "num_key_value_heads": 2},
    "olmo2": {"intermediate_size": 48},
    "granite": {"intermediate_size": 48},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32},
    "mixtral": {"num_key_value_heads": 2, "intermediate_size": 48, "num_local_experts": 4, "sliding_window": None},
    "qwen3_moe": {
        "num_key_value_heads": 2,
        "moe_intermediate_size": 48,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "head_dim": 8,
    },
}


@pytest.mark.parametrize("family", FORMS)
def test_other_families_of_the_hub_agree_with_generate(family: str) -> None:
    ends = {"pad_token_id": 0, "bos_token_id": None, "eos_token_id": None, "initializer_range": 0.3}
    config = AutoConfig.for_model(family, **SMALL, **FORMS[family], **ends)
    torch.manual_seed(0)
    vocabulary = SIDVocabulary((6, 5, 4))
    codes = random_codes((6, 5, 4), 50, np.random.default_rng(0))
    world = World(AutoModelForCausalLM.from_config(config).eval(), codes, vocabulary)
    prompts = random_prompts([7, 2, 11], vocabulary, np.random.default_rng(0))
    search = TreeBeamSearch(world.model, world.trie, vocabulary.offsets)
    assert prepare(world.model) == (family not in ("opt", "mixtral", "qwen3_moe"))
    found = search(prompts, beams=8)
    for row, (prompt, wanted) in enumerate(zip(prompts, world.generate(prompts, 8), strict=True)):
        assert world.smallest_gap(prompt, 8) > NEAR, "the seed gives near ties; choose another"
        assert_same(ranked(found, row), wanted)


def test_more_beams_than_items_rank_the_whole_catalogue_by_plain_scores() -> None:
    world = World.random("qwen3", (5, 4, 3), 40, seed=1)
    prompts = random_prompts([4, 9], world.vocabulary, np.random.default_rng(1))
    found = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)(prompts, beams=100)
    assert found.items.shape == (2, 100)
    for row, prompt in enumerate(prompts):
        scores = {item: world.score(prompt, item) for item in range(40)}
        assert {item for item, _ in ranked(found, row)} == set(scores)
        for item, score in ranked(found, row):
            assert score == pytest.approx(scores[item], abs=TOLERANCE)
        assert (np.diff(found.scores[row, :40]) <= 0).all()
        assert (found.items[row, 40:] == -1).all()


def test_every_output_is_an_item_of_the_catalogue() -> None:
    world = World.random("qwen3", (32, 32, 8), 900, seed=2)
    world.model.resize_token_embeddings(200)  # rows that no code uses, as a language model has
    prompts = random_prompts([3 + row % 20 for row in range(24)], world.vocabulary, np.random.default_rng(2))
    found = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)(prompts, beams=500)
    assert found.items.size >= 10_000
    assert found.items.min() >= 0
    assert found.items.max() < 900
    assert all(len(np.unique(row)) == 500 for row in found.items)


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_a_batch_gives_what_its_prompts_give_one_by_one(case: tuple[World, list[list[int]], int]) -> None:
    world, prompts, beams = case
    search = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)
    together = search(prompts, beams=beams)
    for row, prompt in enumerate(prompts):
        if world.smallest_gap(prompt, beams) > NEAR:
            assert_same(ranked(together, row), ranked(search([prompt], beams=beams), 0))


def test_a_model_in_bfloat16_ranks_nearly_the_same() -> None:
    world = World.random("llama", (8, 8, 4), 120, seed=5)
    prompts = random_prompts([6, 11, 2], world.vocabulary, np.random.default_rng(5))
    exact = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)(prompts, beams=20)
    world.model.to(torch.bfloat16)
    near = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)(prompts, beams=20)
    assert near.scores.dtype == np.float32
    overlap = [len(np.intersect1d(a, b)) / 20 for a, b in zip(exact.items, near.items, strict=True)]
    assert min(overlap) >= 0.7


def test_an_inherited_generation_config_changes_nothing() -> None:
    world = World.random("qwen3", (6, 6), 30, seed=6)
    search = TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)
    prompts = random_prompts([5], world.vocabulary, np.random.default_rng(6))
    before = search(prompts, beams=30)
    world.model.generation_config.top_k = 1
    world.model.generation_config.repetition_penalty = 2.0
    after = search(prompts, beams=30)
    np.testing.assert_array_equal(before.items, after.items)
    np.testing.assert_array_equal(before.scores, after.scores)


def test_every_token_is_run_once_and_no_level_is_wider_than_its_nodes() -> None:
    world = World.random("qwen3", (4, 3, 5), 30, seed=7)
    widths = []
    world.model.model.register_forward_pre_hook(
        lambda _module, _args, given: widths.append(tuple(given["input_ids"].shape)), with_kwargs=True
    )
    prompts = random_prompts([9, 4], world.vocabulary, np.random.default_rng(7))
    TreeBeamSearch(world.model, world.trie, world.vocabulary.offsets)(prompts, beams=20)
    # The prompts, then the beams of two levels, no more than the trie has nodes; the leaves are not run.
    assert widths == [(2, 9), (2, 4), (2, len(world.trie.levels[1]))]
