"""The search with an item head, against a look at every item."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genrec.decoding import TreeBeamSearch, Trie
from genrec.decoding.item_scores import WEIGHT, ItemScores
from genrec.decoding.ranking import Ranking
from genrec.models import HistoryBatch, build_generator
from genrec.models.onerec.base import OneRecBase
from genrec.models.onerec.config import EncoderDecoderConfig, LazyDecoderConfig
from genrec.models.onerec.item_head import ItemHead
from genrec.models.onerec.presets import Shape
from genrec.semantic_ids import Catalogue
from tests.decoding.session_worlds import HistorySessions
from tests.decoding.worlds import random_codes

SIZES = (6, 5, 3)
SHAPE = {"hidden_size": 16, "intermediate_size": 24, "heads": 2, "item_head": True}
KINDS: dict[str, Shape] = {
    "encoder_decoder": EncoderDecoderConfig(**SHAPE, softmax="catalogue"),
    "levels": EncoderDecoderConfig(**SHAPE),
    "lazy_decoder": LazyDecoderConfig(**SHAPE),
}
NAMES = [str(at) for at in range(40)]
HISTORIES = [np.array([3, 1, 4]), np.array([5]), np.zeros(0, dtype=np.int64)]


def world(kind: str) -> tuple[HistorySessions, np.ndarray]:
    """A random generator of 40 items, and what the head says of every item after each history."""
    torch.manual_seed(3)
    codes = random_codes(SIZES, 40, np.random.default_rng(5))
    made = build_generator(KINDS[kind], Catalogue(NAMES, codes, SIZES, NAMES), 4)
    model = made.model.eval()
    assert isinstance(model, OneRecBase)
    prompts = made.prompts(HISTORIES)
    assert isinstance(prompts, HistoryBatch)
    with torch.no_grad():
        for weight in model.parameters():  # larger than at the start, so that scores lie apart
            weight.mul_(6 if weight.dim() > 1 else 1)
        states = model.newest(model.encode(prompts))[:, 0]
        heads = (WEIGHT * head_of(model)(states, model.item_vectors())).log_softmax(-1).numpy()
    return HistorySessions(model, codes, prompts), heads


@pytest.mark.parametrize("kind", KINDS)
def test_the_search_adds_both_scores(kind: str) -> None:
    """With room for all items, the lists and scores are those of a look at every item."""
    sessions, heads = world(kind)
    found = sessions.search(sessions.prompts, beams=200, k=40)
    for row in range(len(HISTORIES)):
        if sessions.model.over_catalogue:
            continue  # the plain way of these worlds has the softmax of a level
        codes = np.array([sessions.rescore(row, [item])[0] for item in range(40)])
        expected = codes + heads[row]
        assert found.items[row].tolist() == np.argsort(-expected).tolist()
        np.testing.assert_allclose(found.scores[row], np.sort(expected)[::-1], atol=2e-4)
    if sessions.model.over_catalogue:  # both are distributions over the items
        bare = without_head(sessions)
        for row in range(len(HISTORIES)):
            codes = np.empty(40)
            codes[bare.items[row]] = bare.scores[row]
            assert np.exp(codes).sum() == pytest.approx(1, abs=1e-4)
            np.testing.assert_allclose(found.scores[row], np.sort(codes + heads[row])[::-1], atol=2e-4)


def head_of(model: OneRecBase) -> ItemHead:
    assert model.items is not None
    return model.items


def without_head(sessions: HistorySessions) -> Ranking:
    """What the search finds by the codes alone."""
    head, sessions.model.items = sessions.model.items, None
    try:
        return sessions.search(sessions.prompts, beams=200, k=40)
    finally:
        sessions.model.items = head


def test_a_node_has_the_probability_of_what_is_below_it() -> None:
    sessions, _ = world("lazy_decoder")
    trie = Trie.build(sessions.codes, SIZES)
    with torch.no_grad():
        states = torch.randn((2, 16), generator=torch.Generator().manual_seed(0))
        levels = ItemScores(sessions.model, trie)(states)
    leaves = levels[-1][:, :-1].exp()
    torch.testing.assert_close(leaves.sum(1), torch.ones(2))
    for level, scores in zip(trie.levels[:-1], levels[:-1], strict=True):
        for node in range(len(level)):
            below = leaves[:, level.leaves[node] : level.leaves[node + 1]].sum(1)
            torch.testing.assert_close(scores[:, node].exp(), below)


def test_few_beams_find_what_the_head_wants() -> None:
    """A code of an item that only the head likes survives a narrow beam, because its node has the head's word."""
    sessions, _ = world("lazy_decoder")
    wide = sessions.search(sessions.prompts, beams=200, k=1)
    narrow = sessions.search(sessions.prompts, beams=4, k=1)
    assert narrow.items.tolist() == wide.items.tolist()


def test_exclusions_hold() -> None:
    sessions, _ = world("levels")
    full = sessions.search(sessions.prompts, beams=200, k=40)
    excluded = [full.items[row, :3] for row in range(3)]
    rest = sessions.search(sessions.prompts, beams=200, k=37, exclude=excluded)
    np.testing.assert_array_equal(rest.items, full.items[:, 3:])
    np.testing.assert_allclose(rest.scores, full.scores[:, 3:], atol=1e-5)


def test_an_item_that_came_later_is_known_by_its_codes() -> None:
    sessions, _ = world("levels")
    taken = {tuple(row) for row in sessions.codes.tolist()}
    new = next([a, b, c] for a in range(6) for b in range(5) for c in range(3) if (a, b, c) not in taken)
    codes = np.concatenate([np.array([new], dtype=np.int32), sessions.codes[::-1]])  # in another order, too
    trie = Trie.build(codes, SIZES)
    model = sessions.model
    with torch.no_grad():
        states = torch.randn((1, 16), generator=torch.Generator().manual_seed(0))
        scores = ItemScores(model, trie)(states)[-1][0, :-1]
        own = head_of(model)(states, model.item_vectors())[0]
        first = torch.tensor([1, 7, 12])
        alone = head_of(model)(states, model.codes(torch.tensor(new) + first).sum(0)[None])[0]
    expected = (WEIGHT * torch.cat([alone, own.flip(0)])).log_softmax(-1)
    torch.testing.assert_close(scores, expected[torch.from_numpy(trie.items).long()])
    assert TreeBeamSearch(model, trie, [0, 0, 0])(sessions.prompts, beams=200, k=41).items.min() == 0
