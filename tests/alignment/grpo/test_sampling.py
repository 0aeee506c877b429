"""Draws from a policy within the trie."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genrec.decoding import Sessions, TreeBeamSearch, Trie
from genrec.models import Generator
from genrec_alignment.grpo.sampling import TreeSampler
from genrec_alignment.preference.logprobs import log_probabilities
from tests.alignment.grpo.worlds import HISTORIES, KINDS
from tests.alignment.preference.test_logprobs import SIZES, tiny_generator


def draw(generator: Generator, draws: int, length: int = 1, seed: int = 0, exclude: list | None = None) -> Sessions:
    trie = Trie.build(generator.catalogue.codes, SIZES)
    sampler = TreeSampler(TreeBeamSearch(generator.model, trie, generator.vocabulary.offsets))
    return sampler(generator.prompts(HISTORIES[:2]), length, draws, exclude, seed)


@pytest.mark.parametrize("kind", KINDS)
def test_items_come_as_often_as_the_policy_says(kind: str) -> None:
    generator = tiny_generator(kind)
    found = draw(generator, 4000)
    for row in range(2):
        items, counts = np.unique(found.items[row], return_counts=True)
        with torch.no_grad():
            logp = log_probabilities(generator, HISTORIES[row : row + 1], items[None, :, None])[0, :, 0].numpy()
        place = np.searchsorted(items, found.items[row, :, 0])
        np.testing.assert_allclose(found.scores[row], logp[place], atol=1e-4)
        assert items.min() >= 0
        if kind == "over_catalogue":  # its probabilities are those of the draw
            np.testing.assert_allclose(counts / 4000, np.exp(logp), atol=0.04)
            assert np.exp(logp).sum() > 0.95


@pytest.mark.parametrize("kind", ["decoder", "lazy_decoder"])
def test_sessions_never_hold_an_item_twice_nor_an_excluded_one(kind: str) -> None:
    generator = tiny_generator(kind)
    left_out = np.arange(0, len(generator.catalogue), 2)
    found = draw(generator, 200, length=3, exclude=[left_out, left_out[:0]])
    assert (found.items >= 0).all()
    assert not np.isin(found.items[0], left_out).any()
    assert (np.diff(np.sort(found.items, axis=2)) > 0).all()
    with torch.no_grad():
        scores = log_probabilities(generator, HISTORIES[:2], found.items[:, :5]).sum(-1)
    np.testing.assert_allclose(found.scores[:, :5], scores.numpy(), atol=1e-4)


def test_the_seed_decides() -> None:
    generator = tiny_generator("decoder")
    first, again, other = (draw(generator, 20, seed=seed).items for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_where_few_items_are_left_sessions_are_shorter() -> None:
    generator = tiny_generator("decoder")
    all_but_two = np.arange(2, len(generator.catalogue))
    found = draw(generator, 5, length=3, exclude=[all_but_two, all_but_two])
    assert (np.sort(found.items[:, :, :2], axis=2) == [0, 1]).all()
    assert (found.items[:, :, 2] == -1).all()
