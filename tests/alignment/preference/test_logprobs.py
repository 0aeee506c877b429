"""Log-probabilities under a policy: those that the search ranks by, with gradients."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from genrec.decoding import Recommender, TreeBeamSearch, Trie
from genrec.models import DecoderConfig, Generator, build_generator
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig
from genrec.models.tiger.config import T5Config
from genrec.semantic_ids import Catalogue
from genrec_alignment.preference.logprobs import causal_log_probabilities, log_probabilities
from tests.decoding.worlds import World, random_prompts

SIZES = (4, 3, 5)
SHAPE = {"hidden_size": 16, "intermediate_size": 32, "heads": 2}
SHAPES = {
    "decoder": DecoderConfig(**SHAPE),
    "encoder_decoder": EncoderDecoderConfig(**SHAPE),
    "lazy_decoder": LazyDecoderConfig(**SHAPE, context_layers=1),
    "t5": T5Config(**SHAPE, layers=2, head_size=6),
    "over_catalogue": LazyDecoderConfig(**SHAPE, context_layers=1, softmax="catalogue"),
}
SINGLE = {**SHAPES, "item_head": EncoderDecoderConfig(**SHAPE, causal_encoder=True, item_head=True)}
HISTORIES = [np.array([2, 0, 1, 7]), np.array([], dtype=np.int64), np.array([5])]


def tiny_generator(kind: str) -> Generator:
    """Return a random generator for sessions of up to three items, with scores well spread out."""
    rng = np.random.default_rng(3)
    codes = np.unique(np.stack([rng.integers(0, size, 25) for size in SIZES], axis=1), axis=0).astype(np.int32)
    names = [f"i{row}" for row in range(len(codes))]
    catalogue = Catalogue(names, rng.permutation(codes), SIZES, names)
    torch.manual_seed(0)
    length = 1 if kind == "item_head" else 3
    generator = build_generator(SINGLE[kind], catalogue, history_length=3, session_length=length)
    for weight in generator.model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    generator.model.eval()
    return generator


@pytest.mark.parametrize("kind", SINGLE)
def test_items_have_the_scores_of_the_search(kind: str) -> None:
    generator = tiny_generator(kind)
    found = Recommender(generator).recommend(HISTORIES, k=8, beams=8)
    with torch.no_grad():
        scores = log_probabilities(generator, HISTORIES, found.items[:, :, None])
    assert scores.shape == (3, 8, 1)
    np.testing.assert_allclose(scores[:, :, 0].numpy(), found.scores, atol=1e-4)


@pytest.mark.parametrize("kind", SHAPES)
def test_sessions_have_the_scores_of_the_search_whatever_stands_beside_them(kind: str) -> None:
    generator = tiny_generator(kind)
    trie = Trie.build(generator.catalogue.codes, SIZES)
    search = TreeBeamSearch(generator.model, trie, generator.vocabulary.offsets)
    found = search.sessions(generator.prompts(HISTORIES), length=3, beams=6, k=4)
    found.items[0, 1, 1:], found.items[2, 3] = -1, -1  # a shorter session, and none at all
    expected = np.where(found.items < 0, 0, found.item_scores)
    with torch.no_grad():
        scores = log_probabilities(generator, HISTORIES, found.items)
        alone = log_probabilities(generator, HISTORIES[:1], found.items[:1, 2:3])
    np.testing.assert_allclose(scores.numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(alone.numpy(), expected[:1, 2:3], atol=1e-4)


@pytest.mark.parametrize("kind", SHAPES)
def test_a_step_up_the_gradient_raises_what_it_should(kind: str) -> None:
    generator = tiny_generator(kind)
    items = np.array([[[3, 4], [1, -1]]] * 3)
    before = log_probabilities(generator, HISTORIES, items)
    before[:, 0].sum().backward()
    with torch.no_grad():
        for weight in generator.model.parameters():
            if weight.grad is not None:
                assert torch.isfinite(weight.grad).all()
                weight += 1e-3 * weight.grad
        after = log_probabilities(generator, HISTORIES, items)
    assert float(after[:, 0].sum()) > float(before.detach()[:, 0].sum())


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_other_families_and_both_kinds_of_masks(family: str, attention: str) -> None:
    world = World.random(family, SIZES, items=9, seed=1)
    world.model.set_attn_implementation(attention)
    prompts = random_prompts([7, 1, 4], world.vocabulary, np.random.default_rng(0))
    items = np.array([[0, 8, 4], [1, 1, 2], [3, 5, 7]])
    tokens = torch.from_numpy(world.vocabulary.encode(world.codes[items]))[:, :, None]
    with torch.no_grad():
        scores = causal_log_probabilities(world.model, prompts, tokens)[..., 0]
    expected = [[world.score(prompt, item) for item in row] for prompt, row in zip(prompts, items, strict=True)]
    np.testing.assert_allclose(scores.numpy(), expected, atol=1e-4)


def test_a_loaded_model_knows_its_catalogue(tmp_path: Path) -> None:
    generator = tiny_generator("over_catalogue")
    generator.save_pretrained(tmp_path)
    loaded = Generator.from_pretrained(tmp_path, device="cpu")
    items = np.array([[[0], [1]]] * 3)
    with torch.no_grad():
        expected, found = (log_probabilities(one, HISTORIES, items) for one in (generator, loaded))
    torch.testing.assert_close(found, expected)


def test_items_of_one_code() -> None:
    world = World.random("qwen3", (6,), items=5, seed=2)
    tokens = torch.from_numpy(world.vocabulary.encode(world.codes[[[4, 0]]]))[:, :, None]
    with torch.no_grad():
        scores = causal_log_probabilities(world.model, [[3, 4]], tokens)
    expected = [[[world.score([3, 4], item)] for item in (4, 0)]]
    np.testing.assert_allclose(scores.numpy(), expected, atol=1e-5)


def test_what_does_not_fit_is_refused() -> None:
    generator = tiny_generator("decoder")
    with pytest.raises(ValueError, match="3 requests"):
        log_probabilities(generator, HISTORIES, np.zeros((2, 4, 1), dtype=np.int64))
    with pytest.raises(ValueError, match="cut the history"):
        log_probabilities(generator, HISTORIES, np.zeros((3, 1, 9), dtype=np.int64))
